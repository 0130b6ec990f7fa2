import { type Guid, type Reader, guidFromBytes, guidToBytes, swapGuidFields, type Writer } from '../../bytes/index.ts'

/** Reads a UUID in the byte order of the peer: the first three fields are integers (C706 A.1). */
export function readUuid(reader: Reader): Guid {
  const bytes = reader.bytes(16).slice()
  return guidFromBytes(reader.little ? swapGuidFields(bytes) : bytes)
}

export function writeUuid(writer: Writer, guid: Guid, little: boolean): void {
  const bytes = guidToBytes(guid)
  writer.bytes(little ? swapGuidFields(bytes) : bytes)
}

/** Texts remembered per association; a power of two (our choice: the objects in use at one time are few). */
const REMEMBERED = 64

/**
 * Object UUIDs of calls. Most calls go to an object that was called before, so the last texts are remembered: turning 16
 * bytes into text costs more than the rest of a request header. Fixed memory; a peer that sends new ones only misses.
 */
export class UuidMemory {
  readonly #words = new Uint32Array(REMEMBERED * 4)
  readonly #texts: (Guid | undefined)[] = Array.from({ length: REMEMBERED }, () => undefined)
  #written: Guid = ''
  readonly #writtenBytes: Uint8Array = new Uint8Array(16)
  readonly #writtenWords: number[] = [0, 0, 0, 0]
  readonly #read = new Uint8Array(16)

  /** The UUID at `at`. */
  read(view: DataView, at: number, little: boolean): Guid {
    const a = view.getUint32(at, little)
    const b = view.getUint32(at + 4, true)
    const c = view.getUint32(at + 8, true)
    const d = view.getUint32(at + 12, true)
    const slot = (a ^ (a >>> 16) ^ d) & (REMEMBERED - 1)
    const words = this.#words
    const base = slot * 4
    const text = this.#texts[slot]
    if (
      text !== undefined &&
      little &&
      words[base] === a &&
      words[base + 1] === b &&
      words[base + 2] === c &&
      words[base + 3] === d
    ) {
      return text
    }
    const bytes = this.#read
    for (let i = 0; i < 16; i++) bytes[i] = view.getUint8(at + i)
    const fresh = guidFromBytes(little ? swapGuidFields(bytes) : bytes)
    if (little) {
      words[base] = a
      words[base + 1] = b
      words[base + 2] = c
      words[base + 3] = d
      this.#texts[slot] = fresh
    }
    return fresh
  }

  /** Writes the UUID at `at`, little-endian. */
  write(view: DataView, at: number, guid: Guid): void {
    this.#toWords(guid)
    const words = this.#writtenWords
    view.setUint32(at, words[0] as number, true)
    view.setUint32(at + 4, words[1] as number, true)
    view.setUint32(at + 8, words[2] as number, true)
    view.setUint32(at + 12, words[3] as number, true)
  }

  /** The 16 bytes of a UUID, little-endian; valid until the next call. */
  bytes(guid: Guid): Uint8Array {
    this.#toWords(guid)
    const bytes = this.#writtenBytes
    for (let i = 0; i < 16; i++) bytes[i] = (this.#writtenWords[i >> 2] as number) >>> ((i & 3) * 8)
    return bytes
  }

  #toWords(guid: Guid): void {
    if (guid === this.#written) return
    const words = this.#writtenWords
    words[0] = integer(guid, 0, 8)
    words[1] = integer(guid, 9, 4) | (integer(guid, 14, 4) << 16)
    words[2] = swapped(integer(guid, 19, 4) * 0x1_0000 + integer(guid, 24, 4))
    words[3] = swapped(integer(guid, 28, 8))
    this.#written = guid
  }
}

/** What so many hexadecimal digits stand for. */
function integer(guid: Guid, at: number, digits: number): number {
  let value = 0
  for (let i = at; i < at + digits; i++) {
    const code = guid.charCodeAt(i)
    // In ASCII letters have bit 0x40, and `a` and `A` end in 1.
    value = (value << 4) | (code & 0x40 ? (code & 0x0f) + 9 : code & 0x0f)
  }
  return value >>> 0
}

/** The same four bytes the other way round. */
function swapped(value: number): number {
  return ((value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0
}
