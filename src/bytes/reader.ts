import { BusbarError } from '../errors/index.ts'

/** UTF-16 units turned into text at a time: below every engine's limit on arguments (our choice, measured). */
const UTF16_BATCH = 1024

/**
 * A bounds-checked cursor over bytes that a peer sent. Every read that would pass the end throws `MALFORMED`; nothing is
 * ever cut short or returned as `undefined`. The bytes are not copied: `bytes()` returns views.
 */
export class Reader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #little: boolean
  #at = 0

  /** `little` is the byte order of the multi-byte integers: `true` for control messages and NDR by default. */
  constructor(bytes: Uint8Array, little = true) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#little = little
  }

  /** Offset of the next byte. */
  get at(): number {
    return this.#at
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.#bytes.length - this.#at
  }

  /** Whether multi-byte integers are read little-endian. */
  get little(): boolean {
    return this.#little
  }

  /** Reserves `length` bytes and returns where they start. All reads pass through here: `length <= left` cannot overflow. */
  #take(length: number): number {
    if (!(length >= 0 && length <= this.#bytes.length - this.#at)) {
      throw new BusbarError('MALFORMED', `needed ${length} bytes at offset ${this.#at}, found ${this.left}`)
    }
    const at = this.#at
    this.#at = at + length
    return at
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1))
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), this.#little)
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), this.#little)
  }

  i8(): number {
    return this.#view.getInt8(this.#take(1))
  }

  i16(): number {
    return this.#view.getInt16(this.#take(2), this.#little)
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4), this.#little)
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8), this.#little)
  }

  i64(): bigint {
    return this.#view.getBigInt64(this.#take(8), this.#little)
  }

  f32(): number {
    return this.#view.getFloat32(this.#take(4), this.#little)
  }

  f64(): number {
    return this.#view.getFloat64(this.#take(8), this.#little)
  }

  /** An unsigned 64-bit integer as a number; above 2^53 - 1 it is `MALFORMED`. */
  uint53(): number {
    const at = this.#take(8)
    const low = this.#view.getUint32(this.#little ? at : at + 4, this.#little)
    const high = this.#view.getUint32(this.#little ? at + 4 : at, this.#little)
    if (high > 0x1fffff) throw new BusbarError('MALFORMED', `integer at offset ${at} is above 2^53 - 1`)
    return high * 0x1_0000_0000 + low
  }

  /** A view of the next `length` bytes. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length)
    return this.#bytes.subarray(at, at + length)
  }

  /** The text of the next `units` UTF-16 units, whatever they are: lone surrogates and NULs included. */
  utf16(units: number): string {
    let at = this.#take(units * 2)
    let text = ''
    for (let left = units; left > 0; ) {
      const codes = new Array<number>(Math.min(left, UTF16_BATCH))
      for (let i = 0; i < codes.length; i++, at += 2) codes[i] = this.#view.getUint16(at, this.#little)
      text += String.fromCharCode.apply(null, codes)
      left -= codes.length
    }
    return text
  }

  skip(length: number): void {
    this.#take(length)
  }

  /** Skips to the next multiple of `size` (a power of two) counted from the start of these bytes. */
  align(size: number): void {
    const over = this.#at & (size - 1)
    if (over !== 0) this.#take(size - over)
  }

  /** Throws `MALFORMED` unless everything was read. */
  done(what: string): void {
    if (this.left !== 0) throw new BusbarError('MALFORMED', `${what}: ${this.left} bytes left over`)
  }
}
