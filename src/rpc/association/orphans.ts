import type { Env, Timer } from '../../link/index.ts'
import type { PendingCall } from './pending-call.ts'

/**
 * Cancelled calls that wait for the server to answer after all. The grace time is the same for all, so they are due in
 * the order they came and one timer serves them. An answer that left before the server heard of the orphan still comes, and what it
 * gives has to go back: such calls stay known, the oldest of them for as long as there are no more than `most`. Of older ones nothing is
 * kept but how far back they are.
 */
export class Orphans {
  readonly #env: Env
  readonly #grace: number
  readonly #due: (call: PendingCall) => void
  readonly #most: number
  readonly #forgotten: (call: PendingCall) => void
  readonly #calls = new Set<PendingCall>()
  readonly #owed = new Map<number, PendingCall>()
  #timer: Timer | undefined
  /** The call that was forgotten last; 0 while none was. */
  #lastForgotten = 0

  /** `due` is told of each whose grace time is over, `forgotten` of each that is not known any more. */
  constructor(
    env: Env,
    grace: number,
    most: number,
    due: (call: PendingCall) => void,
    forgotten: (call: PendingCall) => void,
  ) {
    this.#env = env
    this.#most = most
    this.#forgotten = forgotten
    this.#grace = grace
    this.#due = due
  }

  /** Calls in their grace time. */
  get size(): number {
    return this.#calls.size
  }

  /** Orphaned calls whose answers may still come. */
  get owing(): number {
    return this.#owed.size
  }

  /** An orphaned call whose answer may still come. */
  owed(id: number): PendingCall | undefined {
    return this.#owed.get(id)
  }

  /** The server was told that it is orphaned; its answer is still taken. */
  owe(call: PendingCall): void {
    this.#owed.set(call.id, call)
    if (this.#owed.size <= this.#most) return
    for (const oldest of this.#owed.values()) {
      this.#owed.delete(oldest.id)
      this.#lastForgotten = oldest.id
      return this.#forgotten(oldest)
    }
  }

  /** Whether a call that is not known may be one that was orphaned too long ago. */
  forgot(id: number): boolean {
    return this.#lastForgotten !== 0 && (this.#lastForgotten - id) >>> 0 < 0x8000_0000
  }

  add(call: PendingCall): void {
    call.orphanAt = this.#env.now() + this.#grace
    this.#calls.add(call)
    this.#timer ??= this.#env.timer(this.#grace, () => this.#fired())
  }

  /** The server answered. */
  remove(call: PendingCall): void {
    if (this.#owed.get(call.id) === call) this.#owed.delete(call.id)
    if (this.#calls.delete(call) && this.#calls.size === 0) this.#stop()
  }

  clear(): void {
    for (const call of this.#owed.values()) this.#forgotten(call)
    this.#owed.clear()
    this.#calls.clear()
    this.#stop()
  }

  #stop(): void {
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
