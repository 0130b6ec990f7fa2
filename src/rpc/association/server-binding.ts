import { BusbarError } from '../../errors/index.ts'
import { type BindAckPdu, type BindPdu, type ContextOffer, type ContextResult, REASON, RESULT } from '../pdu/bind.ts'
import { FEATURE, type InterfaceId, NDR20, NO_SYNTAX, offeredFeatures, sameSyntax, type Syntax } from '../pdu/syntax.ts'
import type { RpcInterface } from './incoming-call.ts'
import { fragmentSize } from './negotiation.ts'

interface ServerContext {
  readonly abstract: Syntax
  readonly target: RpcInterface
}

/** Features that are accepted when a client offers them. */
const ACCEPTED_FEATURES = FEATURE.KEEP_ON_ORPHAN

/** The negotiating half of a server: what was agreed with one client. Pure; the caller sends what it returns. */
export class ServerBinding {
  readonly #lookup: (id: InterfaceId) => RpcInterface | undefined
  readonly #most: number
  readonly #contexts = new Map<number, ServerContext>()
  #fragment = 0
  #group = 0
  #features = 0

  constructor(lookup: (id: InterfaceId) => RpcInterface | undefined, mostContexts: number) {
    this.#lookup = lookup
    this.#most = mostContexts
  }

  /** Whether a bind was acknowledged. */
  get bound(): boolean {
    return this.#fragment !== 0
  }

  /** Largest PDU in both directions, `bytes`. */
  get fragment(): number {
    return this.#fragment
  }

  get features(): number {
    return this.#features
  }

  get contexts(): readonly { readonly id: number; readonly interface: InterfaceId }[] {
    return [...this.#contexts].map(([id, { abstract }]) => ({ id, interface: abstract }))
  }

  /** The interface behind a context id. */
  target(contextId: number): RpcInterface | undefined {
    return this.#contexts.get(contextId)?.target
  }

  /** Answers a bind. `PROTOCOL` for one that can only be refused as a whole. */
  bind(pdu: BindPdu, own: number, group: number): BindAckPdu {
    if (pdu.contexts.filter((each) => featuresOf(each) !== undefined).length > 1) {
      throw new BusbarError('PROTOCOL', 'two contexts negotiate features')
    }
    const results = pdu.contexts.map((each) => this.#result(each))
    this.#fragment = fragmentSize(pdu.transmit, pdu.receive, own)
    this.#group = group
    return { transmit: this.#fragment, receive: this.#fragment, group, results }
  }

  /** Answers an alter_context; sizes and group stay what they are. */
  alter(pdu: BindPdu): BindAckPdu {
    if (pdu.contexts.some((each) => featuresOf(each) !== undefined)) {
      throw new BusbarError('PROTOCOL', 'features are negotiated in a bind only')
    }
    const results = pdu.contexts.map((each) => this.#result(each))
    return { transmit: this.#fragment, receive: this.#fragment, group: this.#group, results }
  }

  #result(offer: ContextOffer): ContextResult {
    const features = featuresOf(offer)
    if (features !== undefined) {
      this.#features = features & ACCEPTED_FEATURES
      return { result: RESULT.NEGOTIATED, reason: this.#features, transfer: NO_SYNTAX }
    }
    const known = this.#contexts.get(offer.id)
    if (known !== undefined && !sameSyntax(known.abstract, offer.abstract)) {
      throw new BusbarError('PROTOCOL', `context ${offer.id} is in use for another interface`)
    }
    const target = known?.target ?? this.#lookup(offer.abstract)
    if (target === undefined) return rejected(REASON.ABSTRACT_SYNTAX)
    if (!sameSyntax(offer.transfers[0] ?? NO_SYNTAX, NDR20)) return rejected(REASON.TRANSFER_SYNTAXES)
    if (known === undefined && this.#contexts.size >= this.#most) return rejected(REASON.LOCAL_LIMIT)
    this.#contexts.set(offer.id, { abstract: offer.abstract, target })
    return { result: RESULT.ACCEPTED, reason: REASON.NONE, transfer: NDR20 }
  }
}

/** Only the first transfer syntax of a context is looked at, as Windows and Samba do. */
function featuresOf(offer: ContextOffer): number | undefined {
  return offeredFeatures(offer.transfers[0] ?? NO_SYNTAX)
}

function rejected(reason: number): ContextResult {
  return { result: RESULT.PROVIDER_REJECTED, reason, transfer: NO_SYNTAX }
}
