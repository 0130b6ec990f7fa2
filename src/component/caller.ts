import { Reader, Slab, Views } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import {
  type CallOptions,
  type Contract,
  type Env,
  FaultError,
  type Page,
  type RefPort,
  type RpcAccess,
  type RpcClientView,
  type RpcReply,
} from '../rpc/index.ts'
import type { CallerOptions } from './caller-options.ts'
import { Consumer } from './consumer.ts'
import { located } from './errors.ts'
import type { Given } from './exported.ts'
import type { Exchange, Taker } from './exchange.ts'
import { endStreams } from './gift.ts'
import { type Guard, Guards } from './guard.ts'
import { Held, type Took } from './held.ts'
import { ImportTable } from './imports.ts'
import { type Interface, type Operation, referenceOf } from './interface.ts'
import type { ObjectLimits } from './limits.ts'
import { Loans } from './loans.ts'
import { decodeObjRef } from './objref.ts'
import { CallFront } from './orpc.ts'
import { ObjectPackaging, unpack } from './packaging.ts'
import { intercepted } from './intercepted.ts'
import { type LaterCall, type PipelinedCalls, Pipelining, type StreamTarget } from './pipelining.ts'
import { type Invoke, type ProxyMaker, proxyMaker } from './proxy.ts'
import { queryPeer } from './query.ts'
import { releaseItems } from './references.ts'
import { type InterfaceRefs, REM_QUERY, REM_RELEASE, REM_UNKNOWN } from './rem-unknown.ts'
import { Requests } from './requests.ts'
import { remaining } from './revival.ts'
import { type Terms, termsOf } from './terms.ts'

/** Calls the objects of the peer on one association. When it is over, every pending call and stream settles at once. */
export class ObjectCaller implements Taker, PipelinedCalls {
  readonly imports: ImportTable
  readonly watched: Set<Held> = new Set<Held>()
  readonly #env: Env
  readonly #guards: Guards
  readonly #limits: ObjectLimits
  readonly #exchange: Exchange
  readonly #options: CallerOptions
  readonly #requests: Requests
  readonly #front: CallFront
  readonly #views = new Views()
  readonly #makers = new Map<string, ProxyMaker>()
  readonly #packagings = new Map<Operation, ObjectPackaging>()
  readonly #pipelining: Pipelining
  readonly #loans: Loans
  #remUnknown: Held | undefined
  /** Takes references as proxies: what a caller gets. */
  readonly #proxies: RefPort
  /** Takes references as they are: what streams are made from. */
  readonly #bare: RefPort

  /** Takes the access object and the link behind it. */
  constructor(access: RpcAccess, options: CallerOptions) {
    const { env, limits, exchange } = options
    this.#env = env
    this.#guards = new Guards(env)
    this.#limits = limits
    this.#exchange = exchange
    this.#options = options
    const late = (operation: Operation, reply: RpcReply): void => this.#giveBack(operation, reply)
    this.#requests = new Requests(access, env, limits, late, options.group)
    this.#front = new CallFront(env.random(new Uint8Array(16)), new Slab())
    const release = (refs: InterfaceRefs[]): Promise<void> => this.#release(refs)
    this.imports = new ImportTable(limits.objects, this, release, exchange.usage, limits.peerLent)
    const give = (contract: Contract, value: unknown): Uint8Array => exchange.lend(contract, value)
    this.#proxies = { give, take: (contract, reference) => exchange.received(contract, reference) }
    this.#bare = { give, take: (contract, reference) => exchange.receive(contract, decodeObjRef(reference)) }
    this.#pipelining = new Pipelining(this, this.#requests, this.#front, options.intercept ?? [])
    this.#loans = new Loans(exchange, this.#requests, options.wayBack, (held, operation, args, terms) =>
      this.#pack(held, operation, args, terms),
    )
    exchange.taker = this
    void this.#requests.closed.then((reason) => {
      this.imports.clear()
      for (const held of this.watched) held.lost(reason)
    })
  }

  /** Settles once: `undefined` when the association ended in order, else why it did not. */
  get closed(): Promise<BusbarError | undefined> {
    return this.#requests.closed
  }

  get over(): boolean {
    return this.#requests.over
  }

  /** The object of the peer that counts references, once it is known. */
  countWith(ipid: string): void {
    this.#remUnknown ??= this.wellKnown(REM_UNKNOWN, ipid)
  }

  /** Agrees on an interface before anything is called through it: a server does not wait for long until it is bound. */
  expect(through: Interface): void {
    this.#requests.expect(through)
  }

  /** The same for an object that is being activated, through `first`, and for what its methods give. */
  foresee(first: Interface, contract: Contract): void {
    this.#requests.foresee(first, contract)
  }

  /** An object that is there without being given. */
  wellKnown(served: Interface, ipid: string): Held {
    return new Held(this, served, { ipid, references: 0, oxid: 0n, oid: 0n })
  }

  close(reason?: BusbarError): void {
    this.#requests.close(reason)
  }

  inspect(): RpcClientView {
    return this.#requests.inspect()
  }

  /** `invoke` makes the calls of this one proxy, where they are not like those of all others. */
  proxy(held: Held, invoke?: Invoke): object {
    const { uuid } = held.interface
    let maker = invoke === undefined ? this.#makers.get(uuid) : this.#maker(held.interface, invoke)
    if (maker === undefined) this.#makers.set(uuid, (maker = this.#maker(held.interface, undefined)))
    const proxy = maker.make(held)
    this.#options.onProxy?.(proxy, () => held.forget())
    return proxy
  }

  query(held: Held, contract: Contract, options: CallOptions | undefined): Promise<object> {
    return queryPeer(this, held, contract, async (asked) => {
      const remUnknown = this.#remUnknown
      if (remUnknown === undefined) throw new BusbarError('INTERNAL', 'a query on a pipe where nothing was activated')
      const take = (_: Contract, reference: Uint8Array): Held =>
        this.#exchange.receive(contract, { ...decodeObjRef(reference), iid: contract.uuid })
      const found = await this.call(remUnknown, REM_QUERY, asked, options, { ...this.#bare, take })
      return (found as [Held?])[0]
    })
  }

  letGo(held: Held): Promise<void> {
    if (held.base === undefined) return this.imports.release(held)
    held.base.unpin()
    return Promise.resolve()
  }

  invoke(held: Held, operation: Operation, args: unknown, options: CallOptions | undefined): unknown {
    if (operation.pull !== undefined) {
      const released = this.#released(held, operation.path)
      return this.streamOf((send) => send(held), operation, operation.pull, args, options, released)
    }
    const given = referenceOf(operation)
    if (given === undefined) return this.call(held, operation, args, options)
    return this.#pipelining.promise(operation, given, ({ resolve, reject }) => {
      this.call(held, operation, args, options).then(resolve, reject)
    })
  }

  forward(held: Held, operation: Operation, args: unknown, options: CallOptions, took: Took): unknown {
    const { pull } = operation
    if (pull !== undefined && !held.released) {
      // The call is made when somebody reads the stream, and by then the third party may have released the object.
      const own = held.share()
      const release = (): void => void own.release()
      took([own])
      const open: StreamTarget = (send) => send(own).finally(release)
      return this.streamOf(open, operation, pull, args, options, undefined, release)
    }
    if (pull !== undefined || !operation.reply.refs) return this.invoke(held, operation, args, options)
    const taken: Held[] = []
    const done = this.call(held, operation, args, options, this.#exchange.noting(this.#proxies, taken))
    // Before anybody else hears of the result.
    return done.finally(() => took(taken))
  }

  /** `port` takes the references of the answer; as proxies when absent. */
  call(
    held: Held,
    operation: Operation,
    args: unknown,
    options: CallOptions | undefined,
    port: RefPort = this.#proxies,
  ): Promise<unknown> {
    try {
      const terms = options === undefined ? undefined : termsOf(options)
      if (operation.request.refs) return this.#lending(held, operation, args, terms, port)
      if (terms === undefined && port === this.#proxies && !held.released) {
        const sent = this.#requests.invoke(held, operation, this.#packagingOf(held.interface, operation), args)
        if (sent !== undefined) return sent
      }
      const stub = this.#pack(held, operation, args, terms)
      return this.#send(held, operation, stub, this.#guards.of(terms), port)
    } catch (thrown) {
      return Promise.reject(BusbarError.from(thrown))
    }
  }

  /** A call whose arguments are packaged and whose time begins now, for an object that is there later. */
  later(operation: Operation, args: unknown, options: CallOptions | undefined): LaterCall {
    const terms = termsOf(options)
    const stub = operation.request.refs ? undefined : this.#packed(operation, args, terms)
    const guard = this.#guards.of(terms)
    const due = options?.deadline === undefined ? undefined : this.#env.now() + options.deadline
    const left = (): CallOptions => {
      guard?.end()
      return remaining(options, due, this.#env)
    }
    return {
      guard,
      left,
      make: (held) => {
        // References are lent to an object that is known. One that was released is refused there.
        if (stub === undefined || held.released) return this.call(held, operation, args, left())
        return this.#send(held, operation, stub, guard, this.#proxies)
      },
    }
  }

  #send(held: Held, operation: Operation, stub: Uint8Array, guard: Guard | undefined, port: RefPort): Promise<unknown> {
    const done = this.#requests.send(held, operation, stub, guard).then(
      (reply) => this.#unpack(operation, reply, port),
      (thrown: unknown) => this.#failed(held.interface, operation, thrown),
    )
    return guard === undefined ? done : done.finally(() => guard.end())
  }

  /** Why a call was refused, as a rejection. A fault for its number means that the peer's contract is older. */
  async #failed(through: Interface, { name, path }: Operation, thrown: unknown): Promise<never> {
    const { notServed } = this.#options
    if (isOlder(through, thrown) && notServed !== undefined) throw await notServed(through as Contract, name)
    throw located(path, thrown)
  }

  /** The same with references among the arguments. */
  async #lending(
    held: Held,
    operation: Operation,
    args: unknown,
    terms: Terms | undefined,
    port: RefPort,
  ): Promise<unknown> {
    const guard = this.#guards.of(terms)
    const lent: Given[] = []
    held.calls++
    try {
      return this.#unpack(operation, await this.#loans.send(held, operation, args, terms, guard, lent), port)
    } finally {
      endStreams(lent)
      held.settled()
      guard?.end()
    }
  }

  /** The stream that a call gives, which is made on what `on` sends it to; `refused` when it cannot be made. `over` is told when it ends. */
  streamOf(
    on: StreamTarget,
    operation: Operation,
    pull: Contract,
    args: unknown,
    options: CallOptions | undefined,
    refused?: BusbarError,
    over?: () => void,
  ): Consumer {
    // As with every call, the arguments are packaged now; only the sending waits until somebody reads. References are lent
    // with the sending, since a stream that nobody reads would keep them.
    const prepared = refused ?? this.#prepared(operation, args, options)
    let guard: Guard | undefined
    const lent: Given[] = []
    const consumer = new Consumer({
      open: async () => {
        if (prepared instanceof BusbarError) throw prepared
        const { terms, stub } = prepared
        guard = this.#guards.of(terms)
        if (guard !== undefined) {
          const { signal } = guard
          if (signal.aborted) throw BusbarError.from(signal.reason)
          signal.addEventListener('abort', () => consumer.fail(BusbarError.from(signal.reason)), { once: true })
        }
        const reply = await on(
          (held) =>
            stub === undefined
              ? this.#loans.send(held, operation, args, terms, guard, lent)
              : this.#requests
                  .send(held, operation, stub, guard)
                  .catch((thrown: unknown) => this.#failed(held.interface, operation, thrown)),
          (reply) => this.#giveBack(operation, reply),
        )
        return this.#unpack(operation, reply, this.#bare) as Held
      },
      next: (stream, maxBytes) => this.#next(stream, pull, maxBytes),
      unread: (items) => releaseItems(pull.procedures[0] as Operation, items),
      over: () => {
        guard?.end()
        endStreams(lent)
        over?.()
      },
    })
    return consumer
  }

  /** Reads the stream behind `held`, which the peer lent. */
  stream(held: Held): Consumer {
    const next = (_: Held, maxBytes: number): Promise<Page> => this.#next(held, held.interface, maxBytes)
    const unread = (items: readonly unknown[]): void => releaseItems(held.interface.procedures[0] as Operation, items)
    return new Consumer({ open: () => Promise.resolve(held), next, unread, over() {} }, held)
  }

  #next(stream: Held, pull: Interface, maxBytes: number): Promise<Page> {
    const { pageItems, pageBytes } = this.#limits
    const room = { maxItems: pageItems, maxBytes: Math.min(maxBytes, pageBytes) }
    return this.call(stream, pull.procedures[0] as Operation, room, undefined) as Promise<Page>
  }

  #prepared(
    operation: Operation,
    args: unknown,
    options: CallOptions | undefined,
  ): { terms: Terms | undefined; stub: Uint8Array | undefined } | BusbarError {
    try {
      const terms = termsOf(options)
      return { terms, stub: operation.request.refs ? undefined : this.#packed(operation, args, terms) }
    } catch (thrown) {
      return BusbarError.from(thrown)
    }
  }

  /** `invoke` where calls are not made as all others are. */
  #maker(of: Interface, invoke: Invoke | undefined): ProxyMaker {
    const { intercept = [] } = this.#options
    const plain: Invoke = (on, operation, args, options) => this.invoke(on, operation, args, options)
    if (invoke === undefined && intercept.length === 0) return proxyMaker(of, plain)
    return proxyMaker(of, this.#pipelining.promising(intercepted(intercept, invoke ?? plain)))
  }

  #packagingOf(through: Interface, operation: Operation): ObjectPackaging {
    let packaging = this.#packagings.get(operation)
    if (packaging === undefined) {
      packaging = new ObjectPackaging(operation, this.#front, this.#proxies, this.#exchange, (reason) =>
        isOlder(through, reason) ? this.#failed(through, operation, reason) : located(operation.path, reason),
      )
      this.#packagings.set(operation, packaging)
    }
    return packaging
  }

  #pack(held: Held, operation: Operation, args: unknown, terms: Terms | undefined): Uint8Array {
    const released = this.#released(held, operation.path)
    if (released !== undefined) throw released
    return this.#packed(operation, args, terms)
  }

  #released({ released, site }: Held, path: string): BusbarError | undefined {
    if (!released) return undefined
    return new BusbarError('RELEASED', `${path} was called on a proxy that was released`, { cause: site })
  }

  #packed({ request }: Operation, args: unknown, terms: Terms | undefined): Uint8Array {
    const given = args === undefined ? {} : args
    const writer = this.#front.begin(request.measure(given), terms?.extents)
    request.write(writer, given, this.#proxies)
    return writer.finish()
  }

  #unpack(operation: Operation, { stub, little }: RpcReply, port: RefPort): unknown {
    return unpack(new Reader(stub, little, this.#views), operation, port, this.#exchange)
  }

  #giveBack(operation: Operation, reply: RpcReply): void {
    try {
      const take = (_: Contract, reference: Uint8Array): undefined => this.#exchange.returned(reference)
      this.#unpack(operation, reply, { ...this.#bare, take })
    } catch {
      // It gave nothing that could be read.
    }
  }

  async #release(refs: InterfaceRefs[]): Promise<void> {
    if (this.#remUnknown === undefined) return
    try {
      await this.call(this.#remUnknown, REM_RELEASE, refs, undefined)
    } catch {
      // Only a pipe that is over does not take a release, and then the other side has let go of everything.
    }
    if (this.imports.size === 0) this.#options.onIdle?.()
  }
}

function isOlder(through: Interface, thrown: unknown): boolean {
  return thrown instanceof FaultError && thrown.code === 'NOT_IN_CONTRACT' && 'version' in through
}
