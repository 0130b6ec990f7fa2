import type { Env } from '../../link/index.ts'

/** How long one caller is served, while another that keeps up is as well, before the rest of what it sent waits, `ms` (our choice: some ten small calls). */
const SHARE = 0.02
/** The same where nobody but others with such a rest is served, `ms` (our choice: what a longer turn saves is more than it costs them). */
const LONG_SHARE = 0.2
/** What it takes to read a socket, `ms` (measured, with some room). */
const READ = 0.02
/** Others are as well, so long after one of them was, `ms` (our choice: a thousand calls). */
const RECENT = 50
/** Whoever sends no more PDUs at a time keeps up (our choice: a call or two, not what was gathered). */
const FEW = 4
/** The next call of one that keeps up is waited for, after the last, `ms` (our choice: several round trips). */
const NEAR = 0.3
/** A turn of the event loop takes at least so much, `ms`: so that waiting ends even by a clock that stands still. */
const LEAST_TURN = 0.001
/**
 * Behind a turn of somebody who has sent more than a share the loop is left free for so many times as long (our choice: then three of four calls of one that
 * keeps up find nobody in front of them, whatever comes).
 */
const GAP = 3
/** Longest wait behind one turn that took long, `ms` (our choice: as `RECENT`, after which nobody is waited for). */
const LONGEST_GAP = RECENT

const all = new WeakMap<Env, Turns>()

/**
 * Fairness among the callers of one process. A chunk may hold hundreds of calls, and a caller may send them without end, on many links:
 * nobody else would be served meanwhile. So what a caller sends beyond its share waits here and is served in short turns. Behind each of
 * them the loop is left free for as long as it took, while somebody else makes one call after the other: the next of those
 * finds nobody in front of it more often than not. A caller that is alone is never stopped, and costs one comparison.
 */
export class Turns {
  /** Who alone is served lately. */
  lone: Share | undefined
  readonly #env: Env
  /** Who was served last, and when somebody else was. */
  #last: Share | undefined
  #otherAt = Number.NEGATIVE_INFINITY
  /** The last two who kept up, and when. */
  #light: Share | undefined
  #lightAt = Number.NEGATIVE_INFINITY
  #earlierAt = Number.NEGATIVE_INFINITY
  /** Callers with links that wait, in the order of their turns. */
  readonly #waiting: Share[] = []
  /** Nobody of those has a turn before. */
  #freeAt = Number.NEGATIVE_INFINITY
  /** When the last chunk of this turn of the event loop was done with. */
  #mark: number | undefined
  /** The caller whose turn was granted here, not taken when its bytes came. */
  #granted: Share | undefined
  #since = 0
  #posted = false

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

  /** For one more caller. */
  share(): Share {
    return new Share(this)
  }

  /** See `Share.begin`, of one that is not alone. */
  begin(one: Share): boolean {
    const last = this.#last
    this.#last = one
    if (last === undefined) {
      this.lone = one
      return true
    }
    const now = this.#env.now()
    this.lone = undefined
    if (one !== last) this.#otherAt = now
    else if (now - this.#otherAt > RECENT && this.#waiting.length === 0) {
      this.lone = one
      return true
    }
    one.pdus = 0
    one.heavy = false
    const who = one.of
    // What it took to read a chunk is the business of its caller.
    if (this.#mark !== undefined) who.took += now - this.#mark
    this.#mark = now
    this.#since = now
    this.#post()
    return who.links.length === 0 && !(now < who.freeAt && this.#near(who, now))
  }

  /** See `Share.spent`. */
  spent(one: Share): boolean {
    const now = this.#env.now()
    one.heavy = now - this.#since >= (this.#near(one.of, now) ? SHARE : LONG_SHARE)
    return one.heavy
  }

  /** See `Share.end`. */
  end(one: Share): void {
    const who = one.of
    const now = this.#env.now()
    who.took += now - this.#since
    const granted = this.#granted === who
    if (granted) {
      this.#since = now
      const next = who.took < SHARE ? who.links.shift() : undefined
      if (next !== undefined) return next()
      this.#granted = undefined
      this.#freeAt = now + gap(who)
      if (who.links.length > 0) this.#waiting.push(who)
      else who.waits = false
    } else {
      if (this.#mark !== undefined) this.#mark = now
      if (who.waits) this.#freeAt = Math.max(this.#freeAt, now + gap(who))
      else if (one.pdus <= FEW) this.#keepsUp(who, now)
    }
    who.freeAt = now + Math.min(who.took, LONGEST_GAP)
    who.took = 0
  }

  /** See `Share.next`. */
  wait(one: Share, goOn: () => void): void {
    const who = one.of
    who.links.push(goOn)
    if (!who.waits) {
      who.waits = true
      this.#waiting.push(who)
    }
    this.#post()
  }

  /** Whether somebody else keeps up. */
  pressed(one: Share): boolean {
    return this.#near(one.of, this.#env.now())
  }

  /** Somebody was served at once, and had sent little. */
  #keepsUp(who: Share, now: number): void {
    if (who !== this.#light) {
      this.#light = who
      this.#earlierAt = this.#lightAt
    }
    this.#lightAt = now
  }

  /** Whether somebody else keeps up. */
  #near(who: Share, now: number): boolean {
    return now - (who === this.#light ? this.#earlierAt : this.#lightAt) < NEAR
  }

  #post(): void {
    if (this.#posted) return
    this.#posted = true
    this.#env.post(this.#turn)
  }

  readonly #turn = (): void => {
    this.#posted = false
    this.#mark = undefined
    const [who] = this.#waiting
    if (who === undefined) return
    this.#post()
    const now = this.#env.now()
    if (now < this.#freeAt && this.#near(who, now)) {
      this.#freeAt -= LEAST_TURN
      return
    }
    this.#waiting.shift()
    this.#granted = who
    this.#since = now
    const next = who.links.shift()
    next?.()
  }
}

/** How long the loop is left free behind a turn. */
function gap({ took }: Share): number {
  return Math.min(took < SHARE ? took : GAP * took, LONGEST_GAP)
}

/** The turns of one caller, on all its links. */
export class Share {
  /** Those of which it has its turns: its own, or that of all who are nobody in particular yet. */
  of: Share = this
  /** What goes on when it is their turn, of the links that wait. */
  readonly links: (() => void)[] = []
  /** It is among those who wait. */
  waits = false
  /** It has had its share until then. */
  freeAt: number = Number.NEGATIVE_INFINITY
  /** Of the turn that it has now, `ms`. */
  took = 0
  /** Of the chunk that is being cut. */
  pdus = 0
  /** The last chunk was more than a share. */
  heavy = false
  readonly #turns: Turns

  /** Made by `Turns.share`. */
  constructor(turns: Turns) {
    this.#turns = turns
  }

  /** Asked before a chunk is cut: whether that may be now, else after `next`. */
  begin(): boolean {
    return this.#turns.lone === this || this.#turns.begin(this)
  }

  /** Asked after each PDU: whether what follows of the chunk must wait for `next`. */
  spent(): boolean {
    if (this.#turns.lone === this) return false
    return (this.pdus++ & 1) === 1 && this.#turns.spent(this)
  }

  /** Told when a chunk, or what was served of it, is done with. */
  end(): void {
    if (this.#turns.lone !== this) this.#turns.end(this)
  }

  /** Whether what it sends is left unread while it waits: else the next turn finds more to do at once. */
  get patient(): boolean {
    if (this.#turns.lone === this || !(this.heavy || this.of.links.length > 1)) return false
    return this.#turns.pressed(this)
  }

  /** Asked behind a chunk that was short and ended no PDU: settles when the link may be read again, if that must wait. */
  pause(): Promise<void> | undefined {
    return this.#turns.lone === this ? undefined : this.rest()
  }

  /** Settles when it is the turn of this link to be read again. */
  rest(): Promise<void> {
    this.heavy = true
    return new Promise((resolve) => {
      this.#turns.wait(this, () => {
        resolve()
        this.of.took += READ
        this.end()
        // What comes now has waited already.
        this.of.freeAt = Number.NEGATIVE_INFINITY
      })
    })
  }

  /** Settles when it is the turn of this link: then its bytes are cut without asking. */
  next(): Promise<void> {
    return new Promise((resolve) => this.#turns.wait(this, resolve))
  }
}
