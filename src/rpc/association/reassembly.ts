import type { Env } from '../../link/index.ts'

/**
 * Memory is taken for at most this many times the bytes that really came (our choice: the first of the largest fragments then makes
 * room for the largest request there is by default).
 */
const TRUST = 64

/** What is read behind a fragment along with it: at most the front of the next one, `bytes`. */
const BEHIND = 40

/**
 * The stub of one call from its fragments. `alloc_hint` is a wish of the peer: it only decides how far ahead of the
 * received bytes memory is taken, never beyond sixty-four times those (or what `proven` says), and never beyond the limit.
 */
export class Reassembly {
  readonly #limit: number
  readonly #env: Env | undefined
  #bytes: Uint8Array = new Uint8Array(0)
  #length = 0

  constructor(limit: number, env?: Env) {
    this.#limit = limit
    this.#env = env
  }

  /** Bytes so far. */
  get length(): number {
    return this.#length
  }

  /** Memory taken, `bytes`. */
  get memory(): number {
    return this.#bytes.length
  }

  /** Whether a fragment of so many `bytes` stays within the limit. */
  fits(length: number): boolean {
    return this.#length + length <= this.#limit
  }

  /**
   * The memory that is needed for a fragment that fits, `bytes`: `here` of its bytes have come, and `hint` is what the peer says is to come with it
   * and behind it. It is believed up to what it has `proven` before, whatever has come.
   */
  needs(length: number, hint: number, here: number = length, proven = 0): number {
    const end = this.#length + length
    const have = this.#bytes.length
    if (end <= have) return have
    const trusted = Math.max((this.#length + here) * TRUST, proven)
    return Math.min(this.#limit, Math.max(end, Math.min(this.#length + hint, trusted), have * 2))
  }

  /** Takes so much memory, and returns where in it the next `length` bytes go: they count with `took`. */
  room(length: number, memory: number): Uint8Array {
    if (memory > this.#bytes.length) {
      const taken = memory + BEHIND
      const bigger = (this.#env?.memory?.(taken) ?? new Uint8Array(taken)).subarray(0, memory)
      bigger.set(this.#bytes.subarray(0, this.#length))
      this.#bytes = bigger
    }
    return this.#bytes.subarray(this.#length, this.#length + length)
  }

  /** The same in this memory, before there is any other. */
  use(memory: Uint8Array, length: number): Uint8Array {
    this.#bytes = memory
    return memory.subarray(0, length)
  }

  /** The next bytes are in their place. */
  took(length: number): void {
    this.#length += length
  }

  /** The whole stub. It may be kept for long, so it holds at most twice its bytes, whatever was hinted. */
  finish(): Uint8Array {
    const whole = this.#bytes.subarray(0, this.#length)
    return this.#bytes.buffer.byteLength > 2 * this.#length ? whole.slice() : whole
  }
}
