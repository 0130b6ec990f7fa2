import { type Guid, Reader, type Writer } from '../bytes/index.ts'
import { readUuid as readAny, writeUuid as writeAny } from '../rpc/index.ts'

/** Where in the text of a GUID the digits of each of its 16 bytes stand, in the little-endian layout (C706, A.1). */
const DIGITS_AT = Uint8Array.of(6, 4, 2, 0, 11, 9, 16, 14, 19, 21, 24, 26, 28, 30, 32, 34)
const HYPHEN = 0x2d

/** The value of each hexadecimal digit, by its character. */
const VALUES = new Uint8Array(128)
/** The characters of each byte, two to a byte. */
const CHARACTERS = new Uint8Array(512)
for (let i = 0; i < 16; i++) VALUES[i.toString(16).charCodeAt(0)] = i
for (let i = 0; i < 256; i++) {
  const text = i.toString(16).padStart(2, '0')
  CHARACTERS[i * 2] = text.charCodeAt(0)
  CHARACTERS[i * 2 + 1] = text.charCodeAt(1)
}

/** The characters of the text that is being made. */
const TEXT: number[] = Array.from({ length: 36 }, () => HYPHEN)

/** Writes a GUID. Little-endian, as we write, it makes nothing on the way: a thousand references may be in one message. */
export function writeUuid(writer: Writer, guid: Guid, little: boolean): void {
  if (!little) return writeAny(writer, guid, little)
  const at = writer.reserve(16)
  putUuid(writer.view, at, guid)
}

/** The same at `at`, little-endian. */
export function putUuid(view: DataView, at: number, guid: Guid): void {
  for (let i = 0; i < 16; i++) {
    const digits = DIGITS_AT[i] as number
    const high = VALUES[guid.charCodeAt(digits)] as number
    view.setUint8(at + i, (high << 4) | (VALUES[guid.charCodeAt(digits + 1)] as number))
  }
}

/** Reads a GUID: one flat text, as the key of a map has to be. */
export function readUuid(reader: Reader): Guid {
  if (!reader.little) return readAny(reader)
  const at = reader.take(16)
  const { view } = reader
  for (let i = 0; i < 16; i++) {
    const byte = view.getUint8(at + i) * 2
    const digits = DIGITS_AT[i] as number
    TEXT[digits] = CHARACTERS[byte] as number
    TEXT[digits + 1] = CHARACTERS[byte + 1] as number
  }
  return String.fromCharCode.apply(null, TEXT)
}

/** Reads little-endian GUIDs that are the same most of the time: the text of the last one is kept. */
export class SameUuid {
  readonly #words = new Uint32Array(4)
  #text: Guid | undefined

  read(reader: Reader): Guid {
    const words = this.#words
    const [a, b, c, d] = [reader.u32(), reader.u32(), reader.u32(), reader.u32()]
    if (this.#text === undefined || words[0] !== a || words[1] !== b || words[2] !== c || words[3] !== d) {
      words.set([a, b, c, d])
      this.#text = readUuid(new Reader(new Uint8Array(words.slice().buffer)))
    }
    return this.#text
  }
}
