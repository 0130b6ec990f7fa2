import { BusbarError } from '../errors/index.ts'
import type { Slab } from './slab.ts'

/** First allocation: most control messages and small calls fit (our choice). */
const INITIAL_BYTES = 256

/** A cursor that writes into memory of its own or of a slab, which doubles when full, up to `max` bytes (then `LIMIT`). */
export class Writer {
  /** How many marks were set in this message: whoever numbers what it writes counts here. */
  marks = 0
  #bytes: Uint8Array
  #view: DataView
  readonly #little: boolean
  readonly #max: number
  readonly #slab: Slab | undefined
  /** Where the message starts in `bytes`, and where the memory for it ends. */
  #start = 0
  #end: number
  #at = 0

  /** With a `slab` a short message is written there; it must be finished before the slab's next one begins. */
  constructor(little = true, max = 0x7fff_ffff, initial: number = INITIAL_BYTES, slab?: Slab) {
    const size = Math.min(initial, max)
    const start = slab === undefined ? -1 : slab.take(size)
    this.#little = little
    this.#max = max
    if (slab !== undefined && start >= 0) {
      this.#slab = slab
      this.#bytes = slab.bytes
      this.#view = slab.view
      this.#start = start
      this.#at = start
      this.#end = start + size
    } else {
      this.#bytes = new Uint8Array(size)
      this.#view = new DataView(this.#bytes.buffer)
      this.#end = size
    }
  }

  /** Whether multi-byte integers are written little-endian. */
  get little(): boolean {
    return this.#little
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#at - this.#start
  }

  /** What `reserve` gives positions in; another one after every `reserve`. */
  get view(): DataView {
    return this.#view
  }

  /** Makes room for `length` bytes, which the caller writes, and returns where in `view` they start. */
  reserve(length: number): number {
    if (this.#at + length > this.#end) this.#grow(length)
    const at = this.#at
    this.#at = at + length
    return at
  }

  #grow(more: number): void {
    const needed = this.length + more
    if (needed > this.#max) throw new BusbarError('LIMIT', `${needed} bytes do not fit the limit of ${this.#max}`)
    const bigger = new Uint8Array(Math.min(this.#max, Math.max(needed, (this.#end - this.#start) * 2)))
    bigger.set(this.#bytes.subarray(this.#start, this.#at))
    this.#at = this.length
    this.#start = 0
    this.#end = bigger.length
    this.#bytes = bigger
    this.#view = new DataView(bigger.buffer)
  }

  u8(value: number): void {
    const at = this.reserve(1)
    this.#view.setUint8(at, value)
  }

  u16(value: number): void {
    const at = this.reserve(2)
    this.#view.setUint16(at, value, this.#little)
  }

  u32(value: number): void {
    const at = this.reserve(4)
    this.#view.setUint32(at, value, this.#little)
  }

  u64(value: bigint): void {
    const at = this.reserve(8)
    this.#view.setBigUint64(at, value, this.#little)
  }

  f32(value: number): void {
    const at = this.reserve(4)
    this.#view.setFloat32(at, value, this.#little)
  }

  f64(value: number): void {
    const at = this.reserve(8)
    this.#view.setFloat64(at, value, this.#little)
  }

  /** A non-negative safe integer as 64 bits. */
  uint53(value: number): void {
    const at = this.reserve(8)
    const high = Math.floor(value / 0x1_0000_0000)
    this.#view.setUint32(this.#little ? at : at + 4, value >>> 0, this.#little)
    this.#view.setUint32(this.#little ? at + 4 : at, high, this.#little)
  }

  /** Copies bytes in. */
  bytes(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length)
    this.#bytes.set(bytes, at)
  }

  /** Writes the UTF-16 units of a text, without a terminator. */
  utf16(text: string): void {
    const length = text.length
    let at = this.reserve(length * 2)
    const view = this.#view
    const little = this.#little
    for (let i = 0; i < length; i++, at += 2) view.setUint16(at, text.charCodeAt(i), little)
  }

  zeros(count: number): void {
    const at = this.reserve(count)
    this.#bytes.fill(0, at, at + count)
  }

  /** Pads with zeros to the next multiple of `size` (a power of two) counted from the start. */
  align(size: number): void {
    const over = this.length & (size - 1)
    if (over !== 0) this.zeros(size - over)
  }

  /** Overwrites four bytes written earlier. */
  patchU32(at: number, value: number): void {
    if (at + 4 > this.length) throw new BusbarError('INTERNAL', 'patch beyond what was written')
    this.#view.setUint32(this.#start + at, value, this.#little)
  }

  patchU16(at: number, value: number): void {
    if (at + 2 > this.length) throw new BusbarError('INTERNAL', 'patch beyond what was written')
    this.#view.setUint16(this.#start + at, value, this.#little)
  }

  /** What was written. The memory passes to the caller: the writer must not be used again. */
  finish(): Uint8Array {
    if (this.#slab !== undefined) this.#slab.giveBack(this.#bytes, this.#start, this.#at)
    return new Uint8Array(this.#bytes.buffer, this.#start, this.length)
  }
}
