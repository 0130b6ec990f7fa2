import { type BusbarError, codeNumber } from '../errors/index.ts'
import type { Message } from './messages.ts'
import type { OfferDescription } from './made-offers.ts'

/**
 * News of offers for one session. What the peer has no room for is kept here as the difference to what it was told, not as
 * messages: an offer that goes before it could be told is never told, so what waits is never more than there are offers.
 */
export class OfferFeed {
  readonly #send: (message: Message) => void
  readonly #hasRoom: () => boolean
  readonly #added = new Map<number, OfferDescription>()
  readonly #removed = new Map<number, BusbarError>()
  /** Requests that are answered when the peer was told of everything. */
  #requests = 0

  constructor(send: (message: Message) => void, hasRoom: () => boolean) {
    this.#send = send
    this.#hasRoom = hasRoom
  }

  /** A service came. */
  announce(offerId: number, offer: OfferDescription): void {
    this.#added.set(offerId, offer)
    this.flush()
  }

  /** A service that was announced is gone. */
  rescind(offerId: number, reason: BusbarError): void {
    if (this.#added.delete(offerId)) return
    this.#removed.set(offerId, reason)
    this.flush()
  }

  /** Everything that was there at the time of the request has been announced. */
  delivered(): void {
    this.#requests++
    this.flush()
  }

  /** Tells what waits while the peer has room: ends first, since a service that came back has its old name. */
  flush(): void {
    for (const [offerId, { code, message }] of this.#removed) {
      if (!this.#hasRoom()) return
      this.#removed.delete(offerId)
      this.#send({ kind: 'rescindOffer', offerId, code: codeNumber(code), text: message })
    }
    for (const [offerId, { partition, service, mode, contract }] of this.#added) {
      if (!this.#hasRoom()) return
      this.#added.delete(offerId)
      this.#send({ kind: 'offer', offerId, partition, service, mode, contract })
    }
    for (; this.#requests > 0 && this.#hasRoom(); this.#requests--) this.#send({ kind: 'allOffersDelivered' })
  }
}
