import type { Env, Timer } from '../../link/index.ts'
import type { RpcLimits } from '../limits.ts'
import { type Share, Turns } from './turns.ts'

/** What bounds a caller, not an association. */
export type CallerLimits = Pick<
  RpcLimits,
  'callerLinks' | 'callerUnsent' | 'putOff' | 'putOffMost' | 'callers' | 'newcomers' | 'newcomerPutOff'
>

/** A link whose association is to begin. */
export interface Entrant {
  /** It may. */
  readonly begin: () => void
  /** There are too many that have begun. */
  readonly evict: () => void
}

/** What one account bounds. */
interface Bounds {
  /** Links, those that wait among them. */
  readonly links: number
  /** Links that wait. */
  readonly waiting: number
  /** Links that have begun: of more the first is evicted. */
  readonly begun: number
  readonly unsent: number
  readonly putOff: number
  readonly putOffMost: number
  /** How long it is remembered that it was cut off, `ms`. */
  readonly remembered: number
}

const all = new WeakMap<Env, Callers>()

/**
 * What the servers of one process know of their callers, by the names that the bus attests: all links of a caller count together, and
 * what it did on one is remembered on the next.
 */
export class Callers {
  readonly #env: Env
  /** In the order in which they came. */
  readonly #byName = new Map<string, CallerAccount>()
  #newcomers: CallerAccount | undefined

  private constructor(env: Env) {
    this.#env = env
  }

  /** Those who share an `env` know the same callers. */
  static of(env: Env): Callers {
    let callers = all.get(env)
    if (callers === undefined) {
      callers = new Callers(env)
      all.set(env, callers)
    }
    return callers
  }

  /** Callers that have links or are remembered. */
  get size(): number {
    return this.#byName.size
  }

  /** The account of one link alone, of whose caller nothing else is known. */
  nameless(limits: CallerLimits): CallerAccount {
    return new CallerAccount(this.#env, boundsOf(limits), () => {})
  }

  /**
   * The account of all those links together until they have proved themselves: whoever is nobody in particular gains nothing by being many. When one is
   * cut off all that come are put off, always by the same time, so that an honest one gets in as well.
   */
  newcomers(limits: CallerLimits): CallerAccount {
    const { newcomers: most, newcomerPutOff: putOff } = limits
    const bounds = { links: 2 * most, waiting: most, begun: most, putOff, putOffMost: putOff }
    this.#newcomers ??= new CallerAccount(this.#env, { ...boundsOf(limits), ...bounds }, () => {})
    return this.#newcomers
  }

  /** The caller of that name. */
  named(name: string, limits: CallerLimits): CallerAccount {
    const known = this.#byName.get(name)
    if (known !== undefined) return known
    if (this.#byName.size >= limits.callers) this.#forgetOne()
    const caller = new CallerAccount(this.#env, boundsOf(limits), () => {
      if (!caller.remembered && this.#byName.get(name) === caller) this.#byName.delete(name)
    })
    this.#byName.set(name, caller)
    return caller
  }

  /** The first of those that are only remembered: those that have links are as many as links, and bounded with them. */
  #forgetOne(): void {
    for (const [name, caller] of this.#byName) {
      if (caller.links > 0) continue
      this.#byName.delete(name)
      return
    }
  }
}

function boundsOf({ callerLinks, callerUnsent, putOff, putOffMost }: CallerLimits): Bounds {
  const most = { links: callerLinks, waiting: callerLinks, begun: callerLinks }
  return { ...most, unsent: callerUnsent, putOff, putOffMost, remembered: 2 * putOffMost }
}

/** One caller, on all its links to the servers of this process; or all those of which nothing is known yet. */
export class CallerAccount {
  /** The turns in which it is served. */
  readonly share: Share
  /** What it has not read of its answers, on links that take no more of them, `bytes`. */
  unsent = 0
  readonly #env: Env
  readonly #bounds: Bounds
  readonly #left: () => void
  /** How often it was cut off, until that is forgotten. */
  #strikes = 0
  #struckAt = 0
  /** No association begins before. */
  #from = 0
  /** In the order in which they began. */
  readonly #begun = new Set<Entrant>()
  /** In the order in which they came. */
  readonly #waiting = new Set<Entrant>()
  #timer: Timer | undefined

  /** Made by `Callers`. `left` is told when its last link is over. */
  constructor(env: Env, bounds: Bounds, left: () => void) {
    this.#env = env
    this.#bounds = bounds
    this.#left = left
    this.share = Turns.of(env).share()
  }

  /** Associations, those that wait among them. */
  get links(): number {
    return this.#begun.size + this.#waiting.size
  }

  /** It was cut off lately. */
  get remembered(): boolean {
    return this.#strikes > 0 && this.#env.now() - this.#struckAt < this.#bounds.remembered
  }

  /** How many of its links wait until it may begin another association. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** It has left more answers unread than one caller may. */
  get clogged(): boolean {
    return this.unsent > this.#bounds.unsent
  }

  /**
   * One more link, until `leave`; false when it has as many as it may. It begins at once, or when the caller is put off no more: then one
   * link after the other may, so that each new offence is one link's alone.
   */
  enter(entrant: Entrant): boolean {
    if (this.links >= this.#bounds.links || this.#waiting.size >= this.#bounds.waiting) return false
    if (this.#strikes > 0 && !this.remembered) this.#strikes = 0
    if (this.#waiting.size === 0 && (this.#strikes === 0 || this.#env.now() >= this.#from)) {
      if (this.#strikes > 0) this.#from = this.#env.now() + this.#bounds.putOff
      this.#begin(entrant)
      return true
    }
    this.#waiting.add(entrant)
    this.#wait()
    return true
  }

  /** A link is over, or has left this account. */
  leave(entrant: Entrant): void {
    this.#begun.delete(entrant)
    this.#waiting.delete(entrant)
    if (this.#waiting.size === 0) this.#stop()
    if (this.links === 0) this.#left()
  }

  /** It was cut off for what it did: its next associations begin later, each time twice as late. */
  strike(): void {
    const { putOff, putOffMost } = this.#bounds
    const now = this.#env.now()
    if (!this.remembered) this.#strikes = 0
    const pause = Math.min(putOffMost, putOff * 2 ** Math.min(this.#strikes, 31))
    this.#strikes++
    this.#struckAt = now
    this.#from = now + pause
    this.#stop()
    if (this.#waiting.size > 0) this.#wait()
  }

  #begin(entrant: Entrant): void {
    this.#begun.add(entrant)
    if (this.#begun.size > this.#bounds.begun) firstOf(this.#begun)?.evict()
    entrant.begin()
  }

  #wait(): void {
    this.#timer ??= this.#env.timer(Math.max(0, this.#from - this.#env.now()), () => this.#next())
  }

  #next(): void {
    this.#timer = undefined
    const next = firstOf(this.#waiting)
    if (next === undefined) return
    this.#waiting.delete(next)
    this.#from = this.#env.now() + this.#bounds.putOff
    if (this.#waiting.size > 0) this.#wait()
    this.#begin(next)
  }

  #stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}

function firstOf(entrants: ReadonlySet<Entrant>): Entrant | undefined {
  for (const entrant of entrants) return entrant
  return undefined
}
