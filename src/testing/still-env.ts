import type { Env, Timer } from '../link/index.ts'

/** Time that stands still until it is moved, and randomness that is the same every time. */
export class StillEnv implements Env {
  #now = 0
  #seed = 1
  #timers: { at: number; run: () => void }[] = []

  now(): number {
    return this.#now
  }

  get timers(): number {
    return this.#timers.length
  }

  timer(delay: number, run: () => void): Timer {
    const timer = { at: this.#now + delay, run }
    this.#timers.push(timer)
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((each) => each !== timer)
      },
    }
  }

  advance(by: number): void {
    this.#now += by
    const due = this.#timers.filter((each) => each.at <= this.#now)
    this.#timers = this.#timers.filter((each) => each.at > this.#now)
    for (const each of due) each.run()
  }

  random(into: Uint8Array): Uint8Array {
    for (let i = 0; i < into.length; i++) {
      this.#seed = (Math.imul(this.#seed, 1_103_515_245) + 12_345) >>> 0
      into[i] = this.#seed >>> 24
    }
    return into
  }

  post(run: () => void): void {
    setImmediate(run)
  }
}
