import { BusbarError } from '../errors/index.ts'

/** First allocation: most control messages and small calls fit (our choice). */
const INITIAL_BYTES = 256

/** Memory that many messages share. */
export interface WriterMemory {
  readonly bytes: Uint8Array
  readonly view: DataView
  /** Hands out `length` bytes and returns where in `bytes` they start; -1 when it has no memory for so many. */
  take(length: number): number
  /** Takes back what a message from `start` did not need: it ended at `end`. */
  giveBack(bytes: Uint8Array, start: number, end: number): void
}

/** A cursor that writes into memory of its own or of a slab, which doubles when full, up to `max` bytes (then `LIMIT`). */
export class Writer {
  /** How many marks were set in this message: whoever numbers what it writes counts here. */
  marks = 0
  #bytes: Uint8Array
  #view: DataView
  readonly #little: boolean
  readonly #max: number
  readonly #slab: WriterMemory | undefined
  /** Where the message starts in `bytes`, and where the memory for it ends. */
  #start = 0
  #end: number
  #at = 0
  /** What lies in front of `start`, once something was not copied, and how many `bytes` that is. */
  #pieces: Uint8Array[] | undefined
  #before = 0
  /** `bytes` that come in one piece of at least this length are not copied. */
  #leaveFrom = 0x7fff_ffff

  /** With a `slab` a short message is written there; it must be finished before the slab's next one begins. */
  constructor(little = true, max = 0x7fff_ffff, initial: number = INITIAL_BYTES, slab?: WriterMemory) {
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
    return this.#before + this.#at - this.#start
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
    if (needed > this.#max) throw tooLong(needed, this.#max)
    const held = this.#at - this.#start
    const bigger = new Uint8Array(Math.min(this.#max, Math.max(held + more, (this.#end - this.#start) * 2)))
    bigger.set(this.#bytes.subarray(this.#start, this.#at))
    this.#at -= this.#start
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

  /** From now on bytes that come in one piece of at least `length` are not copied but left where they are: see `pieces`. */
  leaveFrom(length: number): this {
    this.#leaveFrom = length
    return this
  }

  /** Copies bytes in, unless they are to be left where they are. */
  bytes(bytes: Uint8Array): void {
    if (bytes.length >= this.#leaveFrom) return this.#leave(bytes)
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
    if (at + 4 > this.length || this.#before > 0) throw new BusbarError('INTERNAL', 'patch beyond what was written')
    this.#view.setUint32(this.#start + at, value, this.#little)
  }

  patchU16(at: number, value: number): void {
    if (at + 2 > this.length || this.#before > 0) throw new BusbarError('INTERNAL', 'patch beyond what was written')
    this.#view.setUint16(this.#start + at, value, this.#little)
  }

  #leave(bytes: Uint8Array): void {
    const length = this.length + bytes.length
    if (length > this.#max) throw tooLong(length, this.#max)
    this.#pieces ??= []
    if (this.#at > this.#start) this.#pieces.push(this.#bytes.subarray(this.#start, this.#at))
    this.#pieces.push(bytes)
    this.#before = length
    this.#start = this.#at
  }

  /** What was written, in pieces that follow one another. The writer must not be used again. */
  pieces(): readonly Uint8Array[] {
    const last = new Uint8Array(this.#bytes.buffer, this.#start, this.#at - this.#start)
    if (this.#pieces === undefined) return [last]
    return last.length === 0 ? this.#pieces : [...this.#pieces, last]
  }

  /** Where in `bytes` the message ends, if that is where it lies; -1 when it was too large and lies elsewhere. */
  endIn(bytes: Uint8Array): number {
    return bytes === this.#bytes && this.#pieces === undefined ? this.#at : -1
  }

  /** What was written. The memory passes to the caller: the writer must not be used again. */
  finish(): Uint8Array {
    if (this.#slab !== undefined) this.#slab.giveBack(this.#bytes, this.#start, this.#at)
    if (this.#pieces === undefined) return new Uint8Array(this.#bytes.buffer, this.#start, this.length)
    const whole = new Uint8Array(this.length)
    let at = 0
    for (const piece of this.pieces()) {
      whole.set(piece, at)
      at += piece.length
    }
    return whole
  }
}

function tooLong(length: number, max: number): BusbarError {
  return new BusbarError('LIMIT', `${length} bytes do not fit the limit of ${max}`)
}
