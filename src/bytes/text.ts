import { BusbarError } from '../errors/index.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function utf8Encode(text: string): Uint8Array {
  return encoder.encode(text)
}

/** Strict UTF-8: anything else is `MALFORMED`. */
export function utf8Decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw new BusbarError('MALFORMED', `${bytes.length} bytes of text are not UTF-8`, { cause })
  }
}
