import { RING_LIMITS } from './limits.ts'

/** Windows in a row in which nothing came before a process sleeps at once, as if it never polled (our choice). */
const PATIENCE = 3
/** Arrivals after which looking is tried again: twice as many each time that it was for nothing (our choice). */
const FIRST_TRIAL = 2
const LAST_TRIAL = 4096
/** Arrivals found by looking after which all that is forgotten (our choice). */
const FORGIVEN = 256
/** Arrivals count as following each other closely when so many windows lie between them: woken by doorbells they take longer (our choice). */
const CLOSE = 4

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
 * Looks at all rings of a process while traffic flows, and puts them to sleep when it stops. To be woken by a doorbell costs 50 to 70 µs, to look
 * one. A process that looks takes a processor, and where there are few, it is the one that the other side needs: then nothing comes while it looks. So
 * after some windows in which nothing came it sleeps at once, until arrivals follow each other closely, of which it takes twice as many
 * each time. An idle process does nothing at all.
 */
export class RingPoller {
  readonly #window: number
  /** Who is looked at, and when it last had something. */
  readonly #awake = new Map<Polled, { at: number }>()
  #last = Number.NEGATIVE_INFINITY
  #misses = PATIENCE
  /** Arrivals found by looking since the last window in vain. */
  #hits = 0
  /** Arrivals that followed each other closely while it did not look, and how many it takes. */
  #close = 0
  #trial = FIRST_TRIAL
  #looping = false
  #rung = 0

  /** `window`: how long to look for more before sleeping, `ms`; 0 turns looking off. */
  constructor(window: number = RING_LIMITS.window) {
    this.#window = window
  }

  /** Somebody was told, or waits for the other side: looks at it from now on, until it sleeps. */
  wake(polled: Polled): void {
    if (!this.#awake.has(polled)) {
      polled.awake()
      this.#awake.set(polled, { at: performance.now() })
    }
    if (polled.look()) this.#told(performance.now())
    if (!this.#polls && polled.sleep()) this.#awake.delete(polled)
    if (this.#awake.size > 0) this.#start()
  }

  remove(polled: Polled): void {
    this.#awake.delete(polled)
  }

  /** One of its rings had to wake the other side. */
  rang(): void {
    this.#rung++
  }

  /** How many rings are looked at now, whether they are looked at between arrivals, and how many times another side had to be woken so far. */
  inspect(): { awake: number; polls: boolean; rung: number } {
    return { awake: this.#awake.size, polls: this.#polls, rung: this.#rung }
  }

  get #polls(): boolean {
    return this.#window > 0 && this.#misses < PATIENCE
  }

  /** A look found something: looking was worth it. */
  #found(now: number): void {
    this.#last = now
    this.#misses = 0
    if (++this.#hits >= FORGIVEN) this.#trial = FIRST_TRIAL
  }

  /** It was told of something: that looking did not find it says nothing for looking, but traffic that is close may. */
  #told(now: number): void {
    const gap = now - this.#last
    this.#last = now
    if (this.#polls) return
    if (gap >= CLOSE * this.#window) this.#close = 0
    else if (++this.#close >= this.#trial) this.#misses = 0
  }

  /** Nothing came in a window. */
  #missed(): void {
    this.#hits = 0
    if (++this.#misses !== PATIENCE) return
    this.#close = 0
    this.#trial = Math.min(2 * this.#trial, LAST_TRIAL)
  }

  #start(): void {
    if (this.#looping) return
    this.#looping = true
    setImmediate(this.#loop)
  }

  readonly #loop = (): void => {
    const now = performance.now()
    let slept = false
    let moved = false
    for (const [polled, entry] of this.#awake) {
      if (polled.look()) {
        entry.at = now
        moved = true
      } else if (now - entry.at >= this.#window || !this.#polls) {
        if (polled.sleep()) this.#awake.delete(polled)
        slept = true
      }
    }
    if (moved && this.#polls) this.#found(now)
    else if (moved) this.#told(now)
    else if (slept && this.#polls) this.#missed()
    if (this.#awake.size > 0) setImmediate(this.#loop)
    else this.#looping = false
  }
}
