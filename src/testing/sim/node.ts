import type { Env, Timer } from '../../link/index.ts'
import type { Plants } from './plants.ts'
import type { SimRandom } from './random.ts'
import type { Owner, Scheduler } from './scheduler.ts'

/** One process of the simulated world: the owner of timers, macrotasks and ends of links, and the `Env` its code gets. */
export class SimNode implements Owner {
  readonly id: number
  readonly name: string
  readonly env: Env
  /** The same for plain RPC, of whose callers it is counted apart what they have: its limits are smaller. */
  readonly plainEnv: Env
  /** It passes on what others write. */
  relays = false
  readonly #scheduler: Scheduler
  readonly #timers = new Set<Timer>()
  #alive = true

  constructor(id: number, name: string, scheduler: Scheduler, random: SimRandom, plants: Plants) {
    this.id = id
    this.name = name
    this.#scheduler = scheduler
    // Clocks of different machines do not agree.
    const skew = random.below(1_000_000)
    const env: Env = {
      now: () => scheduler.now + skew,
      timer: (delay, run) => this.#timer(delay, run),
      random: (into) => random.fill(into),
      post: (run) => {
        if (this.#alive) scheduler.post(this, 'macrotask', run)
      },
    }
    this.env = plants.env?.(env) ?? env
    this.plainEnv = { ...this.env }
  }

  get alive(): boolean {
    return this.#alive
  }

  /** Timers that were started by its code and neither fired nor were cancelled. */
  get timers(): number {
    return this.#timers.size
  }

  /** The process is gone: no timer, no macrotask and no delivery of it happens any more. */
  kill(): void {
    this.#alive = false
    this.#timers.clear()
  }

  /** For the workload in this process; dies with it, and does not count as a timer of the code under test. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#scheduler.after(ms, this, 'workload goes on', resolve)
    })
  }

  #timer(delay: number, run: () => void): Timer {
    if (!this.#alive) return { cancel: () => {} }
    const inner = this.#scheduler.after(delay, this, 'timer', () => {
      this.#timers.delete(timer)
      run()
    })
    const timer: Timer = {
      cancel: () => {
        this.#timers.delete(timer)
        inner.cancel()
      },
    }
    this.#timers.add(timer)
    return timer
  }
}
