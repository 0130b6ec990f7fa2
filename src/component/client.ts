import type { Guid } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import {
  type CallOptions,
  type Caller,
  type Client,
  type Contract,
  contractsOf,
  Described,
  type Env,
  notServed,
  type RpcAccess,
  type RpcClientView,
  type RpcServerView,
} from '../rpc/index.ts'
import { ACTIVATOR, ACTIVATOR_IPID } from './activator.ts'
import { ObjectCaller } from './caller.ts'
import { Dispatcher } from './dispatcher.ts'
import { Exchange } from './exchange.ts'
import type { ExportedCounts } from './exported.ts'
import type { Held } from './held.ts'
import type { Operation } from './interface.ts'
import { type Hooks, NO_HOOKS } from './hooks.ts'
import { type ObjectLimits, objectLimits } from './limits.ts'
import { decodeObjRef } from './objref.ts'
import type { PeerUsage } from './peer-usage.ts'
import { remUnknownMethods } from './reference-counts.ts'
import { REM_UNKNOWN_2 } from './rem-unknown.ts'
import { mayRepeat, Revival } from './revival.ts'

export interface ObjectClientOptions {
  readonly env: Env
  readonly limits?: Partial<ObjectLimits>
  /** What stands around the calls of this pipe, in both directions. */
  readonly hooks?: Hooks
  /**
   * Told of every proxy, with a function that releases it and does not keep it alive: the place for a
   * FinalizationRegistry, as a safety net under proxies that nobody disposed of. Without it only disposal releases.
   */
  readonly onProxy?: (proxy: object, release: () => void) => void
  /** Told each time the last reference was released: the place to close a pipe that was opened for one object. */
  readonly onIdle?: () => void
  /** How to open the return channel; without it references cannot be in arguments. */
  readonly returns?: ReturnOptions
  /**
   * The association group to join: what `inspect().rpc.group` says of another pipe to the same service, once something was called there.
   * References stay with the pipe over which they were given.
   */
  readonly group?: number
  /** What the peer uses of this side on all pipes to it; this pipe alone counts when absent. */
  readonly usage?: PeerUsage
}

export interface ReturnOptions {
  /** Opens a second channel to the same service, begun with `encodeReturn(token)`. */
  readonly open: (token: Guid) => Promise<RpcAccess>
  /** Who is at the other end, for those who are called back. */
  readonly peer: Caller
}

/** What the calling side of a pipe shows of itself. */
export interface ObjectClientView {
  /** References held, streams among them. */
  readonly references: number
  /** References taken since the pipe opened. */
  readonly taken: number
  /** References that this side holds, by contract. */
  readonly imports: Readonly<Record<string, number>>
  /** Objects of this side that the other one holds. */
  readonly objects: number
  /** The same by contract. */
  readonly exports: Readonly<Record<string, ExportedCounts>>
  readonly rpc: RpcClientView
  /** The return channel, once it was needed. */
  readonly returning: RpcServerView | undefined
}

/** Most `ms` that a refused call waits to learn which version refused it. Our choice: the refusal itself is known. */
const MAX_ASKING = 2_000

/** Most `ms` for activating an object anew, once its pipe is open. Our choice: as for opening one. */
const MAX_REVIVING = 10_000

interface Activated {
  readonly remUnknown: Guid
  readonly object: Held
}

const [ACTIVATE, INVITE, RETURNED] = ACTIVATOR.procedures as unknown as [Operation, Operation, Operation]

/**
 * Calls objects at the other end of one pipe, and serves those that it gives in arguments, over a return channel that is
 * opened for the first of them. When the pipe is over, every pending call and stream settles at once.
 */
export class ObjectClient {
  readonly #env: Env
  readonly #limits: ObjectLimits
  readonly #returns: ReturnOptions | undefined
  readonly #hooks: Hooks
  readonly #exchange: Exchange
  readonly #caller: ObjectCaller
  readonly #activator: Held
  readonly #remUnknown: Guid
  #returning: Dispatcher | undefined
  #wayBack: Promise<void> | undefined
  /** Told that the pipe is over, while its return channel is being opened. */
  #giveUp: (reason: BusbarError) => void = () => {}

  /** Takes the access object and the link behind it. */
  constructor(access: RpcAccess, options: ObjectClientOptions) {
    this.#env = options.env
    this.#limits = objectLimits(options.limits)
    this.#returns = options.returns
    this.#hooks = options.hooks ?? NO_HOOKS
    this.#exchange = new Exchange(this.#env, this.#limits, undefined, options.usage)
    const { exports } = this.#exchange
    this.#remUnknown = exports.newIpid()
    exports.install(
      this.#remUnknown,
      REM_UNKNOWN_2,
      remUnknownMethods(this.#exchange, (iid) => exports.interface(iid)),
    )
    this.#caller = new ObjectCaller(access, {
      env: this.#env,
      limits: this.#limits,
      exchange: this.#exchange,
      group: options.group,
      wayBack: () => this.#openWayBack(),
      onProxy: options.onProxy,
      onIdle: options.onIdle,
      intercept: this.#hooks.calls,
      notServed: (contract, method) => this.#notServed(contract, method),
    })
    this.#activator = this.#caller.wellKnown(ACTIVATOR, ACTIVATOR_IPID)
    this.#caller.expect(ACTIVATOR)
    void this.#caller.closed.then((reason) => {
      const over = reason ?? new BusbarError('CLOSED', 'the pipe is over')
      this.#giveUp(over)
      this.#returning?.close(over)
      exports.runDown()
    })
  }

  /** Settles once: `undefined` when the pipe ended in order, else why it did not. */
  get closed(): Promise<BusbarError | undefined> {
    return this.#caller.closed
  }

  /**
   * Makes an object of the class that is named by `contract`, and gives its proxy. Rejects with `NO_SUCH_CLASS` when it
   * is not offered, with what its factory threw, or as every call does. With `again`, which opens another pipe to the same service
   * in bounded time, idempotent methods of the proxy outlive the pipe: see `Revival`.
   */
  async activate<C extends Contract>(
    contract: C,
    options?: CallOptions,
    again?: () => Promise<ObjectClient>,
  ): Promise<Client<C>> {
    const object = await this.#activate(contract, options)
    if (again === undefined || !contract.procedures.some(mayRepeat)) return this.#caller.proxy(object) as Client<C>
    const revival = new Revival(this.#env, object, async () => {
      const client = await again()
      try {
        return await client.#activate(contract, { deadline: MAX_REVIVING })
      } catch (thrown) {
        client.close()
        throw thrown
      }
    })
    return this.#caller.proxy(object, revival.invoke) as Client<C>
  }

  async #activate(contract: Contract, options: CallOptions | undefined): Promise<Held> {
    const ids = { classId: contract.uuid, interfaceId: contract.uuid }
    this.#caller.foresee(ACTIVATOR, contract)
    const made = await this.#caller.call(this.#activator, ACTIVATE, ids, options, {
      give: () => refuse(),
      // The reference that comes back must be to the contract that was asked for.
      take: (_, reference) => this.#exchange.receive(contract, decodeObjRef(reference)),
    })
    const { remUnknown, object } = made as Activated
    this.#caller.countWith(remUnknown)
    return object
  }

  /** Closes the pipe: pending calls and streams reject with `reason` (default `CLOSED`). Idempotent. */
  close(reason?: BusbarError): void {
    this.#caller.close(reason)
  }

  inspect(): ObjectClientView {
    const { imports } = this.#caller
    const { exports } = this.#exchange
    return {
      references: imports.size,
      taken: imports.taken,
      imports: Object.fromEntries(imports.byInterface),
      objects: exports.size,
      exports: Object.fromEntries(exports.byInterface),
      rpc: this.#caller.inspect(),
      returning: this.#returning?.inspect(),
    }
  }

  /** What the other side serves in place of a contract of ours, if it says so in time. */
  async #notServed(contract: Contract, method: string): Promise<BusbarError> {
    const options = { deadline: MAX_ASKING }
    try {
      await using described = await this.activate(Described, options)
      return notServed(contract, method, await contractsOf(described, options))
    } catch {
      return notServed(contract, method, undefined)
    }
  }

  /** Once for all calls; after a failure the next call tries again. */
  #openWayBack(): Promise<void> {
    this.#wayBack ??= this.#connect().catch((thrown: unknown) => {
      this.#wayBack = undefined
      throw thrown
    })
    return this.#wayBack
  }

  async #connect(): Promise<void> {
    const returns = this.#returns
    if (returns === undefined) {
      throw new BusbarError('UNAVAILABLE', 'a reference among the arguments, on a pipe that has no return channel')
    }
    if (this.#returning === undefined) {
      const invited = await this.#caller.call(this.#activator, INVITE, { remUnknown: this.#remUnknown }, undefined)
      await this.#return(returns, (invited as { token: Guid }).token)
    }
    await this.#caller.call(this.#activator, RETURNED, {}, undefined)
  }

  /** Serves the return channel when it is open; rejects when the pipe is over first, and then it is closed. */
  #return({ open, peer }: ReturnOptions, token: Guid): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#giveUp = reject
      open(token).then((access) => {
        if (this.#caller.over) return access.close()
        const returning = new Dispatcher(access, {
          env: this.#env,
          limits: this.#limits,
          exchange: this.#exchange,
          caller: peer,
          classes: undefined,
          hooks: this.#hooks,
        })
        this.#returning = returning
        // The two channels are one pipe: neither outlives the other.
        void returning.closed.then((reason) => this.close(reason))
        resolve()
      }, reject)
    })
  }
}

function refuse(): never {
  throw new BusbarError('INTERNAL', 'a reference in an activation')
}
