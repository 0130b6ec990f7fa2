import { BusbarError } from '../errors/index.ts'
import type { Env, Timer } from '../link/index.ts'
import { timeLimit } from './time-limit.ts'

/** Channels that go over to rings at the same time, those of all partitions. Our choice: each takes five descriptors of the bus until both ends have answered. */
export const MAX_RAISING = 48
/** Of which one partition has not answered so many. Our choice: one that leaves all of them unanswered leaves twice as many to others. */
export const MAX_RAISING_OF_ONE = 16

/** The turn of one channel, as whoever takes it over to rings sees it. */
export interface RaisingTurn {
  /** Told which of the two partitions has answered, or is not waited for any more, and whether it has the rings. */
  answered(partition: string, has: boolean): void
  /** Set by whoever can end the turn before its time: it is over soon after. */
  recall: ((reason: BusbarError) => void) | undefined
}

class Turn implements RaisingTurn {
  recall: ((reason: BusbarError) => void) | undefined
  /** Partitions that have not answered. */
  readonly silent: string[]
  /** When it began, `milliseconds` of the clock. */
  readonly since: number
  readonly #answered: (turn: Turn, partition: string, has: boolean) => void

  constructor(
    partitions: readonly string[],
    since: number,
    answered: (turn: Turn, partition: string, has: boolean) => void,
  ) {
    this.silent = [...partitions]
    this.since = since
    this.#answered = answered
  }

  answered(partition: string, has: boolean): void {
    this.#answered(this, partition, has)
  }
}

interface Waiting {
  readonly partitions: readonly string[]
  readonly begin: (turn: Turn) => void
}

/**
 * Lets so many channels go over to rings at a time, and the others wait for their turn: they are streams until then. Next is whose partitions have
 * left the fewest unanswered. When all turns are taken, one that has gone on for long is recalled for the sake of somebody who would still have left fewer
 * unanswered than one of its partitions, or has left none: partitions that are silent, however many, keep turns from each other, and from others for a moment only.
 */
export class RaisingTurns {
  readonly #env: Env
  readonly #long: number
  readonly #waiting: Waiting[] = []
  /** In the order in which they began. */
  readonly #turns = new Set<Turn>()
  /** How many each partition has not answered. */
  readonly #going = new Map<string, number>()
  /** Partitions that have let a turn be recalled, and taken no rings since: each counts as if it had left one more unanswered. */
  readonly #slow = new Set<string>()
  #timer: Timer | undefined
  /** The one that is over soon. */
  #recalled: Turn | undefined

  /** `long`: when a turn may be recalled, `ms` after it began. */
  constructor(env: Env, long: number) {
    this.#env = env
    this.#long = long
  }

  /** Does `work` when there is room for one more between these partitions; `work` does not reject. */
  async take<T>(partitions: readonly string[], work: (turn: RaisingTurn) => Promise<T>): Promise<T> {
    const turn = this.#hasRoom(partitions)
      ? this.#begin(partitions)
      : await new Promise<Turn>((begin) => {
          this.#waiting.push({ partitions, begin })
          this.#relieve()
        })
    try {
      return await work(turn)
    } finally {
      this.#turns.delete(turn)
      if (turn === this.#recalled) this.#recalled = undefined
      for (const partition of turn.silent.splice(0)) this.#left(partition)
      this.#next()
    }
  }

  #hasRoom(partitions: readonly string[]): boolean {
    return this.#turns.size < MAX_RAISING && this.#unanswered(partitions) < MAX_RAISING_OF_ONE
  }

  /** Most that one of these has left unanswered. */
  #unanswered(partitions: readonly string[]): number {
    let most = 0
    for (const name of partitions) {
      most = Math.max(most, (this.#going.get(name) ?? 0) + (this.#slow.has(name) ? 1 : 0))
    }
    return most
  }

  #begin(partitions: readonly string[]): Turn {
    const turn = new Turn(partitions, this.#env.now(), (...answer) => this.#answered(...answer))
    this.#turns.add(turn)
    for (const name of partitions) this.#going.set(name, (this.#going.get(name) ?? 0) + 1)
    return turn
  }

  #answered({ silent }: Turn, partition: string, has: boolean): void {
    if (has) this.#slow.delete(partition)
    const at = silent.indexOf(partition)
    if (at < 0) return
    silent.splice(at, 1)
    this.#left(partition)
    this.#next()
  }

  #left(partition: string): void {
    const left = (this.#going.get(partition) ?? 0) - 1
    if (left > 0) this.#going.set(partition, left)
    else this.#going.delete(partition)
  }

  /** Past those whose partitions have no room: whoever waits for one that does not answer holds up nobody else. */
  #next(): void {
    while (this.#turns.size < MAX_RAISING) {
      const waiting = this.#fewest()
      if (waiting === undefined) break
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
      waiting.begin(this.#begin(waiting.partitions))
    }
    this.#relieve()
  }

  /** Who waits, may begin, and has left the fewest unanswered: of several the one that came first. */
  #fewest(): Waiting | undefined {
    let found: Waiting | undefined
    let fewest = MAX_RAISING_OF_ONE
    for (const waiting of this.#waiting) {
      const unanswered = this.#unanswered(waiting.partitions)
      if (unanswered >= fewest) continue
      found = waiting
      fewest = unanswered
      if (fewest === 0) break
    }
    return found
  }

  /** Recalls a turn that has gone on for long, or looks again when one has, if somebody waits who has left fewer unanswered. */
  #relieve(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#waiting.length === 0 || this.#turns.size < MAX_RAISING || this.#recalled !== undefined) return
    const waiting = this.#fewest()
    if (waiting === undefined) return
    const now = this.#env.now()
    const fewest = this.#unanswered(waiting.partitions)
    let most = fewest === 0 ? 0 : fewest + 1
    let found: Turn | undefined
    for (const turn of this.#turns) {
      const unanswered = this.#unanswered(turn.silent)
      if (turn.recall === undefined || unanswered <= most) continue
      const due = turn.since + this.#long - now
      if (due > 0) {
        // All behind it began later.
        if (found === undefined) this.#timer = timeLimit(this.#env, due, () => this.#relieve())
        break
      }
      found = turn
      most = unanswered
    }
    if (found === undefined) return
    this.#recalled = found
    for (const partition of found.silent) this.#slow.add(partition)
    const message = `others wait for a turn, and no answer came within ${this.#long} ms`
    found.recall?.(new BusbarError('BUSY', message))
  }
}
