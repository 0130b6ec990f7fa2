import type { Timer } from '../../../link/index.ts'
import { type Polled, RingPoller } from '../../../transport/index.ts'
import type { SimNode } from '../node.ts'
import type { SimRandom } from '../random.ts'
import type { Scheduler } from '../scheduler.ts'

/** Most turns in which a process looks in vain before it sleeps. */
const PATIENCE = 4

/** Looks at the rings of one process in virtual time. The real one does so by the clock of the machine. */
export class SimPoller extends RingPoller {
  readonly #node: SimNode
  readonly #scheduler: Scheduler
  readonly #random: SimRandom
  /** Who is looked at, and how many more times in vain. */
  readonly #awake = new Map<Polled, number>()
  #turning = false

  constructor(node: SimNode, scheduler: Scheduler, random: SimRandom) {
    super(0)
    this.#node = node
    this.#scheduler = scheduler
    this.#random = random
  }

  isAwake(polled: Polled): boolean {
    return this.#awake.has(polled)
  }

  override wake(polled: Polled): void {
    if (!this.#awake.has(polled)) {
      polled.awake()
      this.#awake.set(polled, this.#random.below(PATIENCE))
    }
    polled.look()
    this.#turn()
  }

  override remove(polled: Polled): void {
    this.#awake.delete(polled)
  }

  override now(): number {
    return this.#scheduler.now
  }

  override timer(delay: number, run: () => void): Timer {
    return this.#node.env.timer(delay, run)
  }

  override inspect(): ReturnType<RingPoller['inspect']> {
    return { ...super.inspect(), awake: this.#awake.size }
  }

  #turn(): void {
    if (this.#turning || this.#awake.size === 0) return
    this.#turning = true
    this.#scheduler.after(this.#random.pick([0, 0.1, 1]), this.#node, 'looks at rings', () => {
      this.#turning = false
      for (const [polled, left] of this.#awake) {
        if (polled.look()) continue
        if (left > 0) this.#awake.set(polled, left - 1)
        else if (polled.sleep()) this.#awake.delete(polled)
      }
      this.#turn()
    })
  }
}
