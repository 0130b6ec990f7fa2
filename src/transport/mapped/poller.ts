import { randomInt } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import type { Timer } from '../../link/index.ts'
import { Apart } from './apart.ts'
import { RING_LIMITS } from './limits.ts'

/** What it saves to find an arrival by looking instead of being woken, in windows (measured: 30 to 70 µs of a window of 0.1 ms). */
const WORTH = 0.3
/** Looking in vain that is lent before it must have saved something, in windows (our choice: what compiling takes when traffic begins). */
const CREDIT = 30
/** Arrivals after which looking is tried again: twice as many each time that it was for nothing (our choice). */
const FIRST_TRIAL = 2
const LAST_TRIAL = 1024
/** Arrivals count as following each other closely when so many windows lie between them: woken by doorbells they take longer (our choice). */
const CLOSE = 4
/** Giving way that takes so long let somebody run, `ms`: alone it takes less than 1 µs. */
const CROWDED = 0.008
/** Least time between two moves to another processor, `ms` (our choice: the system moves processes itself, later). */
const SETTLE = 2
/**
 * Windows after which a ring that had nothing sleeps where nobody else wants the processor: to wake it may stop both sides for longer, and the garbage collector of
 * the other side takes about as long (measured: with one, an eighth of the time went by with both asleep while 64 calls were in flight; with three and somebody else on
 * the processor, calls took half as long again).
 */
const ALONE = 3
/** Looks after which the processor is offered to whoever waits for it, and the clock is read (our choice: each costs as much as some looks). */
const LOOKS = 24

/** Behind all promises that are settled now. Cheaper than `queueMicrotask`, which keeps account of who asked (measured). */
const HEARD: Promise<void> = Promise.resolve()

/** The processor that looks. */
export interface Processor {
  /** Offers it to whoever waits for it; returns at once when nobody does. With `stay` the system moves this thread to no other one meanwhile. */
  giveWay(stay: boolean): void
  /** Goes to another one, if there is one. */
  moveAway(): void
}

/** Somebody whose memory may change without anybody telling. */
export interface Polled {
  /** Takes what is there; whether there was anything. */
  look(): boolean
  /** From here on it is looked at: it need not be told. */
  awake(): void
  /** Asks to be told from here on; false when there is something already, or what it waits for. */
  sleep(): boolean
}

/**
 * Looks at all rings of a process while traffic flows, and puts them to sleep when it stops. To be woken by a doorbell costs 30 to 70 µs, to look
 * less than one. A process that looks takes a processor, and where there are few, it may be the one that the other side needs: so while it looks it
 * offers the processor to others, and when more time goes by in vain than looking has saved, it sleeps at once, until arrivals follow each other
 * closely, of which it takes twice as many each time. An idle process does nothing at all.
 */
export class RingPoller {
  readonly #window: number
  readonly #spinTime: number
  /** Who is looked at, and when it last had something. */
  readonly #awake = new Map<Polled, { at: number }>()
  #processor: Processor | undefined
  #last = Number.NEGATIVE_INFINITY
  /** What looking has saved and not spent, in windows; below 0 it is not done. */
  #credit = -1
  /** Arrivals that followed each other closely while it did not look, and how many it takes. */
  #close = 0
  #trial = FIRST_TRIAL
  #looping = false
  /** How many times in a row the other side ran on this processor while it looked, and after how many it moves away. */
  #crowds = 0
  #patience = 0
  #movedAt = Number.NEGATIVE_INFINITY
  /** When bulk last went through one of its rings, and when into one. */
  #bulkAt = Number.NEGATIVE_INFINITY
  #copiedAt = Number.NEGATIVE_INFINITY
  /** When it gave way last, somebody else ran on this processor, or one was left for that of somebody else. */
  #shared = false
  readonly #apart = new Apart(() => {
    this.#processor?.moveAway()
    this.#shared = true
  })
  /** When the turn of the event loop began. */
  #turn = 0
  #rung = 0

  /** `window`: how long to look for more before sleeping, `ms`; 0 turns looking off. `spin`: how long without a turn of the event loop, `ms`. */
  constructor(window: number = RING_LIMITS.window, spin: number = RING_LIMITS.spin) {
    this.#window = window
    this.#spinTime = spin
  }

  /** Without one it looks all the same. */
  use(processor: Processor): void {
    this.#processor = processor
  }

  /** Somebody was told, or waits for the other side: looks at it from now on, until it sleeps. */
  wake(polled: Polled): void {
    if (!this.#awake.has(polled)) {
      polled.awake()
      this.#awake.set(polled, { at: this.now() })
    }
    if (polled.look()) this.#told(this.now())
    if (!this.#polls() && polled.sleep()) this.#awake.delete(polled)
    if (this.#awake.size > 0) this.#start()
  }

  remove(polled: Polled): void {
    this.#awake.delete(polled)
  }

  /** One of its rings had to wake the other side. */
  rang(): void {
    this.#rung++
  }

  /** Its clock, `ms`. */
  now(): number {
    return performance.now()
  }

  /** Calls back after so many `ms` of that clock. */
  timer(delay: number, run: () => void): Timer {
    const handle = setTimeout(run, delay)
    handle.unref()
    return { cancel: () => clearTimeout(handle) }
  }

  /** So many `bytes` of bulk were copied into one of its rings, from `start` on. */
  copied(bytes: number, start: number): void {
    const now = this.now()
    this.#bulkAt = now
    this.#copiedAt = now
    this.#apart.copied(bytes, start, now)
  }

  /** Bulk was taken out of one of its rings, at this time by its clock. */
  bulk(now: number): void {
    this.#bulkAt = now
  }

  /** Whether the turn of the event loop in which it looks may still go on: not everything else has waited too long. */
  turnLasts(now: number): boolean {
    return now - this.#turn < this.#spinTime
  }

  /** How long it looks for more, how many rings it looks at now, whether also between arrivals, and how many times another side had to be woken so far. */
  inspect(): { window: number; awake: number; polls: boolean; rung: number } {
    return { window: this.#window, awake: this.#awake.size, polls: this.#polls(), rung: this.#rung }
  }

  #polls(): boolean {
    return this.#window > 0 && this.#credit >= 0
  }

  /** A look found something: looking was worth it. */
  #found(now: number): void {
    this.#last = now
    this.#credit += WORTH
    if (this.#credit < CREDIT) return
    this.#credit = CREDIT
    this.#trial = FIRST_TRIAL
  }

  /** It was told of something: that looking did not find it says nothing for looking, but traffic that is close may. */
  #told(now: number): void {
    const gap = now - this.#last
    this.#last = now
    if (this.#polls()) return
    if (gap >= CLOSE * this.#window) this.#close = 0
    else if (++this.#close >= this.#trial) this.#credit = CREDIT / 2
  }

  /** So long nothing came. */
  #missed(time: number): void {
    this.#credit -= time / this.#window
    if (this.#credit >= 0) return
    this.#close = 0
    this.#trial = Math.min(2 * this.#trial, LAST_TRIAL)
  }

  #start(): void {
    if (this.#looping) return
    this.#looping = true
    setImmediate(this.#loop)
  }

  readonly #loop = (): void => {
    this.#turn = this.now()
    this.#spin()
  }

  /**
   * Looks until there is something, or the turn is over. Whoever took something may want more, or has an answer: once all promises that are settled
   * have been heard, it looks again in the same turn of the event loop.
   */
  readonly #spin = (): void => {
    let start = this.now()
    let now = start
    let moved = this.#look(now)
    while (!moved && this.#awake.size > 0 && this.#polls() && now - this.#turn < this.#spinTime) {
      for (let i = 1; i < LOOKS && !moved; i++) moved = this.#look(now)
      if (moved) break
      const before = this.now()
      this.#processor?.giveWay(this.#stays(before))
      now = this.now()
      moved = this.#look(now)
      this.#shared = now - before >= CROWDED
      if (!this.#shared) this.#crowds = 0
      // Who takes turns with the other side of bulk does not wait in vain.
      else if (now - this.#bulkAt < SETTLE) start += now - before
      else this.#crowded(now, now - before, moved)
    }
    if (!this.#polls()) {
      if (moved) this.#told(now)
    } else if (moved) this.#found(now)
    else this.#missed(now - start)
    if (moved && this.#polls() && now - this.#turn < this.#spinTime) void HEARD.then(this.#again)
    else this.#rest(now)
  }

  /** Behind all promises: ticks that were asked for before they are heard run before them. */
  readonly #again = (): void => process.nextTick(this.#spin)

  /** Puts to sleep who had nothing in the window. */
  #rest(now: number): void {
    const window = this.#shared ? this.#window : ALONE * this.#window
    for (const [polled, { at }] of this.#awake) {
      if ((now - at >= window || !this.#polls()) && polled.sleep()) this.#awake.delete(polled)
    }
    if (this.#awake.size > 0) setImmediate(this.#loop)
    else this.#looping = false
  }

  /**
   * Whether it stays on this processor while it gives way: both ends of bulk take turns on it. Otherwise the system, which sees another one idle, parts
   * them within a millisecond. The writer knows whether that would be good, and its reader does as it does.
   */
  #stays(now: number): boolean {
    if (!this.#shared || now - this.#bulkAt >= SETTLE) return false
    return now - this.#copiedAt >= SETTLE || this.#apart.far(now)
  }

  /**
   * Somebody else ran on this processor for so long. Who brought something meanwhile is the other side: when that comes again and again, this one goes.
   * Others, such as the garbage collector of this process, come and go.
   */
  #crowded(now: number, time: number, moved: boolean): void {
    this.#missed(time)
    if (!moved || ++this.#crowds <= this.#patience || now - this.#movedAt < SETTLE) return
    this.#processor?.moveAway()
    this.#crowds = 0
    // The other side looks as well: if both moved, they would meet again.
    this.#patience = randomInt(1, 7)
    this.#movedAt = now
  }

  /** Looks at everybody once. Whether there was anything. */
  #look(now: number): boolean {
    let moved = false
    for (const [polled, entry] of this.#awake) {
      if (!polled.look()) continue
      entry.at = now
      moved = true
    }
    return moved
  }
}
