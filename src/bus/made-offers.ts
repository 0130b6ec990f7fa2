import { BusbarError, codeNumber, escapePeerText } from '../errors/index.ts'
import type { Message, Messages } from './messages.ts'
import { isContractText, isServiceName } from './names.ts'
import { textFor } from './reasons.ts'

/** A service as others see it. */
export interface OfferDescription {
  readonly partition: string
  readonly service: string
  readonly mode: Messages['makeOffer']['mode']
  /** Contract and version behind it (`files.FileStore@1.0`); empty for a plain stream. */
  readonly contract: string
}

/** What the peer of a session offers, by its numbers: checks it, asks whoever owns the session, and answers. */
export class MadeOffers {
  readonly #partition: string
  readonly #limit: number
  readonly #ask: (offerId: number, offer: OfferDescription) => void | Promise<void>
  readonly #send: (message: Message) => void
  readonly #broken: (reason: BusbarError) => void
  /** Each holds the message that made it. */
  readonly #offers = new Map<number, Messages['makeOffer']>()
  /** Offers that were not answered yet, those that were withdrawn meanwhile included. */
  #undecided = 0

  /** `ask` refuses an offer with a throw; `broken` is told when the peer breaks the protocol. Offers at once: `limit`. */
  constructor(
    partition: string,
    limit: number,
    ask: (offerId: number, offer: OfferDescription) => void | Promise<void>,
    send: (message: Message) => void,
    broken: (reason: BusbarError) => void,
  ) {
    this.#partition = partition
    this.#limit = limit
    this.#ask = ask
    this.#send = send
    this.#broken = broken
  }

  get size(): number {
    return this.#offers.size
  }

  /** Whether there was such an offer to withdraw. */
  withdraw(offerId: number): boolean {
    return this.#offers.delete(offerId)
  }

  async make(message: Messages['makeOffer']): Promise<void> {
    const { offerId, service, mode, contract } = message
    try {
      if (this.#offers.has(offerId)) throw new BusbarError('PROTOCOL', `offer ${offerId} is made already`)
      if (!isServiceName(service)) {
        throw new BusbarError('INVALID_ARGUMENT', `not a service name: "${escapePeerText(service)}"`)
      }
      if (!isContractText(contract)) {
        throw new BusbarError('INVALID_ARGUMENT', `not a contract: "${escapePeerText(contract)}"`)
      }
      if (Math.max(this.#offers.size, this.#undecided) >= this.#limit) {
        throw new BusbarError('BUSY', `a partition may have ${this.#limit} offers at once`)
      }
      this.#offers.set(offerId, message)
      const offered = this.#ask(offerId, { partition: this.#partition, service, mode, contract })
      if (offered instanceof Promise) await this.#decided(offered)
      this.#send({ kind: 'offerResult', offerId, code: 0, text: '' })
    } catch (thrown) {
      const reason = BusbarError.from(thrown)
      if (reason.code === 'PROTOCOL') return this.#broken(reason)
      // It may have been withdrawn meanwhile, and the number used again.
      if (this.#offers.get(offerId) === message) this.#offers.delete(offerId)
      this.#send({ kind: 'offerResult', offerId, code: codeNumber(reason.code), text: textFor(reason) })
    }
  }

  async #decided(offered: Promise<void>): Promise<void> {
    this.#undecided++
    try {
      await offered
    } finally {
      this.#undecided--
    }
  }
}
