import type { Timer } from '../../link/index.ts'
import type { SimRandom } from './random.ts'
import type { Report } from './report.ts'
import { TimerHeap } from './timer-heap.ts'

/** Who an event belongs to: nothing of a dead owner happens any more. */
export interface Owner {
  readonly id: number
  readonly name: string
  readonly alive: boolean
}

class Event implements Timer {
  readonly due: number
  readonly order: number
  readonly owner: Owner
  readonly label: string
  readonly run: () => void
  readonly lane: Lane | undefined
  cancelled = false

  constructor(due: number, order: number, owner: Owner, label: string, run: () => void, lane: Lane | undefined) {
    this.due = due
    this.order = order
    this.owner = owner
    this.label = label
    this.run = run
    this.lane = lane
  }

  cancel(): void {
    this.cancelled = true
  }
}

/** Events of one owner that keep their order, like macrotasks that were posted. */
interface Lane {
  readonly waiting: Event[]
}

/** The real one, taken before any trap is set: its callback runs when every microtask has. */
const macrotask: (run: () => void) => void = setImmediate

/**
 * Virtual time and everything that happens in it. Of the events that are due, a seeded draw takes the next; the clock
 * moves when none is. After each event all microtasks run.
 */
export class Scheduler {
  readonly #random: SimRandom
  readonly #report: Report
  readonly #timers = new TimerHeap<Event>()
  readonly #ready: Event[] = []
  readonly #lanes = new Map<number, Lane>()
  /** Virtual `ms` that one event takes at most: makes timers late, as they are on a busy machine. */
  readonly #stepTime: number
  /** Who may hold something else than before: those in whose code something happened, until somebody has looked. */
  readonly moved: Set<Owner> = new Set()
  #now = 0
  #steps = 0
  #order = 0
  #pending = 0

  constructor(random: SimRandom, report: Report, stepTime: number) {
    this.#random = random
    this.#report = report
    this.#stepTime = stepTime
  }

  get now(): number {
    return this.#now
  }

  get steps(): number {
    return this.#steps
  }

  /** Events that will still happen, those of dead owners included until their turn. */
  get pending(): number {
    return this.#pending
  }

  /** Runs once, `delay` virtual `ms` from now. */
  after(delay: number, owner: Owner, label: string, run: () => void): Timer {
    const event = this.#event(this.#now + Math.max(0, delay), owner, label, run, undefined)
    if (event.due <= this.#now) this.#ready.push(event)
    else this.#timers.push(event)
    return event
  }

  /** Runs one macrotask later; those of one owner in order. */
  post(owner: Owner, label: string, run: () => void): void {
    let lane = this.#lanes.get(owner.id)
    if (lane === undefined) this.#lanes.set(owner.id, (lane = { waiting: [] }))
    const event = this.#event(this.#now, owner, label, run, lane)
    lane.waiting.push(event)
    if (lane.waiting.length === 1) this.#ready.push(event)
  }

  /** One event with all its microtasks; false when nothing is left to happen. */
  async step(): Promise<boolean> {
    const event = this.#next()
    if (event === undefined) return false
    this.#steps++
    this.#report.step = this.#steps
    this.#report.now = this.#now
    this.moved.add(event.owner)
    this.#report.mix(event.owner.id)
    this.#report.mix(Math.floor(this.#now * 1000))
    this.#report.lines?.push(`${this.#now.toFixed(2).padStart(9)} #${this.#steps} ${event.owner.name}: ${event.label}`)
    try {
      event.run()
    } catch (thrown) {
      const text = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
      this.#report.fail('escape', `"${event.label}" of ${event.owner.name} threw: ${text}`)
    }
    await new Promise<void>((resolve) => macrotask(resolve))
    if (this.#stepTime > 0) this.#now += this.#random.below(8) * 0.125 * this.#stepTime
    return true
  }

  #event(due: number, owner: Owner, label: string, run: () => void, lane: Lane | undefined): Event {
    this.#pending++
    return new Event(due, ++this.#order, owner, label, run, lane)
  }

  #next(): Event | undefined {
    for (;;) {
      this.#ripen()
      const count = this.#ready.length
      if (count === 0) {
        const first = this.#timers.first()
        if (first === undefined) return undefined
        // A cancelled timer must not move the clock.
        if (first.cancelled || !first.owner.alive) {
          this.#timers.pop()
          this.#pending--
        } else this.#now = first.due
        continue
      }
      const event = this.#take(count === 1 ? 0 : this.#random.below(count))
      if (!event.cancelled && event.owner.alive) return event
    }
  }

  #ripen(): void {
    for (
      let first = this.#timers.first();
      first !== undefined && first.due <= this.#now;
      first = this.#timers.first()
    ) {
      this.#timers.pop()
      this.#ready.push(first)
    }
  }

  #take(index: number): Event {
    const ready = this.#ready
    const event = ready[index] as Event
    const last = ready.pop() as Event
    if (last !== event) ready[index] = last
    this.#pending--
    const lane = event.lane
    if (lane !== undefined) {
      lane.waiting.shift()
      const next = lane.waiting[0]
      if (next !== undefined) ready.push(next)
    }
    return event
  }
}
