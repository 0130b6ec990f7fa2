import { BusbarError } from '../../errors/index.ts'
import { Closing } from '../../link/index.ts'
import type { RpcAccess } from '../access.ts'
import { faultError } from '../faults.ts'
import { type RpcLimits, rpcLimits } from '../limits.ts'
import { decodeBindAck, decodeBindNak } from '../pdu/bind.ts'
import { readHint, readStatus, RESPONSE_BYTES, responseFront } from '../pdu/call.ts'
import type { PduHandler } from '../pdu/cutter.ts'
import { encodeBare, PFC, pduBytes, type PduHeader, requireWhole } from '../pdu/header.ts'
import type { InterfaceId } from '../pdu/syntax.ts'
import { PDUS, pduName } from '../pdu/table.ts'
import type { RpcClientOptions, RpcClientView } from './client-view.ts'
import { ClientBinding, type PresentationContext } from './client-binding.ts'
import { Orphans } from './orphans.ts'
import { abortError, type CallOptions, type Packaging, PendingCall, RAW, type RpcReply } from './pending-call.ts'
import { Requests } from './requests.ts'
import { Responses } from './responses.ts'
import { admit, NO_SECURITY, type SecurityProvider } from './security.ts'

/**
 * The calling side of one association. Calls may overlap when the server multiplexes; otherwise they go one at a time
 * and wait here. When the link ends or breaks, every pending call rejects at once.
 */
export class RpcClient {
  readonly #access: RpcAccess
  readonly #limits: RpcLimits
  readonly #security: SecurityProvider
  readonly #binding: ClientBinding
  readonly #requests: Requests
  readonly #orphans: Orphans
  readonly #responses: Responses
  readonly #closing = new Closing()
  readonly #nextId = (): number => this.#requests.calls.next()
  #leaving = false
  /** Why nothing new is started: the association is over, or about to be. */
  #over: BusbarError | undefined

  /** Takes the access object and the link behind it. */
  constructor(access: RpcAccess, options: RpcClientOptions) {
    this.#access = access
    this.#limits = rpcLimits(options.limits)
    const { group = 0, pipelines = false, security = NO_SECURITY } = options
    this.#security = security
    this.#binding = new ClientBinding(this.#limits.fragment, this.#limits.contexts, group, pipelines)
    this.#requests = new Requests(access, this.#limits)
    const { cancelGrace, calls } = this.#limits
    const [due, forgotten] = [
      (call: PendingCall) => this.#orphan(call),
      (call: PendingCall) => this.#responses.release(call),
    ]
    this.#orphans = new Orphans(options.env, cancelGrace, calls, due, forgotten)
    this.#responses = new Responses(this.#limits, options.env)
    const pdu: PduHandler = (header, view, at) => this.#pdu(header, view, at)
    pdu.front = responseFront
    pdu.land = (header, view, at, here) => this.#land(header, view, at, here)
    pdu.landed = (header) => this.#landed(header)
    access.start({ pdu, ended: () => this.#ended(), closed: (reason) => this.#closed(reason) }, this.#limits.fragment)
  }

  /** Settles once: `undefined` when the association ended in order, else why it did not. */
  get closed(): Promise<BusbarError | undefined> {
    return this.#closing.closed
  }

  /** Calls may be made on what other calls are going to give. */
  get pipelined(): boolean {
    return this.#binding.agreement?.pipelined === true
  }

  /** Calls wait on this side for their turn, and so would one more. */
  get waits(): boolean {
    return this.#requests.queued > 0
  }

  /**
   * Agrees on an interface, once per interface; the first time also on everything else. Rejects with
   * `NO_SUCH_INTERFACE`, `VERSION` (no NDR 2.0, no DCE/RPC 5.0), `DENIED`, `BUSY`, `LIMIT`, or with why the link is over.
   */
  bind(id: InterfaceId): Promise<PresentationContext> {
    if (this.#over !== undefined) return Promise.reject(this.#over)
    const context = this.#binding.want(id)
    this.#ask()
    return context
  }

  /**
   * Sends a request and gives its answer. The stub passes to the link: nobody may change it afterwards. Rejects with the
   * code that the fault stands for; with `CANCELLED` (or the signal's own reason) at once when the signal fires; with
   * `LIMIT` when the stub or the answer is too large; or with why the link is over.
   */
  call(context: PresentationContext, opnum: number, stub: Uint8Array, options?: CallOptions): Promise<RpcReply> {
    return this.invoke(RAW, context, opnum, stub, options)
  }

  /** As `call`, with arguments that are packaged here and now, right into the memory that they are sent from where they are short. */
  invoke<A, R>(
    packaging: Packaging<A, R>,
    context: PresentationContext,
    opnum: number,
    args: A,
    options: CallOptions = NO_OPTIONS,
  ): Promise<R> {
    return new Promise((resolve, reject) => {
      const wrong = this.#check(context, opnum, options.signal)
      if (wrong !== undefined) {
        options.unsent?.()
        return resolve(rejection(packaging.failed(wrong)))
      }
      const settle = resolve as (result: unknown) => void
      const call = new PendingCall(packaging as Packaging, settle, reject, options.counter, options.late)
      call.unsent = options.unsent
      const { object, signal, gathers } = options
      if (signal !== undefined) call.watch(signal, () => this.#abort(call, abortError(signal)))
      try {
        this.#requests.start(call, { contextId: context.id, opnum, object, gathers }, packaging, args)
      } catch (thrown) {
        call.forget()
        throw thrown
      }
    })
  }

  /** Closes the link; pending calls reject with `reason` (default `CLOSED`). Idempotent. */
  close(reason?: BusbarError): void {
    this.#access.close(reason)
  }

  inspect(): RpcClientView {
    const agreement = this.#binding.agreement
    return {
      state: this.#closing.over ? 'closed' : this.#binding.state,
      group: agreement?.group ?? 0,
      fragment: agreement?.transmit ?? this.#limits.fragment,
      multiplexed: agreement?.multiplexed ?? false,
      contexts: this.#binding.contexts.map(({ id, interface: { uuid, major, minor } }) => ({
        id,
        interface: `${uuid} ${major}.${minor}`,
      })),
      calls: {
        pending: this.#requests.calls.size,
        queued: this.#requests.queued,
        cancelled: this.#orphans.size,
        orphaned: this.#orphans.owing,
        made: this.#requests.made,
      },
      memory: { unsent: this.#access.unsent, partial: this.#access.held, reassembly: this.#responses.held },
    }
  }

  #check(context: PresentationContext, opnum: number, signal: AbortSignal | undefined): BusbarError | undefined {
    if (this.#over !== undefined) return this.#over
    if (signal?.aborted === true) return abortError(signal)
    if (!this.#binding.owns(context)) {
      return new BusbarError('INVALID_ARGUMENT', 'that context was not agreed on this association')
    }
    if (!(Number.isInteger(opnum) && opnum >= 0 && opnum <= 0xffff)) {
      return new BusbarError('INVALID_ARGUMENT', `opnum ${opnum} is not a number from 0 to 65535`)
    }
    return undefined
  }

  #ask(): void {
    const question = this.#binding.ask(this.#nextId)
    if (question === undefined) return
    try {
      this.#access.send(this.#security.prove(question))
    } catch (thrown) {
      this.#access.close(BusbarError.from(thrown))
    }
  }

  #pdu(header: PduHeader, view: DataView, at: number): void {
    admit(this.#security, header, view, at)
    switch (header.type) {
      case PDUS.response.number:
        return this.#response(header, view, at)
      case PDUS.fault.number:
        requireWhole(header)
        return this.#fault(header, readStatus(view, at, header.little))
      case PDUS.shutdown.number:
        return this.#shutdown()
      default:
        requireWhole(header)
        return this.#answer(header, pduBytes(header, view, at))
    }
  }

  #response(header: PduHeader, view: DataView, at: number): void {
    const call = this.#call(header.callId)
    if (call === undefined) return this.#late(header)
    const first = (header.flags & PFC.FIRST) !== 0
    const last = (header.flags & PFC.LAST) !== 0
    if (first === call.begun) throw disorder(call, `${first ? 'a second first' : 'no first'} fragment`)
    if (first) call.little = header.little
    else if (call.little !== header.little) throw disorder(call, 'byte order changed between fragments')
    call.begun = true
    if (call.state === 'dropped') {
      if (last) this.#free(call)
      return
    }
    const length = header.length - RESPONSE_BYTES
    if (first && last) this.#responses.whole(call, view, at + RESPONSE_BYTES, length)
    else {
      const stub = new Uint8Array(view.buffer, at + RESPONSE_BYTES, length)
      this.#responses.part(call, stub, readHint(view, at, header.little), last)
    }
    if (last) this.#free(call)
  }

  /** Memory for a fragment, when its front has come; what breaks the rules is refused when it is whole. */
  #land(header: PduHeader, view: DataView, at: number, here: number): Uint8Array | undefined {
    const call = this.#call(header.callId)
    const first = (header.flags & PFC.FIRST) !== 0
    if (call === undefined || call.state === 'dropped' || first === call.begun) return undefined
    if (!first && call.little !== header.little) return undefined
    const [hint, front] = [readHint(view, at, header.little), RESPONSE_BYTES]
    const memory = this.#responses.land(call, hint, header.length - front, here - front)
    if (memory === undefined || !first) return memory
    call.little = header.little
    call.begun = true
    return memory
  }

  #landed(header: PduHeader): void {
    const call = this.#call(header.callId)
    if (call === undefined) return
    const last = (header.flags & PFC.LAST) !== 0
    this.#responses.landed(call, header.length - RESPONSE_BYTES, last)
    if (last) this.#free(call)
  }

  #fault(header: PduHeader, status: number): void {
    const notExecuted = (header.flags & PFC.DID_NOT_EXECUTE) !== 0
    const call = this.#call(header.callId)
    if (call === undefined) {
      if (this.#binding.faulted(header.callId, status, notExecuted)) return this.#ask()
      return this.#late(header)
    }
    if (call.state !== 'dropped') call.fail(faultError(status, notExecuted))
    this.#free(call)
  }

  #answer(header: PduHeader, pdu: Uint8Array): void {
    switch (header.type) {
      case PDUS.bind_ack.number: {
        this.#binding.acknowledged(header.callId, header.flags, decodeBindAck(pdu, header.little))
        const agreement = this.#binding.agreement
        this.#requests.fragment = agreement?.transmit ?? this.#limits.fragment
        this.#access.interleaves = agreement?.interleaved === true
        this.#requests.window = agreement?.multiplexed === true ? this.#limits.calls : 1
        return this.#ask()
      }
      case PDUS.alter_context_resp.number:
        this.#binding.altered(header.callId, decodeBindAck(pdu, header.little))
        return this.#ask()
      case PDUS.bind_nak.number:
        return this.#access.close(this.#binding.refused(header.callId, decodeBindNak(pdu, header.little)))
      default:
        throw new BusbarError('PROTOCOL', `a server sent ${pduName(header.type)}`)
    }
  }

  /** An answer to a call that is over here is dropped, where it gives nothing; one to a call that never was breaks the protocol. */
  #late(header: PduHeader): void {
    if (this.#requests.calls.issued(header.callId)) {
      if (header.type !== PDUS.response.number || !this.#orphans.forgot(header.callId)) return
      const message = `limit calls: an answer to call ${header.callId}, behind which ${this.#limits.calls} others were orphaned, and which may give something`
      throw new BusbarError('LIMIT', message)
    }
    throw new BusbarError('PROTOCOL', `${pduName(header.type)} to call id ${header.callId}, which was never used`)
  }

  /** The server asks to be left: no new calls, and the link closes when the pending ones are answered. */
  #shutdown(): void {
    this.#leaving = true
    this.#requests.window = 0
    const reason = new BusbarError('RESET', 'the server is shutting down and takes no more calls')
    this.#over ??= reason
    this.#requests.fail(reason)
    this.#leave()
  }

  #leave(): void {
    if (this.#leaving && this.#requests.calls.size === 0) this.#access.end()
  }

  #abort(call: PendingCall, reason: BusbarError): void {
    const { state } = call
    if (state === 'queued') call.unsent?.()
    call.fail(reason)
    if (call.late !== undefined && state !== 'queued') call.handOver()
    else {
      call.state = 'dropped'
      this.#responses.release(call)
    }
    if (state === 'queued') return
    this.#access.send(encodeBare(PDUS.co_cancel.number, call.id))
    this.#orphans.add(call)
  }

  /** The server did not answer a cancelled call in time. */
  #orphan(call: PendingCall): void {
    const agreement = this.#binding.agreement
    // Without that feature an orphaned call costs the connection (MS-RPCE 3.3.2.5): then the slot goes on waiting, unless
    // it is the only one and everything else waits behind it.
    if (agreement?.keepOnOrphan !== true && agreement?.multiplexed === true) return
    this.#access.send(encodeBare(PDUS.orphaned.number, call.id))
    if (agreement?.keepOnOrphan === true) {
      if (call.state === 'dropped') return this.#free(call)
      this.#orphans.owe(call)
      return this.#release(call)
    }
    this.#access.close(
      new BusbarError('CANCELLED', 'a cancelled call was not answered, and this server takes one at a time'),
    )
  }

  /** A call that waits for an answer, or may. */
  #call(id: number): PendingCall | undefined {
    return this.#requests.calls.get(id) ?? this.#orphans.owed(id)
  }

  #free(call: PendingCall): void {
    this.#responses.release(call)
    if (call.orphanAt !== 0) this.#orphans.remove(call)
    this.#release(call)
  }

  /** Its slot is free for another call. */
  #release(call: PendingCall): void {
    this.#requests.free(call)
    this.#leave()
  }

  /** The server finished: whoever still waits will wait in vain. */
  #ended(): void {
    const waits = this.#requests.calls.size > 0 || this.#requests.queued > 0 || this.#binding.state === 'binding'
    if (waits) return this.#access.close(new BusbarError('PEER_DIED', 'the server ended the association'))
    this.#over ??= new BusbarError('CLOSED', 'the server ended the association')
    this.#access.end()
  }

  #closed(reason: BusbarError | undefined): void {
    const error = reason ?? new BusbarError('CLOSED', 'the association is over')
    this.#over = error
    this.#orphans.clear()
    this.#requests.fail(error)
    for (const call of this.#requests.calls.clear()) {
      if (call.state !== 'dropped') call.fail(error)
      this.#responses.release(call)
    }
    this.#binding.fail(error)
    this.#closing.settle(reason)
  }
}

const NO_OPTIONS: CallOptions = Object.freeze({})

function rejection(failure: BusbarError | Promise<never>): Promise<never> {
  return failure instanceof Promise ? failure : Promise.reject(failure)
}

function disorder(call: PendingCall, what: string): BusbarError {
  return new BusbarError('PROTOCOL', `response to call ${call.id}: ${what}`)
}
