import { BusbarError } from '../../errors/index.ts'
import { Closing, type Env } from '../../link/index.ts'
import type { RpcAccess } from '../access.ts'
import { faultStatus } from '../faults.ts'
import { type RpcLimits, rpcLimits } from '../limits.ts'
import { readContextId, readHint, readOpnum, REQUEST_BYTES, requestFront, stubOffset } from '../pdu/call.ts'
import type { PduHandler } from '../pdu/cutter.ts'
import { encodeBare, PFC, pduBytes, type PduHeader } from '../pdu/header.ts'
import { PDUS, pduName } from '../pdu/table.ts'
import { UuidMemory } from '../pdu/uuid.ts'
import { sendFault } from './fragments.ts'
import { Answers } from './answers.ts'
import { Conduct } from './conduct.ts'
import { AssociationGroups } from './groups.ts'
import { ServerCall } from './incoming-call.ts'
import { Leaving } from './leaving.ts'
import { Patience } from './patience.ts'
import { type Outcome, Receiving } from './receiving.ts'
import { RunningCalls } from './running-calls.ts'
import { admit, NO_SECURITY, type SecurityProvider } from './security.ts'
import { type Lookup, ServerBinding } from './server-binding.ts'
import type { RpcServerView } from './server-view.ts'

export interface RpcServerOptions {
  readonly env: Env
  /** The interface that serves an id, by the version rule of whoever offers it: same major, at least that minor. */
  readonly lookup: Lookup
  readonly limits?: Partial<RpcLimits>
  /**
   * Whom the link belongs to, as the bus attests. All links of one caller share its turns and its limits, and one that was cut off is put
   * off. Without it nothing is known of the next link.
   */
  readonly caller?: string
  /** The groups that links of this caller may join; without them every link is a group of its own. */
  readonly groups?: AssociationGroups
  /** Where more links of a group may go, ASCII: the port of a TCP server. Told to clients, and empty by default. */
  readonly address?: string
  /** Judges who the client is, and proves who this side is; the channel does by default. See `SecurityProvider`. */
  readonly security?: SecurityProvider
  /** Whoever serves the calls understands those on what other calls are going to give, where the client offers to make some. */
  readonly pipelines?: boolean
}

/**
 * The answering side of one association. A request that its contract does not contain is refused before it is
 * dispatched. When the link ends or breaks, the signals of all running calls fire and their answers are dropped.
 */
export class RpcServer {
  readonly #access: RpcAccess
  readonly #env: Env
  readonly #groups: AssociationGroups
  readonly #limits: RpcLimits
  readonly #binding: ServerBinding
  readonly #running: RunningCalls<ServerCall>
  readonly #receiving: Receiving
  #uuids: UuidMemory | undefined
  readonly #closing = new Closing()
  readonly #answers: Answers
  readonly #conduct: Conduct
  readonly #security: SecurityProvider
  readonly #patience: Patience
  #taken = 0
  #refused = 0
  readonly #leaving: Leaving

  /** Takes the access object and the link behind it. */
  constructor(access: RpcAccess, options: RpcServerOptions) {
    this.#access = access
    this.#env = options.env
    this.#limits = rpcLimits(options.limits)
    const { fragment, contexts, reassembly, spare } = this.#limits
    this.#groups = options.groups ?? new AssociationGroups(options.env, { reassembly, spare })
    const { lookup, address = '', pipelines = false, security = NO_SECURITY } = options
    this.#security = security
    this.#binding = new ServerBinding({ lookup, groups: this.#groups, fragment, contexts, address, pipelines })
    this.#running = new RunningCalls(this.#limits.calls)
    this.#receiving = new Receiving(this.#limits, this.#groups, this.#env)
    this.#patience = new Patience({
      ...{ env: this.#env, limits: this.#limits, access, receiving: this.#receiving },
      cutOff: (limit, what) => this.#conduct.cutOff(limit, what),
      givenUp: (outcome) => this.#go(outcome),
    })
    this.#conduct = new Conduct(access, this.#env, this.#limits, options.caller, () => this.#patience.begin())
    this.#leaving = new Leaving({
      ...{ access, env: this.#env, limits: this.#limits, binding: this.#binding, receiving: this.#receiving },
      left: (error) => {
        this.#conduct.strike()
        this.#patience.over()
        this.#abort(error)
      },
    })
    this.#answers = new Answers(access, this.#limits, this.#running, this.#groups, this.#conduct)
    const pdu: PduHandler = (header, view, at) => this.#pdu(header, view, at)
    pdu.tooLong = (header) => this.#leaving.tooLong(header)
    pdu.front = requestFront
    pdu.land = (header, view, at, here) => this.#land(header, view, at, here)
    pdu.landed = (header) => this.#go(this.#receiving.landed(header, header.length - requestFront(header)))
    pdu.enough = () => this.#conduct.spent()
    access.start(
      {
        pdu,
        turns: this.#conduct,
        account: this.#conduct,
        partial: (anew) => this.#patience.partial(anew),
        stalled: (stalled) => this.#conduct.stalled(stalled),
        ended: () => this.#ended(),
        closed: (reason) => this.#closed(reason),
      },
      fragment,
      this.#limits.unsent,
      true,
    )
    this.#conduct.enter()
  }

  /** Settles once: `undefined` when the association ended in order, else why it did not. */
  get closed(): Promise<BusbarError | undefined> {
    return this.#closing.closed
  }

  /** The client may make calls on what other calls are going to give. */
  get pipelined(): boolean {
    return this.#binding.pipelined
  }

  /** Asks the client to leave: it starts no new calls and ends the link when it has its answers. */
  shutdown(): void {
    this.#access.send(encodeBare(PDUS.shutdown.number, 0))
  }

  /** Closes the link; running calls see their signal fire. Idempotent. */
  close(reason?: BusbarError): void {
    this.#access.close(reason)
  }

  inspect(): RpcServerView {
    return {
      state: this.#closing.over ? 'closed' : this.#binding.bound ? 'bound' : 'unbound',
      group: this.#binding.group,
      fragment: this.#binding.fragment,
      multiplexed: this.#binding.multiplexed,
      contexts: this.#binding.contexts.map(({ id, interface: { uuid, major, minor } }) => ({
        id,
        interface: `${uuid} ${major}.${minor}`,
      })),
      calls: { running: this.#running.size, taken: this.#taken, refused: this.#refused },
      memory: { unsent: this.#access.unsent, partial: this.#access.held, reassembly: this.#groups.held },
    }
  }

  #pdu(header: PduHeader, view: DataView, at: number): void {
    try {
      if (header.type === PDUS.request.number && header.authLength === 0) return this.#request(header, view, at)
      admit(this.#security, header, view, at)
      if (header.type === PDUS.request.number) this.#request(header, view, at)
      else this.#other(header, pduBytes(header, view, at))
    } catch (thrown) {
      this.#leaving.violated(header, pduBytes(header, view, at), BusbarError.from(thrown))
    }
  }

  #other(header: PduHeader, pdu: Uint8Array): void {
    switch (header.type) {
      case PDUS.bind.number:
        this.#access.send(this.#security.prove(this.#binding.bind(header, pdu)))
        this.#patience.bound()
        this.#answers.fragment = this.#binding.fragment
        this.#receiving.interleaved = this.#binding.interleaved
        this.#access.interleaves = this.#binding.interleaved
        return
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

  #alter(header: PduHeader, pdu: Uint8Array): void {
    const { rejected } = this.#binding
    this.#access.send(this.#security.prove(this.#binding.alter(header, pdu)))
    this.#conduct.mistaken(this.#binding.rejected - rejected)
  }

  #request(header: PduHeader, view: DataView, at: number): void {
    const offset = stubOffset(header)
    if (!this.#receiving.idle && this.#receiving.goesOn(header)) return this.#fragment(header, view, at, offset)
    if ((header.flags & PFC.FIRST) === 0) throw new BusbarError('PROTOCOL', 'a request without its first fragment')
    const call = this.#admit(header, view, at, offset)
    if ((header.flags & PFC.LAST) !== 0) {
      if (call !== undefined) this.#dispatch(call)
    } else {
      // What came first must not keep the chunk that it came in.
      if (call !== undefined) call.stub = NOTHING
      this.#receiving.begin(header.callId, call)
      this.#patience.watch()
      this.#fragment(header, view, at, offset)
    }
  }

  #fragment(header: PduHeader, view: DataView, at: number, offset: number): void {
    const stub = new Uint8Array(view.buffer, at + offset, header.length - offset)
    this.#go(this.#receiving.take(header, view, at, stub))
  }

  /** Memory for a fragment, when its front has come. */
  #land(header: PduHeader, view: DataView, at: number, here: number): Uint8Array | undefined {
    const front = requestFront(header)
    const hint = readHint(view, at, header.little)
    const [stub, there] = [header.length - front, here - front]
    if ((header.flags & PFC.FIRST) === 0) return this.#receiving.land(header, hint, stub, there)
    if (!this.#begins(header, view, at)) return undefined
    const call = this.#admit(header, view, at, front)
    if (call === undefined) return undefined
    // What came first must not keep the chunk that it came in.
    call.stub = NOTHING
    this.#patience.watch()
    return this.#receiving.landFirst(call, hint, stub, there)
  }

  /** Whether a first fragment begins a request that may run: whatever else is to be said about it is said when it is whole. */
  #begins({ callId, flags, little }: PduHeader, view: DataView, at: number): boolean {
    const { bound, multiplexed } = this.#binding
    const running = this.#running
    if (!bound || (flags & PFC.PENDING_CANCEL) !== 0 || !this.#receiving.begins(callId)) return false
    if (running.get(callId) !== undefined || (running.size > 0 && !multiplexed)) return false
    if (running.size + this.#receiving.size >= this.#limits.calls) return false
    return readOpnum(view, at, little) < (this.#binding.target(readContextId(view, at, little))?.opnums ?? 0)
  }

  #go(outcome: Outcome | undefined): void {
    if (outcome === undefined) return
    const { call, refused } = outcome
    if (refused === undefined) this.#dispatch(call)
    else this.#refuse(call.id, call.contextId, refused, call.silent)
  }

  /** Decides at the first fragment whether a request may run; a refusal is answered at once. */
  #admit(header: PduHeader, view: DataView, at: number, offset: number): ServerCall | undefined {
    const { callId, flags, little } = header
    if (!this.#binding.bound) throw new BusbarError('PROTOCOL', 'a request before bind')
    if ((flags & PFC.PENDING_CANCEL) !== 0) throw broken(callId, 'was cancelled before it began')
    if (this.#running.get(callId) !== undefined) throw broken(callId, 'has an id that is in use')
    if (this.#running.awaited > 0 && !this.#binding.multiplexed) {
      throw broken(callId, 'came while another one runs, without multiplexing')
    }
    const contextId = readContextId(view, at, little)
    const opnum = readOpnum(view, at, little)
    const target = this.#binding.target(contextId)
    const silent = (flags & PFC.MAYBE) !== 0
    if (target === undefined) return this.#refuse(callId, 0, 'NO_SUCH_INTERFACE', silent)
    if (opnum >= target.opnums) return this.#refuse(callId, contextId, 'NOT_IN_CONTRACT', silent)
    if (this.#running.size + this.#receiving.size >= this.#limits.calls) {
      return this.#refuse(callId, contextId, 'BUSY', silent)
    }
    const object = (flags & PFC.OBJECT_UUID) === 0 ? undefined : this.#objects.read(view, at + REQUEST_BYTES, little)
    const start = at + offset
    const length = header.length - offset
    return new ServerCall(callId, contextId, opnum, object, little, target, silent, this.#answers, view, start, length)
  }

  /** Made with the first call of an object: most clients that only connect make none. */
  get #objects(): UuidMemory {
    this.#uuids ??= new UuidMemory()
    return this.#uuids
  }

  /** Of a call whose answer nobody waits for the refusal is not said either. */
  #refuse(id: number, contextId: number, code: Refusal, silent: boolean): undefined {
    this.#refused++
    const status = faultStatus(new BusbarError(code, 'refused before dispatch'))
    if (!silent) sendFault(this.#access, id, contextId, status, true)
    // Whoever is too busy for a call says nothing against the client.
    if (code !== 'BUSY') this.#conduct.mistaken(1)
  }

  #dispatch(call: ServerCall): void {
    this.#taken++
    this.#running.add(call)
    try {
      const result = call.target.dispatch(call)
      if (result === undefined) return
      if (result instanceof Uint8Array) return this.#answers.respond(call, result)
      result.then(
        (stub) => this.#answers.respond(call, stub),
        (thrown: unknown) => this.#answers.fail(call, thrown),
      )
    } catch (thrown) {
      this.#answers.fail(call, thrown)
    }
  }

  /** An unknown id is that of a call which was answered while the cancel was under way. */
  #cancel(id: number, orphaned: boolean): void {
    const reason = new BusbarError('CANCELLED', 'the caller cancelled the call')
    if (this.#receiving.cancel(id, orphaned, reason)) return
    const call = this.#running.get(id)
    if (call === undefined) return
    call.cancel(reason)
    if (orphaned) this.#running.orphan(call)
  }

  #ended(): void {
    this.#abort(new BusbarError('PEER_DIED', 'the client ended the association'))
    this.#access.end()
  }

  #closed(reason: BusbarError | undefined): void {
    this.#abort(reason ?? new BusbarError('PEER_DIED', 'the association is over'))
    this.#leaving.over()
    this.#patience.over()
    this.#conduct.over(reason)
    this.#binding.leave()
    this.#closing.settle(this.#leaving.reason ?? reason)
  }

  #abort(reason: BusbarError): void {
    this.#receiving.drop()
    for (const call of this.#running.clear()) {
      this.#groups.release(call.held)
      call.cancel(reason)
    }
  }
}

type Refusal = 'NO_SUCH_INTERFACE' | 'NOT_IN_CONTRACT' | 'BUSY' | 'DENIED'

const NOTHING = new Uint8Array(0)

/** Texts are made apart from the code that every call runs: there they cost even where nothing is wrong. */
function broken(callId: number, how: string): BusbarError {
  return new BusbarError('PROTOCOL', `call ${callId} ${how}`)
}
