import type { Env } from '../../link/index.ts'

/** How long one association is served, while others are as well, before the rest of what it sent waits for them, `ms` (our choice: some thirty small calls). */
const SHARE = 0.05
/** Others are as well, so long after one of them was, `ms` (our choice: a thousand calls). */
const RECENT = 50
/** PDUs from one look at the clock to the next (our choice: the worst take 16 µs each). */
const LOOK = 4

const all = new WeakMap<Env, Turns>()

/**
 * Fairness among the associations of one process. A chunk may hold hundreds of calls, and a client may send them without end: nobody else
 * would be served meanwhile. An association that is alone is never stopped.
 */
export class Turns {
  readonly #env: Env
  /** Who was served last, and when somebody else was. */
  #last: object | undefined
  #otherAt = Number.NEGATIVE_INFINITY
  #pdus = 0
  /** When this turn of the event loop began, once anything was served in it. */
  #since: number | undefined

  private constructor(env: Env) {
    this.#env = env
  }

  /** Those who share an `env` share the turns. */
  static of(env: Env): Turns {
    let turns = all.get(env)
    if (turns === undefined) {
      turns = new Turns(env)
      all.set(env, turns)
    }
    return turns
  }

  /** Whether what follows of `who` must wait, asked after each of its PDUs: then for `next`. */
  spent(who: object): boolean {
    if (who !== this.#last) {
      if (this.#last !== undefined) this.#otherAt = this.#env.now()
      this.#last = who
    }
    this.#pdus++
    if (this.#pdus % LOOK !== 0) return false
    const now = this.#env.now()
    if (now - this.#otherAt > RECENT) return false
    if (this.#since === undefined) this.#env.post(this.#over)
    // A machine that was suspended served nobody meanwhile.
    if (this.#since === undefined || now - this.#since > RECENT) {
      this.#since = now
      return false
    }
    return now - this.#since >= SHARE
  }

  /** Settles in the next turn of the event loop. */
  next(): Promise<void> {
    return new Promise((resolve) => this.#env.post(resolve))
  }

  readonly #over = (): void => {
    this.#since = undefined
  }
}
