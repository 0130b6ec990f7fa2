import { BusbarError } from '../errors/index.ts'
import { INITIAL_WINDOW } from './codec.ts'

/** Bytes by which the windows of one session may grow altogether. */
export class WindowBudget {
  #left: number

  constructor(bytes: number) {
    this.#left = bytes
  }

  /** `bytes` not given out. */
  get left(): number {
    return this.#left
  }

  take(bytes: number): boolean {
    if (bytes > this.#left) return false
    this.#left -= bytes
    return true
  }

  give(bytes: number): void {
    this.#left += bytes
  }
}

/**
 * The receive window of one stream: `size` is always the sum of what the peer may still send, what is unread, and what
 * was read and not yet returned to the peer.
 */
export class ReceiveWindow {
  readonly #budget: WindowBudget
  readonly #max: number
  readonly #growWithin: number
  #size = INITIAL_WINDOW
  #credit = INITIAL_WINDOW
  #consumed = 0
  /** When credit was last returned, `ms`. */
  #since: number

  constructor(budget: WindowBudget, max: number, growWithin: number, now: number) {
    this.#budget = budget
    this.#max = max
    this.#growWithin = growWithin
    this.#since = now
  }

  get size(): number {
    return this.#size
  }

  /** `bytes` that the peer may still send. */
  get credit(): number {
    return this.#credit
  }

  /** The peer sends `bytes`; `LIMIT` when it was not allowed to. */
  receive(bytes: number): void {
    if (bytes > this.#credit) {
      throw new BusbarError('LIMIT', `yamux: the peer sent ${bytes} bytes into a window of ${this.#credit}`)
    }
    this.#credit -= bytes
  }

  /** The reader took `bytes`; true when enough was taken to tell the peer. */
  consume(bytes: number): boolean {
    this.#consumed += bytes
    return this.#consumed >= this.#size / 2
  }

  /** The `bytes` to return to the peer now, with growth when the reader is fast and keeps up. */
  take(now: number): number {
    let bytes = this.#consumed
    this.#consumed = 0
    const unread = this.#size - this.#credit - bytes
    const fast = bytes >= this.#size / 2 && now - this.#since <= this.#growWithin && unread <= this.#size / 4
    if (fast) bytes += this.#grow()
    this.#since = now
    this.#credit += bytes
    return bytes
  }

  /** Gives the growth back to the session. The window must not be used afterwards. */
  release(): void {
    this.#budget.give(this.#size - INITIAL_WINDOW)
    this.#size = INITIAL_WINDOW
  }

  #grow(): number {
    const growth = Math.min(this.#size, this.#max - this.#size)
    if (growth <= 0 || !this.#budget.take(growth)) return 0
    this.#size += growth
    return growth
  }
}
