import { RING_LIMITS } from './limits.ts'

/** Windows in which nothing came before a process sleeps at once, as if it never polled (our choice). */
const PATIENCE = 3

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
 * one. Only traffic with gaps shorter than the window keeps a process looking; after some windows in which nothing came it sleeps at
 * once, until two arrivals follow each other closely again. An idle process does nothing at all.
 */
export class RingPoller {
  readonly #window: number
  /** Who is looked at, and when it last had something. */
  readonly #awake = new Map<Polled, { at: number }>()
  #last = Number.NEGATIVE_INFINITY
  #misses = PATIENCE
  #looping = false

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
    if (polled.look()) this.#arrived(performance.now())
    if (!this.#polls && polled.sleep()) this.#awake.delete(polled)
    if (this.#awake.size > 0) this.#start()
  }

  remove(polled: Polled): void {
    this.#awake.delete(polled)
  }

  inspect(): { awake: number; polls: boolean } {
    return { awake: this.#awake.size, polls: this.#polls }
  }

  get #polls(): boolean {
    return this.#window > 0 && this.#misses < PATIENCE
  }

  #arrived(now: number): void {
    if (now - this.#last < this.#window) this.#misses = 0
    this.#last = now
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
    if (moved) this.#arrived(now)
    else if (slept && this.#misses < PATIENCE) this.#misses++
    if (this.#awake.size > 0) setImmediate(this.#loop)
    else this.#looping = false
  }
}
