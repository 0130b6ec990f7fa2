import { BusbarError } from '../errors/index.ts'
import type { Env } from '../link/index.ts'

interface Waiting {
  readonly started: number
  resolve(ms: number): void
  reject(reason: BusbarError): void
}

/** Our own pings that wait for their reply. A reply that nobody waits for is ignored: the peer may be slow, not wrong. */
export class Pings {
  readonly #limit: number
  readonly #env: Env
  readonly #waiting = new Map<number, Waiting>()
  #next = 0

  constructor(limit: number, env: Env) {
    this.#limit = limit
    this.#env = env
  }

  get size(): number {
    return this.#waiting.size
  }

  /** The value to send, and the round trip in `ms` once it comes back. */
  start(): { value: number; reply: Promise<number> } {
    if (this.#waiting.size >= this.#limit) {
      throw new BusbarError('LIMIT', `${this.#waiting.size} pings wait for their reply, at most ${this.#limit}`)
    }
    const value = this.#next
    this.#next = (value + 1) >>> 0
    const started = this.#env.now()
    const reply = new Promise<number>((resolve, reject) => {
      this.#waiting.set(value, { started, resolve, reject })
    })
    return { value, reply }
  }

  replied(value: number): void {
    const ping = this.#waiting.get(value)
    if (ping === undefined) return
    this.#waiting.delete(value)
    ping.resolve(this.#env.now() - ping.started)
  }

  fail(reason: BusbarError): void {
    for (const ping of this.#waiting.values()) ping.reject(reason)
    this.#waiting.clear()
  }
}
