import { BusbarError } from '../errors/index.ts'
import { CELLS, FEATURES, PAGE_BYTES } from './layout.ts'
import { MAX_DATA, MIN_DATA } from './limits.ts'
import type { Mem } from './mem.ts'

const CONTROL_WORDS: number = PAGE_BYTES / 4
/** Up to so many `bytes` words are read one by one: making a view to copy from takes longer (measured). */
const SMALL = 128
/** From so many `bytes` on a copy through aligned memory is faster where only the slow one is possible (measured). */
const SLOW = 256
/** Memory for such copies, `bytes`: stays in the first cache. */
const STAGE_BYTES = 16_384

/**
 * Real memory: a block of an `ArrayBuffer`, a `SharedArrayBuffer` or a mapping. The block must stay mapped as long as a
 * reader or writer on it is open.
 */
export class Block implements Mem {
  readonly dataBytes: number
  readonly #words: Int32Array
  readonly #bytes: Uint8Array
  /** Where the data lies. Kept, because asking a view for its buffer costs more than a short copy (measured). */
  readonly #buffer: ArrayBufferLike
  readonly #base: number
  /** The memory that a short payload was copied to last, and a view of it. */
  #into: Uint8Array | undefined
  #view: DataView = new DataView(new ArrayBuffer(0))
  /**
   * V8 copies to and from a `SharedArrayBuffer` by words only where both addresses are the same modulo 8, else byte by byte, eight times
   * slower. There, and only there, is this needed.
   */
  readonly #shared: boolean
  #stage: Uint8Array | undefined

  /** `block` is the control page and the data behind it, at an address that is a multiple of 8; else `INVALID_ARGUMENT`. */
  constructor(block: Uint8Array) {
    const dataBytes = block.length - PAGE_BYTES
    if (dataBytes < MIN_DATA || dataBytes > MAX_DATA || dataBytes % PAGE_BYTES !== 0) {
      throw new BusbarError(
        'INVALID_ARGUMENT',
        `a ring of ${block.length} bytes: a control page and 1 to ${MAX_DATA / PAGE_BYTES} pages of data, ${PAGE_BYTES} bytes each, are needed`,
      )
    }
    if (block.byteOffset % 8 !== 0) {
      throw new BusbarError('INVALID_ARGUMENT', `a ring at offset ${block.byteOffset}: a multiple of 8 is needed`)
    }
    // The order of bytes of this machine, since words are read as the machine does.
    if (new Uint8Array(new Uint16Array([1]).buffer)[0] !== 1) {
      throw new BusbarError('UNAVAILABLE', 'rings are little-endian, and this machine is not')
    }
    this.dataBytes = dataBytes
    this.#shared = !(block.buffer instanceof ArrayBuffer)
    this.#buffer = block.buffer
    this.#base = block.byteOffset + PAGE_BYTES
    this.#words = new Int32Array(block.buffer, block.byteOffset, block.length / 4)
    this.#bytes = new Uint8Array(this.#buffer, this.#base, dataBytes)
  }

  /** Makes an empty ring of the block. For whoever allocated it, before anybody else has it. */
  format(): void {
    this.#words.fill(0, 0, CONTROL_WORDS)
    this.store(CELLS.FEATURE_BITS, FEATURES.PENDING_SEND)
  }

  load(cell: number): number {
    return Atomics.load(this.#words, cell) >>> 0
  }

  store(cell: number, value: number): void {
    Atomics.store(this.#words, cell, value)
  }

  get(at: number): number {
    return (this.#words[CONTROL_WORDS + (at >>> 2)] as number) >>> 0
  }

  put(at: number, low: number, high: number): void {
    const word = CONTROL_WORDS + (at >>> 2)
    this.#words[word] = low
    this.#words[word + 1] = high
  }

  copyIn(at: number, from: Uint8Array, start: number, length: number): void {
    if (this.#shared && length >= SLOW && ((from.byteOffset + start) & 7) !== (at & 7)) {
      this.#stagedIn(at, from, start, length)
    } else if (length === from.length) this.#bytes.set(from, at)
    else this.#bytes.set(new Uint8Array(from.buffer, from.byteOffset + start, length), at)
  }

  #stagedIn(at: number, from: Uint8Array, start: number, length: number): void {
    const stage = (this.#stage ??= new Uint8Array(STAGE_BYTES))
    for (let done = 0; done < length; done += STAGE_BYTES) {
      const piece = Math.min(STAGE_BYTES, length - done)
      stage.set(new Uint8Array(from.buffer, from.byteOffset + start + done, piece))
      this.#bytes.set(piece === STAGE_BYTES ? stage : new Uint8Array(stage.buffer, 0, piece), at + done)
    }
  }

  copyOut(at: number, into: Uint8Array, start: number, length: number): void {
    if (length <= SMALL && (at & 3) === 0) this.#smallOut(at, into, start, length)
    else if (this.#shared && length >= SLOW && ((into.byteOffset + start) & 7) !== (at & 7)) {
      this.#stagedOut(at, into, start, length)
    } else into.set(new Uint8Array(this.#buffer, this.#base + at, length), start)
  }

  view(at: number, length: number): Uint8Array {
    return new Uint8Array(this.#buffer, this.#base + at, length)
  }

  #smallOut(at: number, into: Uint8Array, start: number, length: number): void {
    if (into !== this.#into) {
      this.#into = into
      this.#view = new DataView(into.buffer, into.byteOffset, into.length)
    }
    const words = this.#words
    const view = this.#view
    let word = CONTROL_WORDS + (at >>> 2)
    let to = start
    const whole = to + (length & ~3)
    while (to < whole) {
      view.setInt32(to, words[word++] as number, true)
      to += 4
    }
    for (let last = length & ~3; last < length; last++) into[start + last] = this.#bytes[at + last] as number
  }

  /** The two addresses modulo 8 differ; that of the stage is the one in the ring. */
  #stagedOut(at: number, into: Uint8Array, start: number, length: number): void {
    const stage = (this.#stage ??= new Uint8Array(STAGE_BYTES))
    const shift = at & 7
    for (let done = 0; done < length; done += STAGE_BYTES - 8) {
      const piece = Math.min(STAGE_BYTES - 8, length - done)
      stage.set(new Uint8Array(this.#buffer, this.#base + at + done, piece), shift)
      into.set(new Uint8Array(stage.buffer, shift, piece), start + done)
    }
  }
}
