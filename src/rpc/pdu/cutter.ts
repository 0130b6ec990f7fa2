import { Views } from '../../bytes/index.ts'
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
   * Told of a PDU of which `here` bytes have come, its header among them: may give memory for the rest of it behind some front that
   * has come, and then hears of it by `landed` alone. `undefined` takes it whole.
   */
  land?(header: PduHeader, view: DataView, at: number, here: number): Uint8Array | undefined
  /** Asked after each PDU that came whole: whether the rest of its chunk is given back, for later. */
  enough?(): boolean
  /** The memory that `land` gave is filled. */
  landed?(header: PduHeader): void
  /** Told of a PDU above the limit when its header is in: the last chance to answer it before `MALFORMED` is thrown. */
  tooLong?(header: PduHeader): void
}

/** What a handler throws that wants to hear nothing more: the rest of what comes is thrown away. */
export const ENOUGH: unique symbol = Symbol('enough')

/**
 * Cuts received chunks into PDUs. A PDU inside one chunk is handed out in place. One that straddles chunks is copied
 * once: to where the handler wants it, or into memory of exactly the length its checked header declares, so that what a peer makes us
 * hold never exceeds one fragment, however small the chunks are in which it sends it.
 */
export class PduCutter {
  /** Longest PDU accepted from here on, `bytes`. */
  max: number
  readonly #handle: PduHandler
  readonly #header: PduHeader = emptyHeader()
  readonly #views = new Views()
  readonly #scratch = new Uint8Array(HEADER_BYTES)
  #partial: Uint8Array = this.#scratch
  #filled = 0
  /** `partial` was given by `land`. */
  #landing = false
  #stopped = false

  constructor(max: number, handle: PduHandler) {
    this.max = max
    this.#handle = handle
  }

  /** Bytes of an unfinished PDU. */
  get held(): number {
    return this.#landing ? this.#header.length - this.#partial.length + this.#filled : this.#filled
  }

  /** Nothing is handed out any more, not even from the chunk that is being cut now. */
  stop(): void {
    this.#stopped = true
    this.#reset()
  }

  /** How much of what comes next is copied to where `land` wants it, `bytes`. */
  get landing(): number {
    return this.#landing ? this.#partial.length - this.#filled : 0
  }

  /**
   * Gives what the handler wants later (`enough`), to be pushed again. Throws `MALFORMED` at the first header that cannot be, and whatever the
   * handler throws but `ENOUGH`. Of a chunk that is `lent` nothing is kept.
   */
  push(chunk: Uint8Array, lent: boolean = false): Uint8Array | undefined {
    try {
      return this.#cut(chunk, lent)
    } catch (thrown) {
      if (thrown !== ENOUGH) throw thrown
      this.stop()
    }
    return undefined
  }

  #cut(chunk: Uint8Array, lent: boolean): Uint8Array | undefined {
    const start = chunk.byteOffset
    const end = start + chunk.length
    let at = start + (this.held > 0 ? this.#complete(chunk) : 0)
    const view = this.#views.of(chunk)
    while (!this.#stopped && end - at >= HEADER_BYTES) {
      readHeader(view, at, this.#header)
      const length = this.#header.length
      if (length > this.max) throw this.#refuse()
      if (length > end - at) break
      // A handler may keep the bytes of a whole PDU.
      if (lent) return this.#cut(chunk.slice(at - start), false)
      this.#handle(this.#header, view, at)
      at += length
      if (this.#handle.enough?.() === true && at < end && !this.#stopped) return chunk.subarray(at - start)
    }
    if (!this.#stopped && at < end) this.#keep(chunk, view, at - start)
    return undefined
  }

  #keep(chunk: Uint8Array, view: DataView, at: number): void {
    let rest = chunk.subarray(at)
    if (rest.length >= HEADER_BYTES) {
      const { length } = this.#header
      const landing = this.#handle.land?.(this.#header, view, chunk.byteOffset + at, rest.length)
      this.#landing = landing !== undefined
      this.#partial = landing ?? new Uint8Array(length)
      rest = rest.subarray(length - this.#partial.length)
    }
    this.#partial.set(rest)
    this.#filled = rest.length
  }

  /** Goes on with the unfinished PDU; returns how much of the chunk that took. */
  #complete(chunk: Uint8Array): number {
    let at = 0
    while (!this.#stopped) {
      const part = chunk.subarray(at, at + this.#partial.length - this.#filled)
      this.#partial.set(part, this.#filled)
      this.#filled += part.length
      at += part.length
      if (this.#filled < this.#partial.length) return at
      if (this.#landing) {
        this.#reset()
        this.#handle.landed?.(this.#header)
        return at
      }
      const whole = this.#partial
      const view = new DataView(whole.buffer)
      if (whole === this.#scratch) {
        readHeader(view, 0, this.#header)
        if (this.#header.length > this.max) throw this.#refuse()
        if (this.#header.length > HEADER_BYTES) {
          this.#partial = new Uint8Array(this.#header.length)
          this.#partial.set(whole)
          continue
        }
      }
      this.#reset()
      this.#handle(this.#header, view, 0)
      return at
    }
    return at
  }

  #refuse(): BusbarError {
    this.#handle.tooLong?.(this.#header)
    return tooLong(this.#header, this.max)
  }

  #reset(): void {
    this.#partial = this.#scratch
    this.#filled = 0
    this.#landing = false
  }
}
