import type { Env } from '../link/index.ts'

/** How often something may be done: `burst` times at once, and in the long run `perSecond` times a second. */
export class Allowance {
  readonly #env: Env
  readonly #burst: number
  readonly #perSecond: number
  #left: number
  #at: number

  constructor(env: Env, burst: number, perSecond: number) {
    this.#env = env
    this.#burst = burst
    this.#perSecond = perSecond
    this.#left = burst
    this.#at = env.now()
  }

  /** Takes one; false when none is left now. */
  take(): boolean {
    const now = this.#env.now()
    this.#left = Math.min(this.#burst, this.#left + ((now - this.#at) * this.#perSecond) / 1000)
    this.#at = now
    if (this.#left < 1) return false
    this.#left--
    return true
  }
}
