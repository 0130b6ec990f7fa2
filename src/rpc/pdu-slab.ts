import type { WriterMemory } from '../bytes/index.ts'

/** First slab, `bytes`: an association that makes a call now and then stays small (our choice). */
const FIRST_SLAB = 4_096
/** Largest slab, and so the most that one write holds, `bytes` (our choice: a socket takes it at once). */
const MAX_SLAB = 65_536
/** Stubs from this size on are not gathered but written as they are, `bytes` (our choice, measured: below it copying beats another write). */
export const COPY_BELOW = 16_384

/**
 * Memory in which outgoing PDUs are put together one behind the other, so that many leave in one write. A short stub is marshalled
 * right into it, behind room for the front of its PDU, which is written last: it is copied nowhere. What left belongs to the link, unless that has copied it.
 */
export class PduSlab implements WriterMemory {
  readonly #full: (gathered: Uint8Array) => void
  #size = FIRST_SLAB
  #bytes = new Uint8Array(0)
  #view = new DataView(this.#bytes.buffer)
  /** Start of what is gathered and has not left. */
  #from = 0
  #at = 0
  #front = 0
  /** A writer writes behind `at`. */
  #open = false

  /** `full` takes what was gathered when the slab has no more room. */
  constructor(full: (gathered: Uint8Array) => void) {
    this.#full = full
  }

  /** Where positions lie. Changes with every `reserve` and `take`. */
  get bytes(): Uint8Array {
    return this.#bytes
  }

  get view(): DataView {
    return this.#view
  }

  /** Bytes that wait here. */
  get gathered(): number {
    return this.#at - this.#from
  }

  /** Makes room for `length` bytes and returns where they start. */
  reserve(length: number): number {
    if (this.#open || this.#bytes.length - this.#at < length) this.#renew(length)
    const at = this.#at
    this.#at = at + length
    return at
  }

  /** The next stub lies behind so many `bytes` of its PDU. */
  begin(front: number): this {
    this.#front = front
    return this
  }

  take(length: number): number {
    const all = length + this.#front
    if (all > COPY_BELOW) return -1
    // One writer is at work here, and made another: that one's PDU goes elsewhere, and so does this writer's in the end.
    if (this.#open || this.#bytes.length - this.#at < all) this.#renew(all)
    this.#open = true
    return this.#at + this.#front
  }

  giveBack(): void {
    this.#open = false
  }

  /** The PDU of the writer that began last ends at `end`; returns where it starts. */
  add(end: number): number {
    const at = this.#at
    this.#at = end
    this.#open = false
    return at
  }

  /** What was gathered, which leaves; `undefined` when that is nothing. */
  leave(): Uint8Array | undefined {
    if (this.#at === this.#from) return undefined
    const gathered = this.#bytes.subarray(this.#from, this.#at)
    this.#from = this.#at
    return gathered
  }

  /** The `length` bytes that left last were copied on their way: where they lay is written to again, while it is still in the nearest cache. */
  again(length: number): void {
    if (this.#open || this.#at !== this.#from) return
    this.#from -= length
    this.#at = this.#from
  }

  #renew(length: number): void {
    const gathered = this.leave()
    if (gathered !== undefined) this.#full(gathered)
    const size = Math.max(this.#size, length)
    this.#size = Math.min(MAX_SLAB, this.#size * 2)
    this.#bytes = new Uint8Array(size)
    this.#view = new DataView(this.#bytes.buffer)
    this.#from = 0
    this.#at = 0
    this.#open = false
  }
}
