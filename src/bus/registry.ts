import { BusbarError } from '../errors/index.ts'
import type { OfferDescription } from './made-offers.ts'
import type { ServerSession } from './server-session.ts'

/** An offer as the bus keeps it. */
export interface RegisteredOffer extends OfferDescription {
  /** The bus's own number for it, unique while the bus runs. */
  readonly id: number
  /** The number that the offering partition gave it. */
  readonly localId: number
  readonly session: ServerSession
}

/** All offers there are, by name and by owner. */
export class OfferRegistry {
  readonly #byName = new Map<string, RegisteredOffer>()
  #last = 0

  /** Throws `ALREADY_OFFERED` when the partition offers that service already. */
  add(session: ServerSession, localId: number, description: OfferDescription): RegisteredOffer {
    const name = `${description.partition}/${description.service}`
    if (this.#byName.has(name)) throw new BusbarError('ALREADY_OFFERED', `${name} is offered already`)
    const offer = { ...description, id: ++this.#last, localId, session }
    this.#byName.set(name, offer)
    return offer
  }

  find(partition: string, service: string): RegisteredOffer | undefined {
    return this.#byName.get(`${partition}/${service}`)
  }

  /** Removes one offer of a session, or all of them, and returns what was removed. */
  remove(session: ServerSession, localId?: number): RegisteredOffer[] {
    const removed = this.all().filter(
      (offer) => offer.session === session && (localId === undefined || offer.localId === localId),
    )
    for (const { partition, service } of removed) this.#byName.delete(`${partition}/${service}`)
    return removed
  }

  all(): RegisteredOffer[] {
    return [...this.#byName.values()]
  }
}
