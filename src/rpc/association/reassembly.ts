/** Memory is taken for at most this many times the bytes that really came (our choice). */
const TRUST = 16

/**
 * The stub of one call from its fragments. `alloc_hint` is a wish of the peer: it only decides how far ahead of the
 * received bytes memory is taken, never beyond sixteen times those, and never beyond the limit.
 */
export class Reassembly {
  readonly #limit: number
  #bytes = new Uint8Array(0)
  #length = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Bytes so far. */
  get length(): number {
    return this.#length
  }

  /** Copies a fragment in; false when it would pass the limit, and then it was not taken. */
  add(part: Uint8Array, hint: number): boolean {
    const end = this.#length + part.length
    if (end > this.#limit) return false
    if (end > this.#bytes.length) this.#grow(end, this.#length + hint)
    this.#bytes.set(part, this.#length)
    this.#length = end
    return true
  }

  /** The whole stub. It may be kept for long, so it holds at most twice its bytes, whatever was hinted. */
  finish(): Uint8Array {
    const whole = this.#bytes.subarray(0, this.#length)
    return this.#bytes.length > 2 * this.#length ? whole.slice() : whole
  }

  #grow(end: number, hinted: number): void {
    const size = Math.min(this.#limit, Math.max(end, Math.min(hinted, end * TRUST), this.#bytes.length * 2))
    const bigger = new Uint8Array(size)
    bigger.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = bigger
  }
}
