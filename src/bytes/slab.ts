/** Memory taken at a time, `bytes`. Our choice: a hundred small calls share one allocation. */
const SLAB_BYTES = 16_384
/** Which part of it the largest message takes that is put there. Our choice: larger ones would waste its end. */
const SHARE = 8

/**
 * Memory for many short messages, one behind the other: a fresh `Uint8Array` above 64 bytes costs more than writing a
 * small message into it. What was handed out is never touched again.
 */
export class Slab {
  readonly #size: number
  readonly #most: number
  #bytes = new Uint8Array(0)
  #view = new DataView(this.#bytes.buffer)
  #at = 0
  /** Where the last message starts. */
  #last = 0

  /** `size`: memory taken at a time; `most`: of the largest message that is put there, `bytes`. */
  constructor(size: number = SLAB_BYTES, most: number = size / SHARE) {
    this.#size = size
    this.#most = most
  }

  get bytes(): Uint8Array {
    return this.#bytes
  }

  get view(): DataView {
    return this.#view
  }

  /** Hands out `length` bytes and returns where they start; -1 when that is too much for a slab. */
  take(length: number): number {
    if (length > this.#most) return -1
    if (this.#at + length > this.#bytes.length) {
      this.#bytes = new Uint8Array(this.#size)
      this.#view = new DataView(this.#bytes.buffer)
      this.#at = 0
    }
    const at = this.#at
    this.#at = at + length
    this.#last = at
    return at
  }

  /**
   * Takes back what a message from `start` did not need: it ended at `end`, rounded up so that the next one is aligned.
   * Nothing when another one was begun behind it meanwhile.
   */
  giveBack(bytes: Uint8Array, start: number, end: number): void {
    if (bytes === this.#bytes && start === this.#last) this.#at = Math.min(this.#at, (end + 7) & ~7)
  }
}
