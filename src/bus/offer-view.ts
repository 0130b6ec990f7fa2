import { BusbarError } from '../errors/index.ts'
import { unwatchSignal, watchSignal } from '../link/index.ts'
import { contain } from './contain.ts'
import type { PipeMode } from './messages.ts'

/** A service that may be opened, as the bus announced it. */
export interface VisibleOffer {
  readonly partition: string
  readonly service: string
  readonly mode: PipeMode
  readonly contract: string
}

/** What changed: told as it happens, never polled. */
export type OfferChange =
  | { readonly kind: 'added'; readonly offer: VisibleOffer }
  | { readonly kind: 'removed'; readonly offer: VisibleOffer; readonly reason: BusbarError }

interface Watcher {
  /** Hears of new offers also when there are too many to keep. */
  readonly ofAll: boolean
  changed(change: OfferChange): void
  failed(reason: BusbarError): void
}

/** The offers of the bus as this partition may see them. Nothing is asked of the bus before somebody looks. */
export class OfferView {
  readonly #offers = new Map<number, VisibleOffer>()
  readonly #watchers = new Set<Watcher>()
  readonly #request: () => void
  readonly #limit: number
  #omitted = 0
  #state: 'unasked' | 'asked' | 'delivered' = 'unasked'
  #failure: BusbarError | undefined
  #settle: { resolve(): void; reject(reason: BusbarError): void }[] = []

  /** `request` asks the bus; `limit` is how many offers are kept at most. */
  constructor(request: () => void, limit: number) {
    this.#request = request
    this.#limit = limit
  }

  /** Offers that there are beside those kept, because they are too many: neither listed nor told to who watches. */
  get omitted(): number {
    return this.#omitted
  }

  /** All offers there are now, but for those `omitted`. */
  async list(): Promise<readonly VisibleOffer[]> {
    await this.#complete()
    return [...this.#offers.values()]
  }

  /** Whether an offer matches among those that are known now; asks the bus for none. */
  has(matches: (offer: VisibleOffer) => boolean): boolean {
    return [...this.#offers.values()].some(matches)
  }

  /**
   * Every offer there is, as `added`, then each change until the returned function is called or the session ends. What a
   * callback throws is dropped, and it hears of the next change all the same.
   */
  watch(changed: (change: OfferChange) => void, failed: (reason: BusbarError) => void = () => {}): () => void {
    if (this.#failure !== undefined) {
      const failure = this.#failure
      contain(() => failed(failure))
      return () => {}
    }
    const stop = this.#follow({ changed, failed, ofAll: false })
    for (const offer of [...this.#offers.values()]) contain(() => changed({ kind: 'added', offer }))
    return stop
  }

  /** Waits until an offer matches. Rejects when `signal` aborts (`CANCELLED`), `matches` throws or the session ends. */
  async wait(matches: (offer: VisibleOffer) => boolean, signal?: AbortSignal): Promise<VisibleOffer> {
    if (signal?.aborted === true) throw new BusbarError('CANCELLED', 'stopped waiting for an offer')
    return new Promise((resolve, reject) => {
      let over = false
      let stop = (): void => {}
      const abort = (): void => done(() => reject(new BusbarError('CANCELLED', 'stopped waiting for an offer')))
      const done = (settle: () => void): void => {
        over = true
        stop()
        if (signal !== undefined) unwatchSignal(signal, abort)
        settle()
      }
      const changed = (change: OfferChange): void => {
        if (over || change.kind !== 'added') return
        try {
          if (matches(change.offer)) done(() => resolve(change.offer))
        } catch (thrown) {
          done(() => reject(BusbarError.from(thrown)))
        }
      }
      if (signal !== undefined) watchSignal(signal, abort)
      stop = this.#follow({ changed, failed: (reason) => done(() => reject(reason)), ofAll: true })
      // The request itself may have been what the session could not take any more.
      if (over) stop()
      // Only now: what is there already may match, and then there has to be something to stop.
      for (const offer of this.#offers.values()) changed({ kind: 'added', offer })
      if (!over && this.#failure !== undefined) done(() => reject(this.#failure))
    })
  }

  added(offerId: number, { partition, service, mode, contract }: VisibleOffer): void {
    const offer = { partition, service, mode, contract }
    const kept = this.#offers.size < this.#limit
    if (kept) this.#offers.set(offerId, offer)
    else this.#omitted++
    this.#tell({ kind: 'added', offer }, kept)
  }

  removed(offerId: number, reason: BusbarError): void {
    const offer = this.#offers.get(offerId)
    if (offer === undefined) {
      this.#omitted = Math.max(0, this.#omitted - 1)
      return
    }
    this.#offers.delete(offerId)
    this.#tell({ kind: 'removed', offer, reason }, true)
  }

  delivered(): void {
    this.#state = 'delivered'
    for (const waiter of this.#settle.splice(0)) waiter.resolve()
  }

  fail(reason: BusbarError): void {
    this.#failure ??= reason
    for (const waiter of this.#settle.splice(0)) waiter.reject(reason)
    for (const watcher of [...this.#watchers]) contain(() => watcher.failed(reason))
    this.#watchers.clear()
  }

  #tell(change: OfferChange, kept: boolean): void {
    for (const watcher of [...this.#watchers]) if (kept || watcher.ofAll) contain(() => watcher.changed(change))
  }

  /** Tells of changes from now on. */
  #follow(watcher: Watcher): () => void {
    this.#watchers.add(watcher)
    this.#ask()
    return () => this.#watchers.delete(watcher)
  }

  #ask(): void {
    if (this.#state !== 'unasked') return
    this.#state = 'asked'
    this.#request()
  }

  #complete(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (this.#state === 'delivered') return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#settle.push({ resolve, reject })
      this.#ask()
    })
  }
}
