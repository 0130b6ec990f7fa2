import { BusbarError } from '../../errors/index.ts'
import { Closing, type Env } from '../../link/index.ts'
import type { RpcAccess } from '../access.ts'
import { faultStatus } from '../faults.ts'
import { type RpcLimits, rpcLimits } from '../limits.ts'
import { refusedAuth } from '../pdu/auth.ts'
import { decodeBind, encodeBindAck, encodeBindNak, NAK } from '../pdu/bind.ts'
import { readContextId, readHint, readOpnum, REQUEST_BYTES, stubOffset } from '../pdu/call.ts'
import { PFC, type PduHeader, requireWhole, WHOLE } from '../pdu/header.ts'
import type { InterfaceId } from '../pdu/syntax.ts'
import { PDUS, pduName } from '../pdu/table.ts'
import { UuidMemory } from '../pdu/uuid.ts'
import { sendFault, sendResponse } from './fragments.ts'
import { AssociationGroups } from './groups.ts'
import { type RpcInterface, ServerCall } from './incoming-call.ts'
import { Reassembly } from './reassembly.ts'
import { RunningCalls } from './running-calls.ts'
import { ServerBinding } from './server-binding.ts'

export interface RpcServerOptions {
  readonly env: Env
  /** The interface that serves an id, by the version rule of whoever offers it: same major, at least that minor. */
  readonly lookup: (id: InterfaceId) => RpcInterface | undefined
  readonly limits?: Partial<RpcLimits>
  /** The groups that links of this caller may join; without them every link is a group of its own. */
  readonly groups?: AssociationGroups
}

/** What a server shows of itself. */
export interface RpcServerView {
  readonly state: 'unbound' | 'bound' | 'closed'
  readonly group: number
  readonly fragment: number
  readonly multiplexed: boolean
  readonly contexts: readonly { readonly id: number; readonly interface: string }[]
  readonly calls: { readonly running: number; readonly taken: number; readonly refused: number }
  /** `bytes`. */
  readonly memory: { readonly unsent: number; readonly partial: number; readonly reassembly: number }
}

/** Where the request fragments stand: a client may not mix those of two requests. */
type Receiving =
  /** Between two requests. */
  | { readonly kind: 'idle' }
  /** The first fragment is in, the last is not. */
  | { readonly kind: 'gathering'; readonly call: ServerCall; readonly parts: Reassembly }
  /** The request was refused at its first fragment or grew too large; the rest is thrown away. */
  | { readonly kind: 'skipping'; readonly id: number }

const IDLE: Receiving = { kind: 'idle' }

/**
 * The answering side of one association. A request that its contract does not contain is refused before it is
 * dispatched. When the link ends or breaks, the signals of all running calls fire and their answers are dropped.
 */
export class RpcServer {
  readonly #access: RpcAccess
  readonly #groups: AssociationGroups
  readonly #limits: RpcLimits
  readonly #binding: ServerBinding
  readonly #running: RunningCalls<ServerCall>
  readonly #uuids = new UuidMemory()
  readonly #closing = new Closing()
  #receiving: Receiving = IDLE
  /** The group this link is in; 0 before a bind. */
  #group = 0
  #multiplexed = false
  #taken = 0
  #refused = 0

  /** Takes the access object and the link behind it. */
  constructor(access: RpcAccess, options: RpcServerOptions) {
    this.#access = access
    this.#groups = options.groups ?? new AssociationGroups(options.env)
    this.#limits = rpcLimits(options.limits)
    this.#binding = new ServerBinding(options.lookup, this.#limits.contexts)
    this.#running = new RunningCalls(this.#limits.calls)
    access.start(
      {
        pdu: (header, bytes, view, at) => this.#pdu(header, bytes, view, at),
        ended: () => this.#ended(),
        closed: (reason) => this.#closed(reason),
      },
      this.#limits.fragment,
      this.#limits.unsent,
    )
  }

  /** Settles once: `undefined` when the association ended in order, else why it did not. */
  get closed(): Promise<BusbarError | undefined> {
    return this.#closing.closed
  }

  /** Closes the link; running calls see their signal fire. Idempotent. */
  close(reason?: BusbarError): void {
    this.#access.close(reason)
  }

  inspect(): RpcServerView {
    return {
      state: this.#closing.over ? 'closed' : this.#binding.bound ? 'bound' : 'unbound',
      group: this.#group,
      fragment: this.#binding.fragment,
      multiplexed: this.#multiplexed,
      contexts: this.#binding.contexts.map(({ id, interface: { uuid, major, minor } }) => ({
        id,
        interface: `${uuid} ${major}.${minor}`,
      })),
      calls: { running: this.#running.size, taken: this.#taken, refused: this.#refused },
      memory: {
        unsent: this.#access.unsent,
        partial: this.#access.held,
        reassembly: this.#receiving.kind === 'gathering' ? this.#receiving.parts.length : 0,
      },
    }
  }

  #pdu(header: PduHeader, bytes: Uint8Array, view: DataView, at: number): void {
    try {
      if (header.type === PDUS.request.number && header.authLength === 0) this.#request(header, bytes, view, at)
      else this.#other(header, bytes.subarray(at, at + header.length))
    } catch (thrown) {
      throw this.#violated(header, BusbarError.from(thrown))
    }
  }

  /** A client that breaks the protocol is told so in the way the standard has for that PDU; then the link closes. */
  #violated(header: PduHeader, error: BusbarError): BusbarError {
    if (header.type === PDUS.bind.number && !this.#binding.bound) {
      this.#access.send(encodeBindNak(header.callId, nakReason(header)))
    } else if (header.type === PDUS.request.number || header.type === PDUS.alter_context.number) {
      sendFault(this.#access, header.callId, 0, faultStatus(new BusbarError('PROTOCOL', error.message)), true)
    }
    return error
  }

  #other(header: PduHeader, pdu: Uint8Array): void {
    if (header.authLength !== 0) throw refusedAuth(header, pdu)
    switch (header.type) {
      case PDUS.bind.number:
        return this.#bind(header, pdu)
      case PDUS.alter_context.number:
        return this.#alter(header, pdu)
      case PDUS.co_cancel.number:
        return this.#cancel(header.callId, false)
      case PDUS.orphaned.number:
        return this.#cancel(header.callId, true)
      default:
        throw new BusbarError('PROTOCOL', `a client sent ${pduName(header.type)}`)
    }
  }

  #bind(header: PduHeader, pdu: Uint8Array): void {
    if (header.minor > 1) throw new BusbarError('VERSION', `bind in version 5.${header.minor}; 5.0 and 5.1 are known`)
    requireWhole(header)
    if (this.#binding.bound) throw new BusbarError('PROTOCOL', 'a second bind on one association')
    const bind = decodeBind(pdu, header.little)
    this.#joinGroup(bind.group)
    const ack = this.#binding.bind(bind, this.#limits.fragment, this.#group)
    this.#multiplexed = (header.flags & PFC.CONC_MPX) !== 0
    this.#access.accept(this.#binding.fragment)
    const flags = WHOLE | (header.flags & PFC.CONC_MPX)
    this.#access.send(encodeBindAck(PDUS.bind_ack.number, flags, header.callId, ack))
  }

  #alter(header: PduHeader, pdu: Uint8Array): void {
    requireWhole(header)
    if (!this.#binding.bound) throw new BusbarError('PROTOCOL', 'alter_context before bind')
    const ack = this.#binding.alter(decodeBind(pdu, header.little))
    this.#access.send(encodeBindAck(PDUS.alter_context_resp.number, WHOLE, header.callId, ack))
  }

  #request(header: PduHeader, bytes: Uint8Array, view: DataView, at: number): void {
    const receiving = this.#receiving
    const offset = stubOffset(header)
    const stub = new Uint8Array(bytes.buffer, bytes.byteOffset + at + offset, header.length - offset)
    const last = (header.flags & PFC.LAST) !== 0
    if (receiving.kind === 'idle') {
      if ((header.flags & PFC.FIRST) === 0) throw new BusbarError('PROTOCOL', 'a request without its first fragment')
      const call = this.#admit(header, view, at, stub)
      if (last) {
        if (call !== undefined) this.#dispatch(call)
      } else if (call === undefined) {
        this.#receiving = { kind: 'skipping', id: header.callId }
      } else {
        const parts = new Reassembly(this.#limits.request)
        this.#receiving = { kind: 'gathering', call, parts }
        this.#gather(call, parts, header, view, at, stub)
      }
      return
    }
    const id = receiving.kind === 'skipping' ? receiving.id : receiving.call.id
    if ((header.flags & PFC.FIRST) !== 0 || header.callId !== id) {
      throw new BusbarError('PROTOCOL', `fragments of calls ${id} and ${header.callId} are mixed`)
    }
    if (receiving.kind === 'gathering') this.#gather(receiving.call, receiving.parts, header, view, at, stub)
    if (last) this.#receiving = IDLE
  }

  /** Decides at the first fragment whether a request may run; a refusal is answered at once. */
  #admit(header: PduHeader, view: DataView, at: number, stub: Uint8Array): ServerCall | undefined {
    const { callId, flags, little } = header
    if (!this.#binding.bound) throw new BusbarError('PROTOCOL', 'a request before bind')
    if (this.#running.get(callId) !== undefined) throw new BusbarError('PROTOCOL', `call id ${callId} is in use`)
    if (!this.#multiplexed && this.#running.size > 0) {
      throw new BusbarError('PROTOCOL', 'a second call at the same time, without multiplexing')
    }
    const contextId = readContextId(view, at, little)
    const opnum = readOpnum(view, at, little)
    const target = this.#binding.target(contextId)
    if (target === undefined) return this.#refuse(callId, contextId, 'NO_SUCH_INTERFACE')
    if (opnum >= target.opnums) return this.#refuse(callId, contextId, 'NOT_IN_CONTRACT')
    if (this.#running.size >= this.#limits.calls) return this.#refuse(callId, contextId, 'BUSY')
    const object = (flags & PFC.OBJECT_UUID) === 0 ? undefined : this.#uuids.read(view, at + REQUEST_BYTES, little)
    const call = new ServerCall(callId, contextId, opnum, object, little, target, (flags & PFC.MAYBE) !== 0, stub)
    if ((flags & PFC.PENDING_CANCEL) !== 0) call.cancel(cancelled())
    return call
  }

  #gather(call: ServerCall, parts: Reassembly, header: PduHeader, view: DataView, at: number, stub: Uint8Array): void {
    if (header.little !== call.little) throw new BusbarError('PROTOCOL', 'byte order changed between fragments')
    if (!parts.add(stub, readHint(view, at, header.little))) {
      this.#receiving = { kind: 'skipping', id: call.id }
      // Status 5, access denied, is what Windows and Samba say to a request above their limit (MS-RPCE 3.3.3.5.4).
      this.#refuse(call.id, call.contextId, 'DENIED')
      return
    }
    if ((header.flags & PFC.LAST) === 0) return
    call.stub = parts.finish()
    this.#dispatch(call)
  }

  #refuse(id: number, contextId: number, code: 'NO_SUCH_INTERFACE' | 'NOT_IN_CONTRACT' | 'BUSY' | 'DENIED'): undefined {
    this.#refused++
    sendFault(this.#access, id, contextId, faultStatus(new BusbarError(code, 'refused before dispatch')), true)
  }

  #dispatch(call: ServerCall): void {
    this.#taken++
    this.#running.add(call)
    try {
      const result = call.target.dispatch(call)
      if (result instanceof Uint8Array) return this.#respond(call, result)
      result.then(
        (stub) => this.#respond(call, stub),
        (thrown: unknown) => this.#fail(call, thrown),
      )
    } catch (thrown) {
      this.#fail(call, thrown)
    }
  }

  #respond(call: ServerCall, stub: Uint8Array): void {
    if (!this.#finish(call)) return
    if (stub.length > this.#limits.response) {
      const error = new BusbarError('LIMIT', `a response of ${stub.length} bytes`)
      return sendFault(this.#access, call.id, call.contextId, faultStatus(error), false)
    }
    sendResponse(this.#access, this.#binding.fragment, call.id, call.contextId, stub)
    if (this.#running.size === 0) this.#access.hurry()
  }

  #fail(call: ServerCall, thrown: unknown): void {
    if (!this.#finish(call)) return
    const error = BusbarError.from(thrown, 'FAULT')
    sendFault(this.#access, call.id, call.contextId, faultStatus(error), false)
  }

  /** Takes a call out of the running ones; whether its answer is still wanted. */
  #finish(call: ServerCall): boolean {
    if (this.#running.get(call.id) !== call) return false
    this.#running.remove(call)
    return !call.silent
  }

  /** An unknown id is that of a call which was answered while the cancel was under way. */
  #cancel(id: number, orphaned: boolean): void {
    const receiving = this.#receiving
    const gathered = receiving.kind === 'gathering' && receiving.call.id === id ? receiving.call : undefined
    const call = gathered ?? this.#running.get(id)
    if (call === undefined) return
    call.cancel(cancelled())
    if (!orphaned) return
    call.silent = true
    if (gathered !== undefined) this.#receiving = IDLE
  }

  #joinGroup(id: number): void {
    if (id === 0) this.#group = this.#groups.open()
    else if (this.#groups.join(id)) this.#group = id
    else throw new BusbarError('PROTOCOL', `association group ${id} is not known`)
  }

  #ended(): void {
    this.#abort(new BusbarError('PEER_DIED', 'the client ended the association'))
    this.#access.end()
  }

  #closed(reason: BusbarError | undefined): void {
    this.#abort(reason ?? new BusbarError('PEER_DIED', 'the association is over'))
    if (this.#group !== 0) this.#groups.leave(this.#group)
    this.#closing.settle(reason)
  }

  #abort(reason: BusbarError): void {
    this.#receiving = IDLE
    for (const call of this.#running.clear()) call.cancel(reason)
  }
}

function cancelled(): BusbarError {
  return new BusbarError('CANCELLED', 'the caller cancelled the call')
}

function nakReason(header: PduHeader): number {
  if (header.authLength !== 0) return NAK.AUTH_TYPE
  return header.minor > 1 ? NAK.VERSION : NAK.NOT_SPECIFIED
}
