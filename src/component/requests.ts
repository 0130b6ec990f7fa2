import type { BusbarError } from '../errors/index.ts'
import {
  type Contract,
  type Env,
  type Packaging,
  type PresentationContext,
  type RpcAccess,
  RpcClient,
  type RpcClientView,
  type RpcReply,
} from '../rpc/index.ts'
import type { Guard } from './guard.ts'
import type { Held } from './held.ts'
import { FIRST_OPNUM, type Interface, likely, type Operation, referenceOf } from './interface.ts'
import type { ObjectLimits } from './limits.ts'

/** Most interfaces that are asked for before they are needed, on one association (our choice: a quarter of what it takes). */
const MOST_FORESEEN = 16

/** Sends the calls of one association; agrees on each interface the first time that it is called through. */
export class Requests {
  readonly #rpc: RpcClient
  readonly #contexts = new Map<string, PresentationContext>()
  readonly #late: (operation: Operation, reply: RpcReply) => void
  readonly #access: RpcAccess
  /** The operation that was handed on last. */
  #handed: Operation | undefined
  /** Interfaces that were asked for before they were needed. */
  #foreseen = 0
  /** Largest fragment, `bytes`; 0 while that is not known. */
  #fragment = 0

  /**
   * Takes the access object and the link behind it. `late` takes the answers that cross a cancel and may give
   * references: they go back at once, not when the pipe closes. `group` is the association group to join, 0 none.
   */
  constructor(
    access: RpcAccess,
    env: Env,
    limits: ObjectLimits,
    late: (operation: Operation, reply: RpcReply) => void,
    group = 0,
  ) {
    this.#access = access
    this.#rpc = new RpcClient(access, { env, limits: limits.rpc, group, pipelines: true })
    this.#late = late
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#rpc.closed
  }

  get over(): boolean {
    return this.#rpc.inspect().state === 'closed'
  }

  /** The peer knows calls that go to what other calls are going to give. */
  get pipelined(): boolean {
    return this.#rpc.pipelined
  }

  /** Watches the call that is made next: `left` says what became of it. */
  watch(): number {
    this.#handed = undefined
    return this.#access.bulkGiven
  }

  /** Whether a call of that operation left since then, whole, so that nothing which is sent behind it arrives in front of it. */
  left(watched: number, operation: Operation): boolean {
    return this.#handed === operation && this.#access.bulkGiven === watched && !this.#rpc.waits
  }

  /** Whether a request of about `size` bytes through that interface leaves at once, and whole. Asks for the interface if need be. */
  leaves(through: Interface, size: number): boolean {
    if (!this.#contexts.has(through.uuid)) {
      this.expect(through)
      return false
    }
    if (this.#fragment === 0) this.#fragment = this.#rpc.inspect().fragment
    return size <= this.#fragment && !this.#rpc.waits
  }

  /** Agrees on an interface before a call needs it. */
  expect(through: Interface): void {
    if (!this.#contexts.has(through.uuid)) this.#bind(through.uuid).catch(() => {})
  }

  /**
   * Agrees on the interfaces that whoever activates an object is likely to need, once `first` is agreed on: with a peer that pipelines,
   * where it is one question beside the activation and takes no time of its own.
   */
  foresee(first: Interface, contract: Contract): void {
    const ask = (): void => {
      if (!this.#rpc.pipelined) return
      for (const through of likely(contract, MOST_FORESEEN)) {
        if (this.#contexts.has(through.uuid)) continue
        if (this.#foreseen++ >= MOST_FORESEEN) return
        this.expect(through)
      }
    }
    this.#bind(first.uuid).then(ask, () => {})
  }

  close(reason?: BusbarError): void {
    this.#rpc.close(reason)
  }

  inspect(): RpcClientView {
    return this.#rpc.inspect()
  }

  /** The common call, packaged where it leaves from; `undefined` when its interface is not agreed on yet. */
  invoke(held: Held, operation: Operation, packaging: Packaging, args: unknown): Promise<unknown> | undefined {
    const context = this.#contexts.get(held.interface.uuid)
    if (context === undefined) return undefined
    this.#handed = operation
    return this.#rpc.invoke(
      packaging,
      context,
      FIRST_OPNUM + operation.number,
      args === undefined ? NOTHING : args,
      referenceOf(operation) === undefined ? held.target : held.gathering,
    )
  }

  /** `unsent` is told when the request never left: the guard fired first, or the interface was refused. */
  send(
    held: Held,
    operation: Operation,
    stub: Uint8Array,
    guard: Guard | undefined,
    unsent?: () => void,
  ): Promise<RpcReply> {
    const opnum = FIRST_OPNUM + operation.number
    const context = this.#contexts.get(held.interface.uuid)
    if (context !== undefined) this.#handed = operation
    const late = operation.reply.refs ? (reply: RpcReply) => this.#late(operation, reply) : undefined
    const options =
      guard === undefined && late === undefined
        ? held.target
        : {
            ...held.target,
            ...(late === undefined ? {} : { late }),
            ...(guard === undefined ? {} : { signal: guard.signal, ...(unsent === undefined ? {} : { unsent }) }),
          }
    if (context !== undefined) return this.#rpc.call(context, opnum, stub, options)
    return this.#whenBound(held, guard, (bound) => this.#rpc.call(bound, opnum, stub, options), unsent)
  }

  /** Sends as soon as the interface is agreed on; a release of the same object does not overtake the call. */
  async #whenBound(
    held: Held,
    guard: Guard | undefined,
    send: (context: PresentationContext) => Promise<RpcReply>,
    unsent?: () => void,
  ): Promise<RpcReply> {
    held.pin()
    let sent: Promise<RpcReply>
    try {
      const binding = this.#bind(held.interface.uuid)
      sent = send(await (guard === undefined ? binding : guard.until(binding)))
    } catch (thrown) {
      unsent?.()
      throw thrown
    } finally {
      held.unpin()
    }
    return sent
  }

  async #bind(uuid: string): Promise<PresentationContext> {
    const context = await this.#rpc.bind({ uuid, major: 0, minor: 0 })
    this.#contexts.set(uuid, context)
    return context
  }
}

const NOTHING: unknown = Object.freeze({})
