import type { Caller, Endpoint, Offer } from '../bus/index.ts'
import { ClassTable, ObjectServer, type PeerUsages, ReturnChannels, type Source } from '../component/index.ts'
import { BusbarError } from '../errors/index.ts'
import type { ByteLink, Env } from '../link/index.ts'
import { type Contract, DEFAULT_RPC_LIMITS, RpcAccess } from '../rpc/index.ts'
import { type BusOptions, type ComponentOfferOptions, hooksOf } from './bus-hooks.ts'
import { arrival } from './return-link.ts'

/** What is served under one name, and what stands around it. */
interface Served {
  readonly classes: ClassTable
  readonly hooks: ComponentOfferOptions
}

/** One service of this partition that serves components: all classes offered under its name, and the offer itself. */
interface ComponentService extends Served {
  readonly offer: Promise<Offer>
}

/** The components that a program offers, and those who call them. */
export class ComponentServices {
  readonly #endpoint: Endpoint
  readonly #env: Env
  readonly #options: BusOptions
  readonly #usages: PeerUsages
  readonly #onProxy: (proxy: object, release: () => void) => void
  readonly #services = new Map<string, ComponentService>()
  readonly #servers = new Set<ObjectServer>()
  readonly #returns: ReturnChannels

  /** `onProxy` as in `ObjectServerOptions`. */
  constructor(
    endpoint: Endpoint,
    env: Env,
    options: BusOptions,
    usages: PeerUsages,
    onProxy: (proxy: object, release: () => void) => void,
  ) {
    this.#endpoint = endpoint
    this.#env = env
    this.#options = options
    this.#usages = usages
    this.#onProxy = onProxy
    this.#returns = new ReturnChannels(env)
  }

  inspect(): { readonly classes: readonly unknown[]; readonly components: readonly unknown[] } {
    return {
      classes: [...this.#services.values()].flatMap(({ classes }) => classes.list()),
      components: [...this.#servers].map((server) => server.inspect()),
    }
  }

  /** As `Bus.offer` with a contract. */
  async offer<C extends Contract>(
    contract: C,
    implementation: Source<C>,
    hooks: ComponentOfferOptions,
  ): Promise<Offer> {
    const known = this.#services.get(contract.name)
    if (known !== undefined) {
      if (Object.keys(hooks).length > 0) {
        throw new BusbarError('INVALID_ARGUMENT', `options of ${contract.name} belong to its first offer`)
      }
      await known.offer
      known.classes.offer(contract, implementation)
      return { service: contract.name, withdraw: once(() => known.classes.withdraw(contract)) }
    }
    const classes = new ClassTable()
    classes.offer(contract, implementation)
    const service = { classes, hooks }
    const offer = this.#endpoint.offer(contract.name, {
      contract: `${contract.name}@${contract.version}`,
      decide: (opening, caller) => {
        opening.accept(caller).then(
          (channel) => this.#arrived(channel, service, caller),
          // Taken back while it was being opened: there is nobody left to serve.
          () => {},
        )
      },
    })
    this.#services.set(contract.name, { ...service, offer })
    try {
      const { service: name, withdraw } = await offer
      const forget = once(() => {
        this.#services.delete(contract.name)
        withdraw()
      })
      return { service: name, withdraw: forget }
    } catch (thrown) {
      this.#services.delete(contract.name)
      throw thrown
    }
  }

  async #arrived(channel: ByteLink, service: Served, caller: Caller): Promise<void> {
    try {
      const { link, token } = await arrival(
        channel,
        this.#env,
        this.#options.limits?.rpc?.unbound ?? DEFAULT_RPC_LIMITS.unbound,
      )
      if (token === undefined) this.#serve(link, service, caller)
      else this.#returns.claim(token, caller, new RpcAccess(link))
    } catch {
      // It is closed, and whoever opened it hears why.
    }
  }

  #serve(link: ByteLink, { classes, hooks }: Served, caller: Caller): void {
    const { usage, over } = this.#usages.enter(caller)
    const server = new ObjectServer(new RpcAccess(link), {
      env: this.#env,
      classes,
      caller,
      usage,
      hooks: hooksOf(this.#options, hooks),
      limits: this.#options.limits ?? {},
      returns: this.#returns,
      onProxy: this.#onProxy,
    })
    this.#servers.add(server)
    void server.closed.then(() => {
      this.#servers.delete(server)
      over()
    })
  }
}

/** An offer is taken back once: what is offered later under its name is another one. */
function once(takeBack: () => void): () => void {
  let taken = false
  return () => {
    if (taken) return
    taken = true
    takeBack()
  }
}
