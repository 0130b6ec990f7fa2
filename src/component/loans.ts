import type { RpcReply } from '../rpc/index.ts'
import { located } from './errors.ts'
import type { Exchange } from './exchange.ts'
import type { Given } from './exported.ts'
import { type Gift, neverTaken } from './gift.ts'
import type { Guard } from './guard.ts'
import type { Held } from './held.ts'
import type { Operation } from './interface.ts'
import type { Requests } from './requests.ts'
import type { Terms } from './terms.ts'

/** Packages a call. */
type Pack = (held: Held, operation: Operation, args: unknown, terms: Terms | undefined) => Uint8Array

/** Sends calls with references among their arguments, which are undone when the call never reaches the other side. */
export class Loans {
  readonly #exchange: Exchange
  readonly #requests: Requests
  readonly #wayBack: (() => Promise<void>) | undefined
  readonly #pack: Pack

  /** `wayBack` as of `CallerOptions`. */
  constructor(exchange: Exchange, requests: Requests, wayBack: (() => Promise<void>) | undefined, pack: Pack) {
    this.#exchange = exchange
    this.#requests = requests
    this.#wayBack = wayBack
    this.#pack = pack
  }

  /** Adds the streams that it gave to `lent`. */
  async send(
    held: Held,
    operation: Operation,
    args: unknown,
    terms: Terms | undefined,
    guard: Guard | undefined,
    lent: Given[],
  ): Promise<RpcReply> {
    const { stub, gift } = this.#wrap(held, operation, args, terms)
    for (const given of gift?.exported ?? []) if (given.exported.object.stream) lent.push(given)
    const wayBack = this.#wayBack
    let left = false
    held.pin()
    try {
      if (wayBack !== undefined && gift !== undefined && gift.exported.length > 0) {
        await (guard === undefined ? wayBack() : guard.until(wayBack()))
      }
      left = true
      return await this.#requests.send(held, operation, stub, guard, () => {
        left = false
      })
    } catch (thrown) {
      // One that was cancelled on its way may have arrived: then the other side has the references, and gives them back.
      const kept = left && (guard?.signal.aborted === true || !neverTaken(thrown))
      if (gift !== undefined && !kept) this.#exchange.exports.takeBack(gift.exported)
      throw located(operation.path, thrown)
    } finally {
      held.unpin()
      for (const home of gift?.sentHome ?? []) home.unpin()
    }
  }

  #wrap(
    held: Held,
    operation: Operation,
    args: unknown,
    terms: Terms | undefined,
  ): { stub: Uint8Array; gift: Gift | undefined } {
    try {
      const stub = this.#pack(held, operation, args, terms)
      return { stub, gift: this.#exchange.lent() }
    } catch (thrown) {
      this.#exchange.unlend()
      throw thrown
    }
  }
}
