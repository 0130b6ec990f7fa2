import type { Env, Timer } from '../../link/index.ts'
import type { RpcLimits } from '../limits.ts'
import { type Share, Turns } from './turns.ts'

/** What bounds a caller, not an association. */
export type CallerLimits = Pick<RpcLimits, 'callerLinks' | 'callerUnsent' | 'putOff' | 'putOffMost' | 'callers'>

/** A link that waits until its caller may begin another association. */
interface Waiting {
  readonly begin: () => void
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

  /** The caller of that name; without a name somebody of whom nothing else is known. */
  caller(name: string | undefined, limits: CallerLimits): CallerAccount {
    if (name === undefined) return new CallerAccount(this.#env, limits, () => {})
    const known = this.#byName.get(name)
    if (known !== undefined) return known
    if (this.#byName.size >= limits.callers) this.#forgetOne()
    const caller = new CallerAccount(this.#env, limits, () => {
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

/** One caller, on all its links to the servers of this process. */
export class CallerAccount {
  /** The turns in which it is served. */
  readonly share: Share
  /** Associations, those that wait among them. */
  links = 0
  /** What it has not read of its answers, on links that take no more of them, `bytes`. */
  unsent = 0
  readonly #env: Env
  readonly #limits: CallerLimits
  readonly #left: () => void
  /** How often it was cut off, until that is forgotten. */
  #strikes = 0
  #struckAt = 0
  /** No association begins before. */
  #from = 0
  readonly #waiting: Waiting[] = []
  #timer: Timer | undefined

  /** Made by `Callers.caller`. `left` is told when its last link is over. */
  constructor(env: Env, limits: CallerLimits, left: () => void) {
    this.#env = env
    this.#limits = limits
    this.#left = left
    this.share = Turns.of(env).share()
  }

  /** It was cut off lately. */
  get remembered(): boolean {
    return this.#strikes > 0 && this.#env.now() - this.#struckAt < 2 * this.#limits.putOffMost
  }

  /** How many of its links wait until it may begin another association. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** It has left more answers unread than one caller may. */
  get clogged(): boolean {
    return this.unsent > this.#limits.callerUnsent
  }

  /**
   * One more link, until `leave`; false when it has as many as it may. `begin` is called at once, or when it is put off no more: then one
   * link after the other may, so that each new offence is one link's alone.
   */
  enter(begin: () => void): boolean {
    if (this.links >= this.#limits.callerLinks) return false
    this.links++
    if (this.#strikes > 0 && !this.remembered) this.#strikes = 0
    if (this.#waiting.length === 0 && (this.#strikes === 0 || this.#env.now() >= this.#from)) {
      if (this.#strikes > 0) this.#from = this.#env.now() + this.#limits.putOff
      begin()
      return true
    }
    this.#waiting.push({ begin })
    this.#wait()
    return true
  }

  /** A link is over; `begin` is what `enter` was given. */
  leave(begin: () => void): void {
    this.links--
    const at = this.#waiting.findIndex((each) => each.begin === begin)
    if (at >= 0) this.#waiting.splice(at, 1)
    if (this.#waiting.length === 0) this.#stop()
    if (this.links === 0) this.#left()
  }

  /** It was cut off for what it did: its next associations begin later, each time twice as late. */
  strike(): void {
    const { putOff, putOffMost } = this.#limits
    const now = this.#env.now()
    if (!this.remembered) this.#strikes = 0
    const pause = Math.min(putOffMost, putOff * 2 ** Math.min(this.#strikes, 31))
    this.#strikes++
    this.#struckAt = now
    this.#from = now + pause
    this.#stop()
    if (this.#waiting.length > 0) this.#wait()
  }

  #wait(): void {
    this.#timer ??= this.#env.timer(Math.max(0, this.#from - this.#env.now()), () => this.#next())
  }

  #next(): void {
    this.#timer = undefined
    const next = this.#waiting.shift()
    this.#from = this.#env.now() + this.#limits.putOff
    if (this.#waiting.length > 0) this.#wait()
    next?.begin()
  }

  #stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
