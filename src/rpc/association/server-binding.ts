import { BusbarError } from '../../errors/index.ts'
import {
  type BindPdu,
  type ContextOffer,
  type ContextResult,
  decodeBind,
  encodeBindAck,
  REASON,
  RESULT,
} from '../pdu/bind.ts'
import { PFC, type PduHeader, WHOLE } from '../pdu/header.ts'
import { FEATURE, type InterfaceId, NDR20, NO_SYNTAX, offeredFeatures, sameSyntax, type Syntax } from '../pdu/syntax.ts'
import { PDUS } from '../pdu/table.ts'
import type { AssociationGroups } from './groups.ts'
import type { RpcInterface } from './incoming-call.ts'
import { fragmentSize } from './negotiation.ts'

/** The interface that serves an id, by the version rule of whoever offers it, for a client of an association group. */
export type Lookup = (id: InterfaceId, group: number) => RpcInterface | undefined

export interface ServerBindingOptions {
  readonly lookup: Lookup
  readonly groups: AssociationGroups
  /** Largest PDU this side takes, `bytes`. */
  readonly fragment: number
  /** Most contexts. */
  readonly contexts: number
  /** Second address told to clients. */
  readonly address: string
  /** Calls on what other calls are going to give are understood. */
  readonly pipelines: boolean
}

interface ServerContext {
  readonly abstract: Syntax
  readonly target: RpcInterface
}

/** Features that are accepted when a client offers them. */
const ACCEPTED_FEATURES = FEATURE.KEEP_ON_ORPHAN | FEATURE.INTERLEAVED
/** The same where calls on what other calls are going to give are understood. */
const ACCEPTED_WITH_PIPELINING = ACCEPTED_FEATURES | FEATURE.PIPELINED

/** The negotiating half of a server: what was agreed with one client. The caller sends what it returns. */
export class ServerBinding {
  readonly #options: ServerBindingOptions
  readonly #contexts = new Map<number, ServerContext>()
  #fragment = 0
  #group = 0
  #multiplexed = false
  #interleaved = false
  #pipelined = false
  #rejected = 0

  constructor(options: ServerBindingOptions) {
    this.#options = options
  }

  /** Whether a bind was acknowledged. */
  get bound(): boolean {
    return this.#fragment !== 0
  }

  /** Largest PDU that is sent, `bytes`; 0 before a bind. */
  get fragment(): number {
    return this.#fragment
  }

  /** The group this link is in; 0 before a bind. */
  get group(): number {
    return this.#group
  }

  /** Several calls may be outstanding. */
  get multiplexed(): boolean {
    return this.#multiplexed
  }

  /** Fragments of different calls may mix, in both directions. */
  get interleaved(): boolean {
    return this.#interleaved
  }

  /** Calls may be made on what other calls are going to give. */
  get pipelined(): boolean {
    return this.#pipelined
  }

  /** Contexts that were not accepted. */
  get rejected(): number {
    return this.#rejected
  }

  get contexts(): readonly { readonly id: number; readonly interface: InterfaceId }[] {
    return [...this.#contexts].map(([id, { abstract }]) => ({ id, interface: abstract }))
  }

  /** The interface behind a context id. */
  target(contextId: number): RpcInterface | undefined {
    return this.#contexts.get(contextId)?.target
  }

  /** Answers a bind. `PROTOCOL`, `MALFORMED` or `VERSION` for one that can only be refused as a whole. */
  bind(header: PduHeader, pdu: Uint8Array): Uint8Array {
    if (header.minor > 1) throw new BusbarError('VERSION', `bind in version 5.${header.minor}; 5.0 and 5.1 are known`)
    if (this.bound) throw new BusbarError('PROTOCOL', 'a second bind on one association')
    const bind = decodeBind(pdu, header.little)
    if (bind.contexts.filter((each) => featuresOf(each) !== undefined).length > 1) {
      throw new BusbarError('PROTOCOL', 'two contexts negotiate features')
    }
    this.#join(bind.group)
    this.#multiplexed = (header.flags & PFC.CONC_MPX) !== 0
    const results = bind.contexts.map((each) => this.#result(each))
    this.#fragment = fragmentSize(bind.transmit, bind.receive, this.#options.fragment)
    return this.#ack(PDUS.bind_ack.number, header, PFC.CONC_MPX | PFC.HEADER_SIGNING, results)
  }

  /** Answers an alter_context; sizes, group and multiplexing stay what they are, whatever it says. */
  alter(header: PduHeader, pdu: Uint8Array): Uint8Array {
    if (!this.bound) throw new BusbarError('PROTOCOL', 'alter_context before bind')
    const { contexts }: BindPdu = decodeBind(pdu, header.little)
    if (contexts.some((each) => featuresOf(each) !== undefined)) {
      throw new BusbarError('PROTOCOL', 'features are negotiated in a bind only')
    }
    const results = contexts.map((each) => this.#result(each))
    return this.#ack(PDUS.alter_context_resp.number, header, PFC.HEADER_SIGNING, results)
  }

  /** The link is over. Idempotent. */
  leave(): void {
    if (this.#group !== 0) this.#options.groups.leave(this.#group)
    this.#group = 0
  }

  #ack(type: 12 | 15, header: PduHeader, repeated: number, results: readonly ContextResult[]): Uint8Array {
    const { address } = this.#options
    const [size, group] = [this.#fragment, this.#group]
    for (const { result } of results) if (result === RESULT.PROVIDER_REJECTED) this.#rejected++
    const flags = WHOLE | (header.flags & repeated)
    return encodeBindAck(type, flags, header.callId, { transmit: size, receive: size, group, address, results })
  }

  #join(id: number): void {
    const { groups } = this.#options
    if (id === 0) this.#group = groups.open()
    else if (groups.join(id)) this.#group = id
    else throw new BusbarError('PROTOCOL', `association group ${id} is not known`)
  }

  #result(offer: ContextOffer): ContextResult {
    const features = featuresOf(offer)
    if (features !== undefined) {
      const accepted = features & (this.#options.pipelines ? ACCEPTED_WITH_PIPELINING : ACCEPTED_FEATURES)
      this.#interleaved = this.#multiplexed && (accepted & FEATURE.INTERLEAVED) !== 0
      this.#pipelined = this.#multiplexed && (accepted & FEATURE.PIPELINED) !== 0
      return { result: RESULT.NEGOTIATED, reason: accepted, transfer: NO_SYNTAX }
    }
    const known = this.#contexts.get(offer.id)
    const same = known !== undefined && sameSyntax(known.abstract, offer.abstract)
    const target = same ? known.target : this.#options.lookup(offer.abstract, this.#group)
    if (target === undefined) return rejected(REASON.ABSTRACT_SYNTAX)
    // Not an answer but the end, in Windows and Samba as well; an interface that nobody knows is only rejected, above.
    if (known !== undefined && !same) {
      throw new BusbarError('PROTOCOL', `context ${offer.id} is in use for another interface`)
    }
    if (!offer.transfers.some((each) => sameSyntax(each, NDR20))) return rejected(REASON.TRANSFER_SYNTAXES)
    if (known === undefined && this.#contexts.size >= this.#options.contexts) return rejected(REASON.LOCAL_LIMIT)
    this.#contexts.set(offer.id, { abstract: offer.abstract, target })
    return { result: RESULT.ACCEPTED, reason: REASON.NONE, transfer: NDR20 }
  }
}

/** Features are told by the first transfer syntax of a context; further ones are not looked at, as in Windows and Samba. */
function featuresOf(offer: ContextOffer): number | undefined {
  return offeredFeatures(offer.transfers[0] ?? NO_SYNTAX)
}

function rejected(reason: number): ContextResult {
  return { result: RESULT.PROVIDER_REJECTED, reason, transfer: NO_SYNTAX }
}
