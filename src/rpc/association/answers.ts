import { Writer } from '../../bytes/index.ts'
import { BusbarError } from '../../errors/index.ts'
import type { RpcAccess } from '../access.ts'
import { faultStatus } from '../faults.ts'
import type { RpcLimits } from '../limits.ts'
import { RESPONSE_BYTES, writeResponse } from '../pdu/call.ts'
import { WHOLE } from '../pdu/header.ts'
import { COPY_BELOW } from '../pdu-slab.ts'
import { sendFault, sendResponse, type Stub } from './fragments.ts'
import type { AssociationGroups } from './groups.ts'
import type { Answering, ServerCall } from './incoming-call.ts'
import type { RunningCalls } from './running-calls.ts'

/** First memory for what is around long bytes, `bytes` (our choice: a page of a stream with sixteen items). */
const AROUND = 256

/** Long results one behind the other, `bytes`, after which nothing small is expected between them (our choice: some two milliseconds of them). */
const ALONE = 8 * 1024 * 1024

/** Who is answered. */
interface Client {
  /** A call of it was made well. */
  answered: boolean
  /** Told of each call that could not be read. */
  mistaken(times: number): void
}

/** Sends the answers of one server's calls: each call has one, and none that nobody waits for is sent. */
export class Answers implements Answering {
  /** Largest fragment, `bytes`. */
  fragment: number
  /** Long results since anything else was answered, `bytes`. */
  #bulk = 0
  readonly #access: RpcAccess
  readonly #limits: RpcLimits
  readonly #running: RunningCalls<ServerCall>
  readonly #groups: AssociationGroups
  readonly #client: Client

  constructor(
    access: RpcAccess,
    limits: RpcLimits,
    running: RunningCalls<ServerCall>,
    groups: AssociationGroups,
    client: Client,
  ) {
    this.#client = client
    this.#access = access
    this.#limits = limits
    this.#running = running
    this.#groups = groups
    this.fragment = limits.fragment
  }

  results(size: number, leaves: boolean): Writer {
    const { response } = this.#limits
    if (!leaves) {
      this.#beside()
      return this.#access.writer(RESPONSE_BYTES, size, response)
    }
    this.#bulk += size
    if (this.#bulk >= ALONE) this.#access.favourBulk(true)
    // Long bytes are not copied, and so need no room, and what is around them is short.
    return new Writer(true, response, Math.min(size, AROUND)).leaveFrom(COPY_BELOW)
  }

  crowded(relieved: () => void): boolean {
    // Where nothing else has been answered for long, nothing is held up by what waits.
    return this.#bulk < ALONE && this.#access.crowded(relieved)
  }

  discard(): void {
    this.#access.drop()
  }

  answer(call: ServerCall, results: Writer): void {
    if (!this.#finish(call, call.recycles)) return this.#access.drop()
    this.#client.answered = true
    const length = results.length
    const at = RESPONSE_BYTES + length <= this.fragment ? this.#access.add(results) : -1
    if (at < 0) return this.#send(call, results.pieces(), length)
    writeResponse(this.#access.view, at, WHOLE, RESPONSE_BYTES + length, call.id, length, call.contextId)
    this.#hurry()
  }

  /** Sends results that were marshalled elsewhere; their memory passes to the link. */
  respond(call: ServerCall, stub: Uint8Array): void {
    // Results that come like this may lie among the arguments.
    if (!this.#finish(call, false)) return
    this.#beside()
    this.#client.answered = true
    this.#send(call, [stub], stub.length)
  }

  fail(call: ServerCall, thrown: unknown): void {
    const runs = this.#running.get(call.id) === call
    const wanted = this.#finish(call, call.recycles)
    const error = BusbarError.from(thrown, 'FAULT')
    if (wanted) this.#fault(call, error)
    if (runs && error.code === 'MALFORMED') this.#client.mistaken(1)
  }

  #send(call: ServerCall, stub: Stub, length: number): void {
    if (length > this.#limits.response) {
      return this.#fault(call, new BusbarError('LIMIT', `limit response: an answer of ${length} bytes`))
    }
    // Small answers are bounded by the number of calls; these are not.
    if (length > this.fragment && this.#access.unsent + length > this.#limits.backlog) {
      const message = `limit backlog: a client left more than ${this.#limits.backlog} bytes of answers unread`
      return this.#access.close(new BusbarError('LIMIT', message))
    }
    sendResponse(this.#access, this.fragment, call.id, call.contextId, stub)
    this.#hurry()
  }

  #fault({ id, contextId }: ServerCall, error: BusbarError): void {
    this.#beside()
    sendFault(this.#access, id, contextId, faultStatus(error), false)
  }

  /** Something small is answered, and so may others be. */
  #beside(): void {
    if (this.#bulk === 0) return
    this.#bulk = 0
    this.#access.favourBulk(false)
  }

  #hurry(): void {
    if (this.#running.size === 0) this.#access.hurry()
  }

  /** Takes a call out of the running ones; whether its answer is still wanted. `recycles`: the memory of its arguments is free. */
  #finish(call: ServerCall, recycles: boolean): boolean {
    if (this.#running.get(call.id) !== call) return false
    this.#running.remove(call)
    if (call.held !== 0) {
      this.#groups.release(call.held)
      // What came in fragments lies in memory of its own; what did not, in what the link has read.
      if (recycles) this.#groups.keep(call.stub)
    }
    return !call.silent
  }
}
