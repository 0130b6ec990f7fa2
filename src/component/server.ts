import type { Guid } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import type { Caller, Env, RpcAccess, RpcClientView, RpcServerView } from '../rpc/index.ts'
import { ACTIVATOR, ACTIVATOR_IPID, type Activation } from './activator.ts'
import { ObjectCaller } from './caller.ts'
import type { ClassTable } from './classes.ts'
import { Dispatcher } from './dispatcher.ts'
import { Exchange } from './exchange.ts'
import type { ExportedCounts } from './exported.ts'
import type { Methods } from './interface.ts'
import { type Hooks, NO_HOOKS } from './hooks.ts'
import { type ObjectLimits, objectLimits } from './limits.ts'
import type { PeerUsage } from './peer-usage.ts'
import { remUnknownMethods } from './reference-counts.ts'
import { REM_UNKNOWN, REM_UNKNOWN_2 } from './rem-unknown.ts'
import type { Invitation, ReturnChannels } from './return-channels.ts'

export interface ObjectServerOptions {
  readonly env: Env
  readonly classes: ClassTable
  /** Who is at the other end of the pipe, as attested by the bus. */
  readonly caller: Caller
  readonly limits?: Partial<ObjectLimits>
  /** What stands around the calls of this pipe, in both directions. */
  readonly hooks?: Hooks
  /** What the caller uses on all its pipes; this pipe alone counts when absent. */
  readonly usage?: PeerUsage
  /** Where return channels arrive; without them callers cannot give references in arguments. */
  readonly returns?: ReturnChannels
  /** As in `ObjectClientOptions`, for the objects that callers lend. */
  readonly onProxy?: (proxy: object, release: () => void) => void
}

/** What the serving side of a pipe shows of itself. */
export interface ObjectServerView {
  /** Who holds what is listed under `exports`. */
  readonly caller: Caller
  /** Objects that the caller holds, streams among them. */
  readonly objects: number
  readonly streams: number
  /** Objects given since the pipe opened. */
  readonly given: number
  /** Disposers of components that threw. */
  readonly disposeFailures: number
  /** What the caller holds, by contract. */
  readonly exports: Readonly<Record<string, ExportedCounts>>
  /** References to objects of the caller that this side holds, by contract. */
  readonly imports: Readonly<Record<string, number>>
  readonly rpc: RpcServerView
  /** The return channel, once the caller opened it. */
  readonly returning: RpcClientView | undefined
}

/**
 * Serves the objects of this side to the caller at the other end of one pipe, and calls back, over a second channel that the
 * caller opens when it first gives a reference of its own.
 */
export class ObjectServer {
  readonly #options: ObjectServerOptions
  readonly #limits: ObjectLimits
  readonly #exchange: Exchange
  readonly #dispatcher: Dispatcher
  #invitation: Invitation | undefined
  #returning: ObjectCaller | undefined

  /** Takes the access object and the link behind it. */
  constructor(access: RpcAccess, options: ObjectServerOptions) {
    const { env, classes, caller } = options
    this.#options = options
    this.#limits = objectLimits(options.limits)
    this.#exchange = new Exchange(env, this.#limits, undefined, options.usage)
    const { exports } = this.#exchange
    const remUnknown = exports.newIpid()
    exports.install(
      remUnknown,
      REM_UNKNOWN_2,
      remUnknownMethods(this.#exchange, (iid) => exports.interface(iid) ?? classes.interface(iid)),
    )
    exports.install(ACTIVATOR_IPID, ACTIVATOR, this.#activator(remUnknown))
    this.#dispatcher = new Dispatcher(access, {
      env,
      limits: this.#limits,
      exchange: this.#exchange,
      caller,
      classes,
      hooks: options.hooks ?? NO_HOOKS,
    })
    void this.#dispatcher.closed.then((reason) => this.#over(reason))
  }

  /** Settles once: `undefined` when the pipe ended in order, else why it did not. */
  get closed(): Promise<BusbarError | undefined> {
    return this.#dispatcher.closed
  }

  /** Closes the pipe: running calls see their signal fire, and what the caller held is disposed of. Idempotent. */
  close(reason?: BusbarError): void {
    this.#dispatcher.close(reason)
  }

  inspect(): ObjectServerView {
    const { exports, taker } = this.#exchange
    return {
      caller: this.#options.caller,
      objects: exports.size,
      streams: exports.streams,
      ...exports.counts,
      exports: Object.fromEntries(exports.byInterface),
      imports: Object.fromEntries(taker?.imports.byInterface ?? []),
      rpc: this.#dispatcher.inspect(),
      returning: this.#returning?.inspect(),
    }
  }

  #activator(remUnknown: Guid): Methods {
    let theirs: Guid | undefined
    let arrived: Promise<void> | undefined
    return {
      activate: async (args, context) => {
        const { classId, interfaceId } = args as Activation
        if (classId !== interfaceId) {
          throw new BusbarError('NO_SUCH_INTERFACE', `objects of class ${classId} have no interface ${interfaceId}`)
        }
        return { remUnknown, object: await this.#options.classes.activate(classId, context, this) }
      },
      invite: (args) => {
        const { returns, caller } = this.#options
        if (returns === undefined) throw new BusbarError('UNAVAILABLE', 'this side makes no calls back')
        if (this.#returning !== undefined) throw new BusbarError('BUSY', 'the return channel of this pipe is there')
        this.#invitation?.withdraw()
        theirs = (args as { remUnknown: Guid }).remUnknown
        this.#invitation = returns.invite(caller)
        arrived = this.#invitation.channel.then((access) => this.#callBack(access, theirs as Guid))
        arrived.catch(() => {})
        return { token: this.#invitation.token }
      },
      returned: () => {
        if (arrived === undefined) throw new BusbarError('NOT_READY', 'no return channel was asked for')
        return arrived
      },
    }
  }

  #callBack(access: RpcAccess, remUnknown: Guid): void {
    if (this.#dispatcher.inspect().state === 'closed') return access.close()
    const { env, onProxy, hooks = NO_HOOKS } = this.#options
    const returning = new ObjectCaller(access, {
      env,
      limits: this.#limits,
      exchange: this.#exchange,
      onProxy,
      onIdle: undefined,
      intercept: hooks.calls,
    })
    returning.countWith(remUnknown)
    returning.expect(REM_UNKNOWN)
    this.#returning = returning
    // The two channels are one pipe: neither outlives the other.
    void returning.closed.then((reason) => this.close(reason))
  }

  #over(reason: BusbarError | undefined): void {
    this.#invitation?.withdraw()
    this.#returning?.close(reason ?? new BusbarError('PEER_DIED', 'the caller closed the pipe'))
    this.#exchange.exports.runDown()
  }
}
