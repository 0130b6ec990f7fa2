/** From so many units on the platform's decoder is faster (our choice, measured). */
const LONG_TEXT = 128

const littleDecoder = new TextDecoder('utf-16le', { fatal: true, ignoreBOM: true })
const bigDecoder = new TextDecoder('utf-16be', { fatal: true, ignoreBOM: true })

/** The text of `units` UTF-16 units, whatever they are: lone surrogates and NULs included. */
export function utf16Decode(view: DataView, at: number, units: number, little: boolean): string {
  if (units < LONG_TEXT) return piecewise(view, at, units, little)
  try {
    return (little ? littleDecoder : bigDecoder).decode(new Uint8Array(view.buffer, at, units * 2))
  } catch {
    // A lone surrogate, which the decoder does not let through.
    return piecewise(view, at, units, little)
  }
}

/** Eight units at a time: a list of them costs an array, and one by one costs a string each (measured). */
function piecewise(view: DataView, from: number, units: number, little: boolean): string {
  let text = ''
  let at = from
  let left = units
  for (; left >= 8; left -= 8, at += 16) {
    text += String.fromCharCode(
      view.getUint16(at, little),
      view.getUint16(at + 2, little),
      view.getUint16(at + 4, little),
      view.getUint16(at + 6, little),
      view.getUint16(at + 8, little),
      view.getUint16(at + 10, little),
      view.getUint16(at + 12, little),
      view.getUint16(at + 14, little),
    )
  }
  for (; left > 0; left--, at += 2) text += String.fromCharCode(view.getUint16(at, little))
  return text
}
