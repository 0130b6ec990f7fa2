import { BusbarError } from '../../errors/index.ts'
import { faultError } from '../faults.ts'
import { type BindAckPdu, type ContextResult, encodeBind, NAK, REASON, RESULT } from '../pdu/bind.ts'
import { PFC, WHOLE } from '../pdu/header.ts'
import { FEATURE, featureSyntax, type InterfaceId, NDR20, sameSyntax } from '../pdu/syntax.ts'
import { PDUS } from '../pdu/table.ts'

/** An interface that both sides agreed to speak on one association. */
export interface PresentationContext {
  /** Number that requests carry. */
  readonly id: number
  readonly interface: InterfaceId
}

/** What was agreed for the whole association. */
export interface Agreement {
  /** Largest PDU we send, `bytes`. */
  readonly transmit: number
  /** Association group that the server named. */
  readonly group: number
  /** Several calls may be outstanding. */
  readonly multiplexed: boolean
  /** The connection outlives an orphaned call. */
  readonly keepOnOrphan: boolean
  /** Fragments of different calls may mix, in both directions. */
  readonly interleaved: boolean
  /** The server knows what a call names that goes to the result of another one. */
  readonly pipelined: boolean
}

type State =
  /** Nothing was sent. */
  | { kind: 'unbound' }
  /** The bind is out, its answer is not in. */
  | { kind: 'binding' }
  /** The server acknowledged; further contexts go by alter_context. */
  | { kind: 'bound'; agreement: Agreement }

interface Wanted {
  readonly context: PresentationContext
  readonly resolve: (context: PresentationContext) => void
  readonly reject: (reason: BusbarError) => void
}

/** The question that is out. */
interface Asked {
  readonly callId: number
  readonly wanted: readonly Wanted[]
}

/** Features are negotiated in a context of their own in the first bind; interfaces count up from 0 and never get here. */
const FEATURES_CONTEXT = 0xffff

/** Smallest fragment that C706 12.6.3.1 lets a peer ask for (`MustRecvFragSize`), `bytes`. */
const MUST_RECEIVE = 1_432

/** Interfaces that a peer of our own is asked for at once (our choice: a PDU of the smallest fragment holds them). */
const MOST_ASKED = 16

/** The negotiating half of a client: which contexts are agreed, which are asked for. One question at a time. */
export class ClientBinding {
  readonly #fragment: number
  readonly #most: number
  readonly #group: number
  readonly #features: number
  #state: State = { kind: 'unbound' }
  #asked: Asked | undefined
  readonly #queue: Wanted[] = []
  readonly #known = new Map<string, Promise<PresentationContext>>()
  readonly #agreed: PresentationContext[] = []
  #nextId = 0

  /**
   * `fragment` is the largest PDU we take, `most` how many contexts there may be, `group` the one to join, or 0; `pipelines`: whoever
   * makes the calls would make some on results that are not there yet.
   */
  constructor(fragment: number, most: number, group: number, pipelines: boolean) {
    this.#features = FEATURE.KEEP_ON_ORPHAN | FEATURE.INTERLEAVED | (pipelines ? FEATURE.PIPELINED : 0)
    this.#fragment = fragment
    this.#most = most
    this.#group = group
  }

  get agreement(): Agreement | undefined {
    return this.#state.kind === 'bound' ? this.#state.agreement : undefined
  }

  get state(): State['kind'] {
    return this.#state.kind
  }

  get contexts(): readonly PresentationContext[] {
    return this.#agreed.filter((each) => each !== undefined)
  }

  /** Whether this very context was agreed here. */
  owns(context: PresentationContext): boolean {
    return this.#agreed[context.id] === context
  }

  /** The context for an interface; asks for it when it is not known yet, and again after a refusal. */
  want(id: InterfaceId): Promise<PresentationContext> {
    const key = `${id.uuid} ${id.major}.${id.minor}`
    const known = this.#known.get(key)
    if (known !== undefined) return known
    if (this.#known.size >= this.#most) {
      return Promise.reject(
        new BusbarError('LIMIT', `limit contexts: more than ${this.#most} interfaces on one association`),
      )
    }
    const promise = new Promise<PresentationContext>((resolve, reject) => {
      const context = { id: this.#nextId++, interface: id }
      this.#queue.push({ context, resolve, reject })
    })
    this.#known.set(key, promise)
    promise.catch(() => this.#known.delete(key))
    return promise
  }

  /** The next question to send, if none is out. */
  ask(nextCallId: () => number): Uint8Array | undefined {
    if (this.#asked !== undefined) return undefined
    const { agreement } = this
    // Every peer takes several, but others see what others send: one at a time.
    const wanted = this.#queue.splice(0, agreement?.pipelined === true ? MOST_ASKED : 1)
    const [first] = wanted
    if (first === undefined) return undefined
    const callId = nextCallId()
    this.#asked = { callId, wanted }
    const contexts = wanted.map(({ context }) => ({ id: context.id, abstract: context.interface, transfers: [NDR20] }))
    const sizes = { transmit: this.#fragment, receive: this.#fragment, group: agreement?.group ?? this.#group }
    if (agreement !== undefined) {
      return encodeBind(PDUS.alter_context.number, WHOLE, callId, { ...sizes, contexts })
    }
    const transfers = [featureSyntax(this.#features)]
    const features = { id: FEATURES_CONTEXT, abstract: first.context.interface, transfers }
    this.#state = { kind: 'binding' }
    return encodeBind(PDUS.bind.number, WHOLE | PFC.CONC_MPX, callId, { ...sizes, contexts: [...contexts, features] })
  }

  /** `bind_ack`. The answer decides about the association; a rejected context leaves it usable. */
  acknowledged(callId: number, flags: number, ack: BindAckPdu): void {
    const wanted = this.#answered(callId, 'binding', 'bind_ack')
    if (ack.transmit < MUST_RECEIVE || ack.receive < MUST_RECEIVE) {
      throw new BusbarError(
        'PROTOCOL',
        `fragments of ${Math.min(ack.transmit, ack.receive)} bytes, at least ${MUST_RECEIVE} must be taken`,
      )
    }
    const [first, features] = results(ack, 2)
    const bits = features?.result === RESULT.NEGOTIATED ? features.reason : 0
    this.#state = {
      kind: 'bound',
      agreement: {
        transmit: Math.min(this.#fragment, ack.receive),
        group: ack.group,
        multiplexed: (flags & PFC.CONC_MPX) !== 0,
        keepOnOrphan: (bits & FEATURE.KEEP_ON_ORPHAN) !== 0,
        interleaved: (flags & PFC.CONC_MPX) !== 0 && (bits & FEATURE.INTERLEAVED) !== 0,
        pipelined: (flags & PFC.CONC_MPX) !== 0 && (bits & this.#features & FEATURE.PIPELINED) !== 0,
      },
    }
    this.#settle(wanted, [first])
  }

  /** `alter_context_resp`. */
  altered(callId: number, ack: BindAckPdu): void {
    const wanted = this.#answered(callId, 'bound', 'alter_context_resp')
    this.#settle(wanted, results(ack, wanted.length))
  }

  /** `bind_nak`: returns why the association is over. */
  refused(callId: number, reason: number): BusbarError {
    const wanted = this.#answered(callId, 'binding', 'bind_nak')
    const error = nakError(reason)
    this.#asked = undefined
    for (const each of wanted) each.reject(error)
    return error
  }

  /** A fault in answer to a question; false when the id is not that of one. */
  faulted(callId: number, status: number, notExecuted: boolean): boolean {
    if (this.#asked?.callId !== callId) return false
    const { wanted } = this.#asked
    this.#asked = undefined
    if (this.#state.kind === 'binding') this.#state = { kind: 'unbound' }
    for (const each of wanted) each.reject(faultError(status, notExecuted))
    return true
  }

  /** The association is over. */
  fail(reason: BusbarError): void {
    const asked = this.#asked
    this.#asked = undefined
    for (const wanted of [...(asked?.wanted ?? []), ...this.#queue.splice(0)]) wanted.reject(reason)
  }

  /** The question this answers; it stays asked until the answer proves good, so that a bad one rejects it too. */
  #answered(callId: number, state: State['kind'], name: string): readonly Wanted[] {
    const asked = this.#asked
    if (asked?.callId !== callId || this.#state.kind !== state) {
      throw new BusbarError('PROTOCOL', `${name} for call id ${callId}, which asked for none`)
    }
    return asked.wanted
  }

  #settle(wanted: readonly Wanted[], answers: readonly (ContextResult | undefined)[]): void {
    this.#asked = undefined
    if (answers.some((each) => each?.result === RESULT.ACCEPTED && !sameSyntax(each.transfer, NDR20))) {
      const error = new BusbarError('PROTOCOL', 'the server accepted a transfer syntax that was not offered')
      for (const each of wanted) each.reject(error)
      throw error
    }
    for (const [at, { context, resolve, reject }] of wanted.entries()) {
      const answer = answers[at]
      if (answer?.result === RESULT.ACCEPTED) {
        this.#agreed[context.id] = context
        resolve(context)
      } else reject(rejection(context.interface, answer))
    }
  }
}

function results(ack: BindAckPdu, most: number): readonly ContextResult[] {
  if (ack.results.length === 0 || ack.results.length > most) {
    throw new BusbarError('PROTOCOL', `${ack.results.length} results for ${most} contexts`)
  }
  return ack.results
}

function rejection(id: InterfaceId, result: ContextResult | undefined): BusbarError {
  const what = `interface ${id.uuid} version ${id.major}.${id.minor}`
  if (result?.result === RESULT.USER_REJECTED) return new BusbarError('DENIED', `the server rejected ${what}`)
  switch (result?.reason) {
    case REASON.TRANSFER_SYNTAXES:
      return new BusbarError('VERSION', `the server does not speak NDR 2.0 for ${what}`)
    case REASON.LOCAL_LIMIT:
      return new BusbarError('BUSY', `the server has no room for another context: ${what}`)
    default:
      return new BusbarError('NO_SUCH_INTERFACE', `the server does not know ${what}`)
  }
}

function nakError(reason: number): BusbarError {
  switch (reason) {
    case NAK.CONGESTION:
    case NAK.LIMIT:
      return new BusbarError('BUSY', `the server refused the bind: reason ${reason}, too much in use`)
    case NAK.VERSION:
      return new BusbarError('VERSION', 'the server refused the bind: it does not speak DCE/RPC 5.0')
    case NAK.AUTH_TYPE:
    case NAK.CHECKSUM:
      return new BusbarError('DENIED', `the server refused the bind: reason ${reason}, it wants another authentication`)
    default:
      return new BusbarError('DENIED', `the server refused the bind: reason ${reason}`)
  }
}
