import { BusbarError } from '../errors/index.ts'
import { utf16Decode } from './utf16.ts'
import type { Views } from './views.ts'

/**
 * A bounds-checked cursor over bytes that a peer sent. Every read that would pass the end throws `MALFORMED`; nothing is
 * ever cut short or returned as `undefined`. The bytes are not copied: `bytes()` returns views.
 */
export class Reader {
  /** The whole buffer that the bytes lie in. */
  readonly #view: DataView
  readonly #little: boolean
  readonly #start: number
  readonly #end: number
  /** Position in the buffer. */
  #at: number

  /**
   * `little` is the byte order of the multi-byte integers: `true` for control messages and NDR by default. `views` spares
   * the making of a view where many messages lie in one buffer.
   */
  constructor(bytes: Uint8Array, little?: boolean, views?: Views)
  /** Over `length` bytes from `start` of a view of a whole buffer: nothing is made for the bytes themselves. */
  constructor(view: DataView, little: boolean, start: number, length: number)
  constructor(of: Uint8Array | DataView, little = true, from?: Views | number, length = 0) {
    if (of instanceof DataView) {
      this.#view = of
      this.#start = from as number
      this.#end = this.#start + length
    } else {
      this.#view = from === undefined ? new DataView(of.buffer) : (from as Views).of(of)
      this.#start = of.byteOffset
      this.#end = this.#start + of.length
    }
    this.#at = this.#start
    this.#little = little
  }

  /** Offset of the next byte. */
  get at(): number {
    return this.#at - this.#start
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.#end - this.#at
  }

  /** Whether multi-byte integers are read little-endian. */
  get little(): boolean {
    return this.#little
  }

  /** Another cursor over the same bytes, at their start. */
  again(): Reader {
    return new Reader(this.#view, this.#little, this.#start, this.#end - this.#start)
  }

  /** What `take` gives positions in. */
  get view(): DataView {
    return this.#view
  }

  /**
   * Passes over `length` bytes and returns where in `view` they start. All reads pass through here: `length <= left`
   * cannot overflow.
   */
  take(length: number): number {
    const at = this.#at
    if (!(length >= 0 && length <= this.#end - at)) this.#short(length)
    this.#at = at + length
    return at
  }

  #short(length: number): never {
    throw new BusbarError('MALFORMED', `needed ${length} bytes at offset ${this.at}, found ${this.left}`)
  }

  u8(): number {
    return this.#view.getUint8(this.take(1))
  }

  u16(): number {
    return this.#view.getUint16(this.take(2), this.#little)
  }

  u32(): number {
    return this.#view.getUint32(this.take(4), this.#little)
  }

  i8(): number {
    return this.#view.getInt8(this.take(1))
  }

  i16(): number {
    return this.#view.getInt16(this.take(2), this.#little)
  }

  i32(): number {
    return this.#view.getInt32(this.take(4), this.#little)
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.take(8), this.#little)
  }

  i64(): bigint {
    return this.#view.getBigInt64(this.take(8), this.#little)
  }

  f32(): number {
    return this.#view.getFloat32(this.take(4), this.#little)
  }

  f64(): number {
    return this.#view.getFloat64(this.take(8), this.#little)
  }

  /** An unsigned 64-bit integer as a number; above 2^53 - 1 it is `MALFORMED`. */
  uint53(): number {
    const at = this.take(8)
    const low = this.#view.getUint32(this.#little ? at : at + 4, this.#little)
    const high = this.#view.getUint32(this.#little ? at + 4 : at, this.#little)
    if (high > 0x1fffff) {
      throw new BusbarError('MALFORMED', `integer at offset ${at - this.#start} is above 2^53 - 1`)
    }
    return high * 0x1_0000_0000 + low
  }

  /** A view of the next `length` bytes. */
  bytes(length: number): Uint8Array {
    const at = this.take(length)
    return new Uint8Array(this.#view.buffer, at, length)
  }

  /** The text of the next `units` UTF-16 units, whatever they are: lone surrogates and NULs included. */
  utf16(units: number): string {
    return utf16Decode(this.#view, this.take(units * 2), units, this.#little)
  }

  /** The last four bytes as an integer, without passing over anything. At least so many must be left. */
  lastU32(): number {
    if (this.left < 4) this.#short(4)
    return this.#view.getUint32(this.#end - 4, this.#little)
  }

  skip(length: number): void {
    this.take(length)
  }

  /** Skips to the next multiple of `size` (a power of two) counted from the start of these bytes. */
  align(size: number): void {
    const over = (this.#at - this.#start) & (size - 1)
    if (over !== 0) this.take(size - over)
  }

  /** Throws `MALFORMED` unless everything was read. */
  done(what: string): void {
    if (this.left !== 0) throw new BusbarError('MALFORMED', `${what}: ${this.left} bytes left over`)
  }
}
