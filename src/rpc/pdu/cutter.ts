import { copyBytes, Views } from '../../bytes/index.ts'
import type { BusbarError } from '../../errors/index.ts'
import { emptyHeader, type PduHeader, readHeader, tooLong } from './header.ts'
import { HEADER_BYTES } from './table.ts'

/**
 * Takes one whole PDU: `header.length` bytes at `at` of a view of a whole buffer. The header object is filled again for the
 * next PDU; the bytes may be kept.
 */
export interface PduHandler {
  (header: PduHeader, view: DataView, at: number): void
  /**
   * How many bytes of a PDU `land` wants to see before it decides, fewer than the PDU has; 0 takes it whole. Asked of PDUs that do not lie
   * whole in memory that may be kept, when their header is in.
   */
  front?(header: PduHeader): number
  /**
   * Told when the front of such a PDU is in, and how many of its bytes have come so far: may give memory for all that is behind the
   * front, and then hears of it by `landed` alone. `undefined` takes it whole. What lies behind the memory in the same buffer is written over as well, before `landed`:
   * the first bytes of the next PDU, where it was read along with this one.
   */
  land?(header: PduHeader, view: DataView, at: number, here: number): Uint8Array | undefined
  /** Asked after each PDU that came whole: whether the rest of its chunk is given back, for later. */
  enough?(): boolean
  /** The memory that `land` gave is filled. */
  landed?(header: PduHeader): void
  /** Told of a PDU above the limit when its header is in: the last chance to answer it before `MALFORMED` is thrown. */
  tooLong?(header: PduHeader): void
}

/** Whether the memory of a chunk may be kept, is the link's again afterwards, or is written to by somebody else even now. */
export type ChunkMemory = 'kept' | 'lent' | 'shared'

/** What a handler throws that wants to hear nothing more: the rest of what comes is thrown away. */
export const ENOUGH: unique symbol = Symbol('enough')

/** The longest front that `land` may want to see, `bytes`: the fixed part of a request and an object UUID. */
const MAX_FRONT = 40
/** What is kept of a lent chunk is copied in parts of at least so many `bytes`, for many short PDUs at once (our choice). */
const KEPT = 4_096

/**
 * Cuts received chunks into PDUs. A PDU inside one chunk is handed out in place. One that straddles chunks, or lies in a chunk that is
 * only lent, is copied once: to where the handler wants it, or into memory of exactly the length its checked header declares, so that
 * what a peer makes us hold never exceeds one fragment, however small the chunks are in which it sends it.
 */
export class PduCutter {
  /** Longest PDU accepted from here on, `bytes`. */
  max: number
  readonly #handle: PduHandler
  readonly #header: PduHeader = emptyHeader()
  readonly #views = new Views()
  readonly #scratch = new Uint8Array(MAX_FRONT)
  readonly #front = new DataView(this.#scratch.buffer)
  /** Where the unfinished PDU is put together: first its header, then as much as `land` wants to see, then all of it or what it landed. */
  #partial: Uint8Array = this.#scratch
  #filled = 0
  /** How many bytes of `partial` there are to be. */
  #wanted: number = HEADER_BYTES
  /** `partial` was given by `land`. */
  #landing = false
  /** The front of the PDU that landed last, `bytes`: that of the next one is as long. */
  #ahead = 0
  #nextFront: Uint8Array = this.#scratch
  /** The last PDU landed, or one is landing. */
  #bulk = false
  #stopped = false

  constructor(max: number, handle: PduHandler) {
    this.max = max
    this.#handle = handle
  }

  /** Bytes of an unfinished PDU. */
  get held(): number {
    return this.#landing ? this.#header.length - this.#wanted + this.#filled : this.#filled
  }

  /** Nothing is handed out any more, not even from the chunk that is being cut now. */
  stop(): void {
    this.#stopped = true
    this.#bulk = false
    this.#reset()
  }

  /**
   * Where what comes next is wanted: what is read there need not be copied any more. With as much room behind it, if there is, as the front of the next fragment takes, so that
   * one read is enough for each.
   */
  get place(): Uint8Array | undefined {
    // The front of another fragment follows, most likely: what is behind it would have to be copied to where it says.
    if (this.#bulk && this.#filled === 0 && !this.#landing) return this.#nextFront
    if (!this.#landing) return undefined
    const { buffer, byteOffset, length } = this.#partial
    const from = byteOffset + this.#filled
    const behind = Math.min(this.#ahead, buffer.byteLength - byteOffset - length)
    return new Uint8Array(buffer, from, this.#wanted - this.#filled + behind)
  }

  /** How much of what comes next may be lent of memory that somebody else writes to: what is landing, or the front of the next PDU, `bytes`. */
  get blind(): number {
    if (this.#landing) return this.#wanted - this.#filled
    return this.#bulk && this.#partial === this.#scratch ? MAX_FRONT - this.#filled : 0
  }

  /** The front of a fragment has come, and nothing behind it: whoever reads has asked for no more. */
  get atFront(): boolean {
    return this.#landing && this.#filled === 0
  }

  /** Something lands, or landed last: most of what comes next is copied anyway. */
  get bulk(): boolean {
    return this.#bulk
  }

  /**
   * Gives what the handler wants later (`enough`), to be pushed again. Throws `MALFORMED` at the first header that cannot be, and whatever the
   * handler throws but `ENOUGH`.
   */
  push(chunk: Uint8Array, as: ChunkMemory = 'kept'): Uint8Array | undefined {
    try {
      const behind = this.#behind(chunk)
      if (behind !== undefined) {
        this.#complete(chunk, 0, as)
        return this.push(behind, as)
      }
      const cut = as === 'kept' ? this.#cut(chunk) : this.#cutLent(chunk, as)
      if (cut < chunk.length && !this.#stopped) return as === 'kept' ? chunk.subarray(cut) : chunk.slice(cut)
    } catch (thrown) {
      if (thrown !== ENOUGH) throw thrown
      this.stop()
    }
    return undefined
  }

  /** How many bytes were cut: all, unless the handler wants the rest later, or nothing more. */
  #cut(chunk: Uint8Array): number {
    const end = chunk.length
    let at = this.#filled > 0 || this.#landing ? this.#complete(chunk, 0, 'kept') : 0
    if (at === end) return at
    const start = chunk.byteOffset
    const view = this.#views.of(chunk)
    while (!this.#stopped && end - at >= HEADER_BYTES) {
      readHeader(view, start + at, this.#header)
      const { length } = this.#header
      if (length > this.max) throw this.#refuse()
      if (length > end - at) {
        at = this.#part(chunk, view, at)
        continue
      }
      this.#bulk = false
      this.#handle(this.#header, view, start + at)
      at += length
      if (this.#handle.enough?.() === true) return at
    }
    if (!this.#stopped && at < end) this.#keep(chunk, at, HEADER_BYTES)
    return end
  }

  /**
   * The same of a chunk that is only lent, of which somebody else may be changing the bytes meanwhile: each is copied once, and nobody looks at it
   * where it lies.
   */
  #cutLent(chunk: Uint8Array, as: ChunkMemory): number {
    let at = 0
    while (!this.#stopped && at < chunk.length) {
      at = this.#complete(chunk, at, as)
      if (at < 0) return -1 - at
    }
    return at
  }

  /** A PDU of which only the first part is there. Returns where the next one begins. */
  #part(chunk: Uint8Array, view: DataView, at: number): number {
    const here = chunk.length - at
    const front = this.#handle.front?.(this.#header) ?? 0
    if (here < front) return this.#keep(chunk, at, front)
    if (front > 0 && this.#land(view, chunk.byteOffset + at, here, front))
      return this.#complete(chunk, at + front, 'kept')
    this.#partial = new Uint8Array(this.#header.length)
    return this.#keep(chunk, at, this.#header.length)
  }

  /** Copies the rest of the chunk behind what is there of the unfinished PDU. */
  #keep(chunk: Uint8Array, at: number, wanted: number): number {
    this.#partial.set(at === 0 ? chunk : chunk.subarray(at))
    this.#filled = chunk.length - at
    this.#wanted = wanted
    return chunk.length
  }

  /**
   * The unfinished PDU lies whole in the chunk, which is lent, but for the `have` bytes that are there: goes on with a copy of it, and of others behind it.
   * Returns where in the chunk that ends, or -1 less that when the handler wants the rest later.
   */
  #own(chunk: Uint8Array, at: number, have: number): number {
    const more = Math.min(chunk.length - at, Math.max(KEPT, this.#header.length - have))
    const own = new Uint8Array(have + more)
    own.set(this.#scratch.subarray(0, have))
    own.set(chunk.subarray(at, at + more), have)
    this.#reset()
    const end = at + this.#cut(own) - have
    return end < at + more ? -1 - end : end
  }

  /** Whether the handler has memory for what is behind the front. */
  #land(view: DataView, at: number, here: number, front: number): boolean {
    const memory = this.#handle.land?.(this.#header, view, at, here)
    if (memory === undefined) return false
    this.#partial = memory
    this.#filled = 0
    this.#wanted = this.#header.length - front
    if (this.#ahead !== front) {
      this.#ahead = front
      this.#nextFront = this.#scratch.subarray(0, front)
    }
    this.#landing = true
    this.#bulk = true
    return true
  }

  /**
   * Goes on with the unfinished PDU, or the next one, from `from`. Returns where in the chunk that ends, or of a `lent` one -1 less where the handler wants the rest
   * later.
   */
  #complete(chunk: Uint8Array, from: number, as: ChunkMemory): number {
    let at = from
    while (!this.#stopped) {
      const length = Math.min(chunk.length - at, this.#wanted - this.#filled)
      if (!this.#inPlace(chunk, at)) {
        const part = length === chunk.length ? chunk : chunk.subarray(at, at + length)
        // Where shared memory begins changes from chunk to chunk, so that no two addresses stay unlucky.
        if (as === 'shared') this.#partial.set(part, this.#filled)
        else copyBytes(part, this.#partial, this.#filled)
      }
      this.#filled += length
      at += length
      if (this.#filled < this.#wanted) return at
      if (this.#landing) {
        this.#reset()
        this.#handle.landed?.(this.#header)
        return at
      }
      if (this.#partial === this.#scratch && !this.#begun(chunk.length - at)) {
        const have = this.#filled
        if (
          as === 'kept' ||
          this.#partial === this.#scratch ||
          this.#landing ||
          this.#wanted - have > chunk.length - at
        )
          continue
        return this.#own(chunk, at, have)
      }
      const whole = this.#partial
      this.#reset()
      this.#bulk = false
      this.#handle(this.#header, whole === this.#scratch ? this.#front : new DataView(whole.buffer), 0)
      return at
    }
    return at
  }

  /**
   * A copy of what was read behind the memory that this chunk fills, where the front of the next PDU is wanted: whoever hears that it is filled may have it taken away
   * from everybody.
   */
  #behind(chunk: Uint8Array): Uint8Array | undefined {
    const left = this.#wanted - this.#filled
    const length = chunk.length - left
    if (!this.#landing || length <= 0 || !this.#inPlace(chunk, 0)) return undefined
    // No link reads more than it has place for.
    if (length > MAX_FRONT) return chunk.slice(left)
    for (let i = 0; i < length; i++) this.#scratch[i] = chunk[left + i] as number
    return length === this.#ahead ? this.#nextFront : this.#scratch.subarray(0, length)
  }

  /** Whether bytes were read to where they are wanted. */
  #inPlace(chunk: Uint8Array, at: number): boolean {
    const partial = this.#partial
    return chunk.byteOffset + at === partial.byteOffset + this.#filled && chunk.buffer === partial.buffer
  }

  /** The header is in, or the front: decides where the rest goes, of which `more` bytes may be there. Whether there is none. */
  #begun(more: number): boolean {
    const have = this.#filled
    if (have === HEADER_BYTES) {
      readHeader(this.#front, 0, this.#header)
      if (this.#header.length > this.max) throw this.#refuse()
    }
    const { length } = this.#header
    if (have === length) return true
    const front = this.#handle.front?.(this.#header) ?? 0
    if (front > have) {
      this.#wanted = front
      return false
    }
    if (front > 0 && this.#land(this.#front, 0, Math.min(length, have + more), front)) return false
    this.#partial = new Uint8Array(length)
    this.#partial.set(this.#scratch.subarray(0, have))
    this.#wanted = length
    return false
  }

  #refuse(): BusbarError {
    this.#handle.tooLong?.(this.#header)
    return tooLong(this.#header, this.max)
  }

  #reset(): void {
    this.#partial = this.#scratch
    this.#filled = 0
    this.#wanted = HEADER_BYTES
    this.#landing = false
  }
}
