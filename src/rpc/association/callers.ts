import type { Env, Timer } from '../../link/index.ts'
import type { RpcLimits } from '../limits.ts'
import { type Share, Turns } from './turns.ts'

/** What bounds a caller, not an association, when it comes. */
type CallerLimits = Pick<RpcLimits, 'callerLinks' | 'putOff' | 'putOffMost' | 'newcomers' | 'newcomerPutOff'>

/** A link whose association is to begin. */
export interface Entrant {
  /** What its server grants. */
  readonly grant: Grant
  /** It may. */
  readonly begin: () => void
  /** There are too many that have begun. */
  readonly evict: () => void
}

/** What one server grants a caller. */
export interface Grant {
  /** Links, those that wait among them. */
  readonly links: number
  /** Links that wait. */
  readonly waiting: number
  /** Links that have begun: of more the first is evicted. */
  readonly begun: number
  readonly putOff: number
  readonly putOffMost: number
  /** How long it is remembered that it was cut off, `ms`. */
  readonly remembered: number
}

const all = new WeakMap<Env, Callers>()

/**
 * What the servers of one process know of their callers, by the names that the bus attests: all links of a caller count together, and
 * what it did on one is remembered on the next. Where servers have different limits, each judges its own links by its own.
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
  nameless(): CallerAccount {
    return new CallerAccount(this.#env, () => {})
  }

  /**
   * The account of all those links together until they have proved themselves: whoever is nobody in particular gains nothing by being many. When one is
   * cut off all that come are put off, always by the same time, so that an honest one gets in as well.
   */
  get newcomers(): CallerAccount {
    this.#newcomers ??= new CallerAccount(this.#env, () => {})
    return this.#newcomers
  }

  /** The caller of that name. If it is new, `most` at most are remembered besides. */
  named(name: string, most: number): CallerAccount {
    const known = this.#byName.get(name)
    if (known !== undefined) return known
    if (this.#byName.size >= most) this.#forgetOne()
    const caller = new CallerAccount(this.#env, () => {
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

/** What a server with those limits grants each caller that has a name, and all newcomers together. */
export function grantsOf(limits: CallerLimits): { readonly named: Grant; readonly newcomers: Grant } {
  const { callerLinks: links, putOff, putOffMost, newcomers: most, newcomerPutOff } = limits
  const remembered = 2 * putOffMost
  return {
    named: { links, waiting: links, begun: links, putOff, putOffMost, remembered },
    newcomers: {
      ...{ links: Number.POSITIVE_INFINITY, waiting: most, begun: most },
      ...{ putOff: newcomerPutOff, putOffMost: newcomerPutOff, remembered },
    },
  }
}

/** One caller, on all its links to the servers of this process; or all those of which nothing is known yet. */
export class CallerAccount {
  /** The turns in which it is served. */
  readonly share: Share
  /** What it has not read of its answers, on links that take no more of them, `bytes`. */
  unsent = 0
  readonly #env: Env
  readonly #left: () => void
  /** How often it was cut off, and when that is forgotten. */
  #strikes = 0
  #until = 0
  /** No association begins before. */
  #from = 0
  /** In the order in which they began. */
  readonly #begun = new Set<Entrant>()
  /** In the order in which they came. */
  readonly #waiting = new Set<Entrant>()
  #timer: Timer | undefined

  /** Made by `Callers`. `left` is told when its last link is over. */
  constructor(env: Env, left: () => void) {
    this.#env = env
    this.#left = left
    this.share = Turns.of(env).share()
  }

  /** Associations, those that wait among them. */
  get links(): number {
    return this.#begun.size + this.#waiting.size
  }

  /** It was cut off lately. */
  get remembered(): boolean {
    return this.#strikes > 0 && this.#env.now() < this.#until
  }

  /** How many of its links wait until it may begin another association. */
  get waiting(): number {
    return this.#waiting.size
  }

  /**
   * One more link, until `leave`; false when it has as many as it may. It begins at once, or when the caller is put off no more: then one
   * link after the other may, so that each new offence is one link's alone.
   */
  enter(entrant: Entrant): boolean {
    const { links, waiting, putOff } = entrant.grant
    if (this.links >= links || this.#waiting.size >= waiting) return false
    if (this.#strikes > 0 && !this.remembered) this.#strikes = 0
    if (this.#waiting.size === 0 && (this.#strikes === 0 || this.#env.now() >= this.#from)) {
      if (this.#strikes > 0) this.#from = this.#env.now() + putOff
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

  /** It was cut off for what it did, by a server with that grant: its next associations begin later, each time twice as late. */
  strike({ putOff, putOffMost, remembered }: Grant): void {
    const now = this.#env.now()
    if (!this.remembered) this.#strikes = 0
    const pause = Math.min(putOffMost, putOff * 2 ** Math.min(this.#strikes, 31))
    this.#strikes++
    this.#until = now + remembered
    this.#from = now + pause
    this.#stop()
    if (this.#waiting.size > 0) this.#wait()
  }

  #begin(entrant: Entrant): void {
    this.#begun.add(entrant)
    if (this.#begun.size > entrant.grant.begun) this.#evictOne()
    if (this.#begun.has(entrant)) entrant.begin()
  }

  /** The first of those whose servers do not grant so many. */
  #evictOne(): void {
    for (const { grant, evict } of this.#begun) if (this.#begun.size > grant.begun) return evict()
  }

  #wait(): void {
    this.#timer ??= this.#env.timer(Math.max(0, this.#from - this.#env.now()), () => this.#next())
  }

  #next(): void {
    this.#timer = undefined
    const next = firstOf(this.#waiting)
    if (next === undefined) return
    this.#waiting.delete(next)
    this.#from = this.#env.now() + next.grant.putOff
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
