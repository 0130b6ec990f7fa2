import type { Caller, Endpoint, Offer, OfferChange, PipeMode, VisibleOffer } from '../bus/index.ts'
import { type CallInterceptor, ObjectClient, objectLimits, PeerUsages, type Source } from '../component/index.ts'
import { BusbarError } from '../errors/index.ts'
import type { ByteLink, Env } from '../link/index.ts'
import { openChannel, offerPipe, openPipe, type Pipe, PipeDuplex, type PipeOpenOptions } from '../pipe/index.ts'
import { type Client, type Contract, RpcAccess } from '../rpc/index.ts'
import { type BusOptions, type ComponentOfferOptions, hooksOf } from './bus-hooks.ts'
import { ComponentServices } from './component-services.ts'
import { beginReturn } from './return-link.ts'

export interface ActivateOptions {
  /** The partition that offers the component. */
  in: string
  /** Most `ms` for finding and activating it, waiting included; 10,000 when absent. */
  deadline?: number
  /** Wait until the partition offers it, instead of failing with `NOT_READY` or `NO_SUCH_SERVICE`. */
  wait?: boolean
  signal?: AbortSignal
  /** Stands around each call on the proxy, and on those that its calls give. */
  intercept?: CallInterceptor
}

/** One of several contracts: `is` is what it was called in what was asked for. */
export type Found<C extends Readonly<Record<string, Contract>>> = {
  [K in keyof C & string]: { readonly is: K; readonly proxy: Client<C[K]> }
}[keyof C & string]

export interface StreamOfferOptions {
  /** `byte` when absent. */
  mode?: PipeMode
}

/**
 * Takes a pipe that somebody opened, with the caller as the bus attests it. What it throws, or rejects with, closes that pipe. A pipe that breaks
 * tells so by `'error'` and `'close'`, and is no failure of the process where nobody listens.
 */
export type PipeHandler = (pipe: PipeDuplex, caller: Caller) => unknown

/** The service behind a pipe, by name. */
interface ServiceName {
  readonly partition: string
  readonly service: string
}

/**
 * A program's end of the bus: what `attach()` gives. Opens pipes by name, offers services, activates components.
 * Closing it ends everything that came from it.
 */
export class Bus implements AsyncDisposable {
  readonly #endpoint: Endpoint
  readonly #env: Env
  readonly #options: BusOptions
  readonly #usages = new PeerUsages()
  readonly #components: ComponentServices
  readonly #clients = new Set<ObjectClient>()
  /** A safety net under proxies that nobody disposed of: nothing may rely on when it runs, or that it does. */
  readonly #forgotten = new FinalizationRegistry<() => void>((release) => release())
  readonly #onProxy = (proxy: object, release: () => void): void => this.#forgotten.register(proxy, release)

  /** Takes the endpoint. Throws `INVALID_ARGUMENT` for a limit that is none. */
  constructor(endpoint: Endpoint, env: Env, options: BusOptions = {}) {
    objectLimits(options.limits)
    this.#options = options
    this.#endpoint = endpoint
    this.#env = env
    this.#components = new ComponentServices(endpoint, env, options, this.#usages, this.#onProxy)
  }

  /** The partition that the bus holds this program for. */
  get partition(): string {
    return this.#endpoint.identity.partition
  }

  /** How many times the partition has attached: a restart has another one. */
  get epoch(): number {
    return this.#endpoint.identity.epoch
  }

  /** Settles with the reason when the session with the bus is over. */
  get closed(): Promise<BusbarError | undefined> {
    return this.#endpoint.closed
  }

  /** Opens a pipe to `partition/service` as a Node Duplex. */
  async open(name: string, options?: PipeOpenOptions): Promise<PipeDuplex> {
    return new PipeDuplex(await this.openPipe(name, options))
  }

  /** Opens a pipe to `partition/service` as its file handle: reads, writes and offsets by hand. */
  openPipe(name: string, options?: PipeOpenOptions): Promise<Pipe> {
    return openPipe(this.#endpoint, name, options)
  }

  /**
   * Offers a component under its contract's name: one object for all callers, `perCaller`, or a function that makes one for each
   * activation. Each caller gets a pipe, and references, of its own. What `options` say holds for all versions of the contract that are
   * offered: they come with the first.
   */
  offer<C extends Contract>(contract: C, implementation: Source<C>, options?: ComponentOfferOptions): Promise<Offer>
  /** Offers a plain stream under a name: `serve` gets each pipe that is opened. */
  offer(service: string, serve: PipeHandler, options?: StreamOfferOptions): Promise<Offer>
  offer<C extends Contract>(
    what: C | string,
    how: PipeHandler | Source<C>,
    options: StreamOfferOptions & ComponentOfferOptions = {},
  ): Promise<Offer> {
    if (typeof what !== 'string') return this.#components.offer(what, how as Source<C>, options)
    const serve = how as PipeHandler
    return offerPipe(this.#endpoint, what, {
      ...options,
      // Whoever may open the service can break the pipe, and must not be able to end this process with it.
      accept: (pipe, caller) => serve(new PipeDuplex(pipe).tolerate(), caller),
    })
  }

  /**
   * Finds the component that a partition offers for this contract, and gives a proxy. Disposing of it closes the pipe. When the
   * pipe dies, a call of a method that the contract declares idempotent is made once more on a component activated anew, within the call's time; with
   * `wait` also when the partition must come back first. All other calls fail as the pipe did.
   */
  async activate<C extends Contract>(contract: C, options: ActivateOptions): Promise<Client<C>> {
    const { in: partition, intercept, ...rest } = options
    const name = { partition, service: contract.name }
    const connect = async (how: PipeOpenOptions): Promise<ObjectClient> => {
      const channel = await openChannel(this.#endpoint, `${partition}/${contract.name}`, how)
      const client: ObjectClient = this.#client(channel, name, () => client.close(), intercept)
      return client
    }
    const client = await connect(rest)
    const { signal: _first, ...again } = rest
    try {
      return await client.activate(contract, rest, () => connect(again))
    } catch (thrown) {
      client.close()
      throw thrown
    }
  }

  /**
   * The first of these contracts that the partition offers: several versions of one contract, the best first. `is` says which
   * it was. Rejects as `activate` does, with `NO_SUCH_CLASS` when none of them is offered.
   */
  async activateFirst<const C extends Readonly<Record<string, Contract>>>(
    contracts: C,
    options: ActivateOptions,
  ): Promise<Found<C>> {
    const { in: partition, intercept, ...rest } = options
    const entries = Object.entries<Contract>(contracts)
    const names = new Set(entries.map(([, { name }]) => name))
    const [name] = names
    if (name === undefined || names.size > 1) {
      throw new BusbarError(
        'INVALID_ARGUMENT',
        `expected versions of one contract, found ${[...names].join(', ') || 'none'}`,
      )
    }
    const channel = await openChannel(this.#endpoint, `${partition}/${name}`, rest)
    const client: ObjectClient = this.#client(channel, { partition, service: name }, () => client.close(), intercept)
    try {
      for (const [is, contract] of entries) {
        try {
          return { is, proxy: await client.activate(contract, rest) } as Found<C>
        } catch (thrown) {
          if (BusbarError.from(thrown).code !== 'NO_SUCH_CLASS') throw thrown
        }
      }
      const versions = entries.map(([, { version }]) => version).join(', ')
      throw new BusbarError('NO_SUCH_CLASS', `${partition} offers ${name} in none of the versions ${versions}`)
    } catch (thrown) {
      client.close()
      throw thrown
    }
  }

  /**
   * Speaks to the components behind a pipe that was opened by hand. Takes the pipe. `group`: it joins the association group that
   * `inspect().rpc.group` of another pipe to the same service names.
   */
  objects(pipe: Pipe, options: { readonly group?: number } = {}): ObjectClient {
    return this.#client(pipe, pipe, undefined, undefined, options)
  }

  /** The services that this partition may open now. */
  offers(): Promise<readonly VisibleOffer[]> {
    return this.#endpoint.offers.list()
  }

  /** Every service there is, as `added`, then each change as the bus tells it. Returns how to stop. */
  watch(changed: (change: OfferChange) => void): () => void {
    return this.#endpoint.offers.watch(changed)
  }

  /** Leaves the bus in order. */
  async close(): Promise<void> {
    await this.#endpoint.detach()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  inspect(): unknown {
    return {
      endpoint: this.#endpoint.inspect(),
      ...this.#components.inspect(),
      proxies: [...this.#clients].map((client) => client.inspect()),
    }
  }

  #client(
    link: ByteLink,
    { partition, service }: ServiceName,
    onIdle: () => void = () => {},
    calls?: CallInterceptor,
    options: { readonly group?: number } = {},
  ): ObjectClient {
    // The bus says which partition a name leads to; which of its attachments, only the side that is called learns.
    const peer = { partition, epoch: 0 }
    const { usage, over } = this.#usages.enter(peer)
    const client = new ObjectClient(new RpcAccess(link), {
      env: this.#env,
      onProxy: this.#onProxy,
      onIdle,
      hooks: hooksOf(this.#options, calls === undefined ? {} : { calls }),
      limits: this.#options.limits ?? {},
      usage,
      ...options,
      returns: {
        peer,
        open: async (token) => {
          const channel = await openChannel(this.#endpoint, `${partition}/${service}`)
          beginReturn(channel, token)
          return new RpcAccess(channel)
        },
      },
    })
    this.#clients.add(client)
    void client.closed.then(() => {
      this.#clients.delete(client)
      over()
    })
    return client
  }
}
