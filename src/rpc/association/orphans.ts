import type { Env, Timer } from '../../link/index.ts'
import type { PendingCall } from './pending-call.ts'

/**
 * Cancelled calls that wait for the server to answer after all. The grace time is the same for all, so they are due in
 * the order they came and one timer serves them.
 */
export class Orphans {
  readonly #env: Env
  readonly #grace: number
  readonly #due: (call: PendingCall) => void
  readonly #calls = new Set<PendingCall>()
  #timer: Timer | undefined

  constructor(env: Env, grace: number, due: (call: PendingCall) => void) {
    this.#env = env
    this.#grace = grace
    this.#due = due
  }

  get size(): number {
    return this.#calls.size
  }

  add(call: PendingCall): void {
    call.orphanAt = this.#env.now() + this.#grace
    this.#calls.add(call)
    this.#timer ??= this.#env.timer(this.#grace, () => this.#fired())
  }

  /** The server answered in time. */
  remove(call: PendingCall): void {
    if (this.#calls.delete(call) && this.#calls.size === 0) this.clear()
  }

  clear(): void {
    this.#calls.clear()
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #fired(): void {
    this.#timer = undefined
    const now = this.#env.now()
    for (const call of this.#calls) {
      if (call.orphanAt > now) {
        this.#timer = this.#env.timer(call.orphanAt - now, () => this.#fired())
        return
      }
      this.#calls.delete(call)
      this.#due(call)
    }
  }
}
