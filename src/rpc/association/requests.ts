import { Writer } from '../../bytes/index.ts'
import type { BusbarError } from '../../errors/index.ts'
import type { RpcAccess } from '../access.ts'
import type { RpcLimits } from '../limits.ts'
import { OBJECT_BYTES, REQUEST_BYTES, writeRequest } from '../pdu/call.ts'
import { PFC, WHOLE } from '../pdu/header.ts'
import { UuidMemory } from '../pdu/uuid.ts'
import { COPY_BELOW } from '../pdu-slab.ts'
import { CallQueue } from './call-queue.ts'
import { CallTable } from './call-table.ts'
import { sendRequest, type Stub } from './fragments.ts'
import type { Packaging, PendingCall } from './pending-call.ts'
import { sentFrom } from './spare-memory.ts'

/** Room for what is short among the arguments of a call that has long ones, `bytes` (our choice: a few fields and what stands in front of them). */
const SHORT = 512

/** Where a request goes. */
export interface Target {
  readonly contextId: number
  readonly opnum: number
  /** UUID of the object that is called. */
  readonly object: string | undefined
  /** It waits for what else is sent in this turn. */
  readonly gathers?: boolean | undefined
}

/** The requests of one client: packages them, sends as many at a time as the server takes, and holds the others back. */
export class Requests {
  /** Calls that are sent and not over, by id. */
  readonly calls: CallTable<PendingCall>
  /** Calls at the same time. */
  window = 1
  /** Largest fragment, `bytes`. */
  fragment = 0
  /** Calls sent in all. */
  made = 0
  readonly #access: RpcAccess
  readonly #most: number
  readonly #queue = new CallQueue()
  readonly #uuids = new UuidMemory()
  /** The last fragment of bulk to each object, as its access object counts them: what goes to the same object stays behind it. */
  readonly #bulk = new Map<string, number>()
  readonly #hasRoom = (): boolean => this.calls.size < this.window

  constructor(access: RpcAccess, { calls, request }: RpcLimits) {
    this.#access = access
    this.#most = request
    this.calls = new CallTable(calls)
  }

  /** Calls that wait for their turn. */
  get queued(): number {
    return this.#queue.length
  }

  /** Packages a request now, and sends it now or when its turn comes. Throws what `packaging` throws, and then nothing is sent. */
  start<A>(call: PendingCall, target: Target, packaging: Packaging<A>, args: A): void {
    const access = this.#access
    const size = packaging.measure(args)
    const { object } = target
    const waits = this.calls.size >= this.window || this.#queue.length > 0
    if (waits || size > COPY_BELOW || (this.#bulk.size > 0 && this.#behind(object))) {
      // Long bytes among the arguments are not copied, and so need no room; anything else that is long grows.
      const writer = new Writer(true, this.#most, size > COPY_BELOW ? SHORT : size, access.heads).leaveFrom(COPY_BELOW)
      packaging.write(writer, args)
      const stub = writer.pieces()
      sentFrom(stub)
      if (waits) this.#queue.push(call, () => this.#send(call, target, stub))
      else this.#send(call, target, stub)
      return
    }
    const front = object === undefined ? REQUEST_BYTES : REQUEST_BYTES + OBJECT_BYTES
    const writer = access.writer(front, size, this.#most).leaveFrom(COPY_BELOW)
    try {
      packaging.write(writer, args)
    } catch (thrown) {
      access.drop()
      throw thrown
    }
    const stub = writer.length
    // Where it lies now is where it leaves from, if it is short: only its front is missing.
    const at = front + stub <= this.fragment ? access.add(writer) : -1
    if (at < 0) {
      const pieces = writer.pieces()
      sentFrom(pieces)
      return this.#send(call, target, pieces)
    }
    this.#begin(call)
    const flags = object === undefined ? WHOLE : WHOLE | PFC.OBJECT_UUID
    writeRequest(access.view, at, flags, front + stub, call.id, stub, target.contextId, target.opnum)
    if (object !== undefined) this.#uuids.write(access.view, at + REQUEST_BYTES, object)
    if (this.calls.size === 1 && target.gathers !== true) access.hurry()
  }

  /** A call is over: its slot is free for the next. */
  free(call: PendingCall): void {
    this.calls.remove(call)
    if (this.#queue.length > 0) this.#queue.advance(this.#hasRoom)
  }

  /** Rejects everything that waits for its turn. */
  fail(reason: BusbarError): void {
    this.#queue.fail(reason)
  }

  /** Whether bulk to the same object still waits: calls of one object leave in the order they were made. */
  #behind(object: string | undefined): boolean {
    if (object === undefined || this.#bulk.size === 0) return false
    if (this.#access.waits(this.#bulk.get(object) ?? 0)) return true
    if (!this.#access.waits(this.#access.bulkGiven)) this.#bulk.clear()
    return false
  }

  #begin(call: PendingCall): void {
    this.calls.add(call)
    this.made++
    call.state = 'sent'
  }

  #send(call: PendingCall, { contextId, opnum, object }: Target, stub: Stub): void {
    this.#begin(call)
    const uuid = object === undefined ? undefined : this.#uuids.bytes(object)
    const before = this.#access.bulkGiven
    sendRequest(this.#access, this.fragment, call.id, contextId, opnum, uuid, stub, this.#behind(object))
    const after = this.#access.bulkGiven
    if (object !== undefined && after > before) this.#bulk.set(object, after)
    if (this.calls.size === 1) this.#access.hurry()
  }
}
