import { Reader, Slab, Views } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import {
  type CallOptions,
  type Client,
  type Contract,
  type Env,
  type Page,
  type PresentationContext,
  type RefPort,
  type RpcAccess,
  RpcClient,
  type RpcClientView,
  type RpcReply,
} from '../rpc/index.ts'
import { ACTIVATOR, ACTIVATOR_IPID } from './activator.ts'
import { Consumer } from './consumer.ts'
import { decodeError } from './errors.ts'
import { Guard, guards } from './guard.ts'
import { Held } from './held.ts'
import { failed } from './hresult.ts'
import { ImportTable } from './imports.ts'
import { FIRST_OPNUM, type Interface, type Operation } from './interface.ts'
import { type ObjectLimits, objectLimits } from './limits.ts'
import { CallFront, readThat, THAT_BYTES } from './orpc.ts'
import { type ProxyMaker, proxyMaker } from './proxy.ts'
import { type InterfaceRefs, REM_RELEASE, REM_UNKNOWN } from './rem-unknown.ts'

export interface ObjectClientOptions {
  readonly env: Env
  readonly limits?: Partial<ObjectLimits>
  /**
   * Told of every proxy, with a function that releases it and does not keep it alive: the place for a
   * FinalizationRegistry, as a safety net under proxies that nobody disposed of. Without it only disposal releases.
   */
  readonly onProxy?: (proxy: object, release: () => void) => void
  /** Told each time the last reference was released: the place to close a pipe that was opened for one object. */
  readonly onIdle?: () => void
}

/** What the calling side of a pipe shows of itself. */
export interface ObjectClientView {
  /** References held, streams among them. */
  readonly references: number
  /** References taken since the pipe opened. */
  readonly taken: number
  readonly rpc: RpcClientView
}

interface Activated {
  readonly remUnknown: string
  readonly object: Held
}

/** Calls objects at the other end of one pipe. When the pipe is over, every pending call and stream settles at once. */
export class ObjectClient {
  readonly #env: Env
  readonly #limits: ObjectLimits
  readonly #onProxy: ObjectClientOptions['onProxy']
  readonly #onIdle: ObjectClientOptions['onIdle']
  readonly #rpc: RpcClient
  readonly #front: CallFront
  readonly #views = new Views()
  readonly #imports: ImportTable
  readonly #makers = new Map<string, ProxyMaker>()
  readonly #contexts = new Map<string, PresentationContext>()
  readonly #activator: Held
  #remUnknown: Held | undefined
  /** Takes references as proxies: what a caller gets. */
  readonly #proxies: RefPort
  /** Takes references as they are: what streams and activation are made from. */
  readonly #bare: RefPort

  /** Takes the access object and the link behind it. */
  constructor(access: RpcAccess, options: ObjectClientOptions) {
    this.#env = options.env
    this.#limits = objectLimits(options.limits)
    this.#onProxy = options.onProxy
    this.#onIdle = options.onIdle
    this.#rpc = new RpcClient(access, { env: this.#env, limits: this.#limits.rpc })
    this.#front = new CallFront(this.#env.random(new Uint8Array(16)), new Slab())
    this.#imports = new ImportTable(this.#limits.objects, (refs) => this.#release(refs))
    this.#activator = wellKnown(ACTIVATOR, ACTIVATOR_IPID)
    this.#bare = { give: refuseArgument, take: (contract, reference) => this.#imports.take(contract, reference) }
    this.#proxies = {
      give: refuseArgument,
      take: (contract, reference) => this.#proxy(this.#imports.take(contract, reference)),
    }
    void this.#rpc.closed.then(() => this.#imports.clear())
  }

  /** Settles once: `undefined` when the pipe ended in order, else why it did not. */
  get closed(): Promise<BusbarError | undefined> {
    return this.#rpc.closed
  }

  /**
   * Makes an object of the class that is named by `contract`, and gives its proxy. Rejects with `NO_SUCH_CLASS` when it
   * is not offered, with what its factory threw, or as every call does.
   */
  async activate<C extends Contract>(contract: C, options?: CallOptions): Promise<Client<C>> {
    const operation = ACTIVATOR.procedures[0] as Operation
    const ids = { classId: contract.uuid, interfaceId: contract.uuid }
    // The reference that comes back must be to the contract that was asked for.
    const port = {
      ...this.#bare,
      take: (_: Contract, reference: Uint8Array) => this.#imports.take(contract, reference),
    }
    const made = await this.#call(this.#activator, operation, ids, options, port)
    const { remUnknown, object } = made as Activated
    this.#remUnknown ??= wellKnown(REM_UNKNOWN, remUnknown)
    return this.#proxy(object) as Client<C>
  }

  /** Closes the pipe: pending calls and streams reject with `reason` (default `CLOSED`). Idempotent. */
  close(reason?: BusbarError): void {
    this.#rpc.close(reason)
  }

  inspect(): ObjectClientView {
    return { references: this.#imports.size, taken: this.#imports.taken, rpc: this.#rpc.inspect() }
  }

  #proxy(held: Held): object {
    const { uuid } = held.interface
    let maker = this.#makers.get(uuid)
    if (maker === undefined) {
      maker = proxyMaker(held.interface, (on, operation, args, options) => this.#invoke(on, operation, args, options))
      this.#makers.set(uuid, maker)
    }
    const proxy = maker.make(held)
    this.#onProxy?.(proxy, () => void held.release())
    return proxy
  }

  #invoke(held: Held, operation: Operation, args: unknown, options: CallOptions | undefined): unknown {
    if (operation.pull === undefined) return this.#call(held, operation, args, options, this.#proxies)
    return this.#stream(held, operation, operation.pull, args, options)
  }

  #call(
    held: Held,
    operation: Operation,
    args: unknown,
    options: CallOptions | undefined,
    port: RefPort,
  ): Promise<unknown> {
    try {
      const guard = guards(options) ? new Guard(this.#env, options) : undefined
      const stub = this.#pack(held, operation, args, options?.deadline)
      const sent = this.#send(held, operation, stub, guard)
      const done = sent.then(
        (reply) => this.#unpack(operation, reply, port),
        (thrown: unknown) => {
          throw located(operation, thrown)
        },
      )
      return guard === undefined ? done : done.finally(() => guard.end())
    } catch (thrown) {
      return Promise.reject(BusbarError.from(thrown))
    }
  }

  #stream(held: Held, operation: Operation, pull: Contract, args: unknown, options: CallOptions | undefined): Consumer {
    const next = pull.procedures[0] as Operation
    const room = { maxItems: this.#limits.pageItems, maxBytes: this.#limits.pageBytes }
    // As with every call, the arguments are packaged now; only the sending waits until somebody reads.
    const packed = this.#packed(held, operation, args, options)
    let guard: Guard | undefined
    const consumer = new Consumer({
      open: async () => {
        if (packed instanceof BusbarError) throw packed
        if (guards(options)) {
          guard = new Guard(this.#env, options)
          const { signal } = guard
          if (signal.aborted) throw BusbarError.from(signal.reason)
          signal.addEventListener('abort', () => consumer.fail(BusbarError.from(signal.reason)), { once: true })
        }
        return this.#send(held, operation, packed, guard).then(
          (reply) => this.#unpack(operation, reply, this.#bare) as Held,
          (thrown: unknown) => {
            throw located(operation, thrown)
          },
        )
      },
      next: async (stream) => (await this.#call(stream, next, room, undefined, this.#proxies)) as Page,
      over: () => guard?.end(),
    })
    return consumer
  }

  #packed(held: Held, operation: Operation, args: unknown, options: CallOptions | undefined): Uint8Array | BusbarError {
    try {
      return this.#pack(held, operation, args, guards(options) ? options.deadline : undefined)
    } catch (thrown) {
      return BusbarError.from(thrown)
    }
  }

  #pack(held: Held, { path, request }: Operation, args: unknown, deadline: number | undefined): Uint8Array {
    if (held.released) throw new BusbarError('RELEASED', `${path} was called on a proxy that was released`)
    const given = args === undefined ? {} : args
    const writer = this.#front.begin(request.measure(given), deadline)
    request.write(writer, given, this.#bare)
    return writer.finish()
  }

  #send(held: Held, operation: Operation, stub: Uint8Array, guard: Guard | undefined): Promise<RpcReply> {
    const opnum = FIRST_OPNUM + operation.number
    const { uuid } = held.interface
    const context = this.#contexts.get(uuid)
    if (guard === undefined) {
      if (context !== undefined) return this.#rpc.call(context, opnum, stub, held.target)
      return this.#bind(uuid).then((bound) => this.#rpc.call(bound, opnum, stub, held.target))
    }
    const { signal } = guard
    // An answer that crosses the cancel may give references: they go back at once, not when the pipe closes.
    const late = operation.reply.refs ? (reply: RpcReply) => this.#giveBack(operation, reply) : undefined
    const options = { ...held.target, signal, ...(late === undefined ? {} : { late }) }
    if (context !== undefined) return this.#rpc.call(context, opnum, stub, options)
    return guard.until(this.#bind(uuid)).then((bound) => this.#rpc.call(bound, opnum, stub, options))
  }

  async #bind(uuid: string): Promise<PresentationContext> {
    const context = await this.#rpc.bind({ uuid, major: 0, minor: 0 })
    this.#contexts.set(uuid, context)
    return context
  }

  #unpack(operation: Operation, { stub, little }: RpcReply, port: RefPort): unknown {
    const reader = new Reader(stub, little, this.#views)
    const hresult = lastWord(stub, little)
    const error = readThat(reader)
    if (failed(hresult)) throw decodeError(error, hresult, operation.path)
    const { reply } = operation
    try {
      const value = reply.read(reader, port)
      reader.align(4)
      reader.skip(4)
      reader.done(operation.path)
      if (reply.refs) this.#imports.commit()
      return value
    } catch (thrown) {
      this.#imports.rollback()
      throw thrown
    }
  }

  #giveBack(operation: Operation, reply: RpcReply): void {
    try {
      this.#unpack(operation, reply, {
        ...this.#bare,
        take: (contract, reference) => this.#returned(contract, reference),
      })
    } catch {
      // It gave nothing that could be read.
    }
  }

  #returned(contract: Contract, reference: Uint8Array): undefined {
    void this.#imports.take(contract, reference).release()
  }

  async #release(refs: InterfaceRefs[]): Promise<void> {
    const remUnknown = this.#remUnknown
    if (remUnknown === undefined) return
    try {
      await this.#call(remUnknown, REM_RELEASE, refs, undefined, this.#bare)
    } catch {
      // Only a pipe that is over does not take a release, and then the other side has let go of everything.
    }
    if (this.#imports.size === 0) this.#onIdle?.()
  }
}

/** An object that is there without being given. */
function wellKnown(served: Interface, ipid: string): Held {
  return new Held(served, ipid, 0, () => Promise.resolve())
}

function refuseArgument(): never {
  throw new BusbarError('INTERNAL', 'a reference among the arguments')
}

/** The HRESULT, which is the last thing in every answer. Byte by byte: a cursor for one word costs more than the rest. */
function lastWord(stub: Uint8Array, little: boolean): number {
  const at = stub.length - 4
  if (at < THAT_BYTES) throw new BusbarError('MALFORMED', `an answer of ${stub.length} bytes`)
  const [a = 0, b = 0, c = 0, d = 0] = [stub[at], stub[at + 1], stub[at + 2], stub[at + 3]]
  return (little ? (d << 24) | (c << 16) | (b << 8) | a : (a << 24) | (b << 16) | (c << 8) | d) >>> 0
}

/** Says which call it was; the code stays. */
function located(operation: Operation, thrown: unknown): BusbarError {
  const { code, message, remote } = BusbarError.from(thrown)
  return new BusbarError(code, `${operation.path}: ${message}`, {
    cause: thrown,
    ...(remote === undefined ? {} : { remote }),
  })
}
