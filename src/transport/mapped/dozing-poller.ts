import { DOZE, DOZE_TICK } from './limits.ts'
import { type Polled, RingPoller } from './poller.ts'

/** Somebody who is looked at, now and then also while the poller believes that he sleeps. */
class Dozer implements Polled {
  readonly polled: Polled
  readonly #sleep: (dozer: Dozer) => boolean
  /** When it last had something. */
  at: number
  /** A glance found something that the poller has not been told of. */
  #found = false

  constructor(polled: Polled, sleep: (dozer: Dozer) => boolean) {
    this.polled = polled
    this.#sleep = sleep
    this.at = performance.now()
  }

  /** Looks; if there was something, the next look says so once more. */
  glance(): boolean {
    this.#found = this.look()
    return this.#found
  }

  look(): boolean {
    const found = this.polled.look() || this.#found
    this.#found = false
    if (found) this.at = performance.now()
    return found
  }

  awake(): void {
    this.polled.awake()
  }

  sleep(): boolean {
    return this.#sleep(this)
  }
}

/**
 * For rings whose other side needs long to wake this one, and better spends its time otherwise: a machine that is emulated. Whoever had nothing for a
 * while dozes: he is looked at once a millisecond, which takes next to nothing, and asks to be woken only when that was in vain for long.
 */
export class DozingPoller extends RingPoller {
  readonly #time: number
  /** Those that do not sleep. */
  readonly #dozers = new Map<Polled, Dozer>()
  readonly #dozing = new Set<Dozer>()
  #timer: NodeJS.Timeout | undefined

  /** `window`: as for all pollers. `time`: how long to doze, `ms`. */
  constructor(window: number, time: number = window === 0 ? 0 : DOZE) {
    super(window)
    this.#time = time
  }

  override wake(polled: Polled): void {
    let dozer = this.#dozers.get(polled)
    if (dozer === undefined) {
      dozer = new Dozer(polled, this.#doze)
      this.#dozers.set(polled, dozer)
    }
    this.#dozing.delete(dozer)
    super.wake(dozer)
  }

  override remove(polled: Polled): void {
    const dozer = this.#dozers.get(polled)
    if (dozer === undefined) return
    this.#dozers.delete(polled)
    this.#dozing.delete(dozer)
    super.remove(dozer)
  }

  /** `awake`: how many rings are looked at now, those that are glanced at included. */
  override inspect(): ReturnType<RingPoller['inspect']> {
    return { ...super.inspect(), awake: this.#dozers.size }
  }

  /** Instead of sleeping. */
  readonly #doze = (dozer: Dozer): boolean => {
    if (performance.now() - dozer.at >= this.#time) return this.#rest(dozer)
    this.#dozing.add(dozer)
    this.#tickLater()
    return true
  }

  #rest(dozer: Dozer): boolean {
    const rests = dozer.polled.sleep()
    if (rests) this.#dozers.delete(dozer.polled)
    return rests
  }

  #tickLater(): void {
    this.#timer ??= setTimeout(this.#tick, DOZE_TICK).unref()
  }

  readonly #tick = (): void => {
    this.#timer = undefined
    const now = performance.now()
    for (const dozer of [...this.#dozing]) {
      const found = dozer.glance()
      if (!found && now - dozer.at < this.#time) continue
      // What was looked at may have removed others.
      if (!this.#dozing.delete(dozer) || (!found && this.#rest(dozer))) continue
      super.wake(dozer)
    }
    if (this.#dozing.size > 0) this.#tickLater()
  }
}
