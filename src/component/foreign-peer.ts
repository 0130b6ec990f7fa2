import type { Guid } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import type {
  CallContext,
  Caller,
  Env,
  IncomingCall,
  InterfaceId,
  RpcAccess,
  RpcInterface,
  RpcServerView,
} from '../rpc/index.ts'
import { CLASS_FACTORY, classFactory, interfaceOf } from './class-factory.ts'
import { Activated, type ClassTable } from './classes.ts'
import { ServedCall } from './context.ts'
import { Dispatcher } from './dispatcher.ts'
import { Exchange } from './exchange.ts'
import type { ExportedCounts, ExportedObject } from './exported.ts'
import { type Hooks, NO_HOOKS } from './hooks.ts'
import { type ObjectLimits, objectLimits } from './limits.ts'
import { remUnknownMethods } from './reference-counts.ts'
import { REM_UNKNOWN_2 } from './rem-unknown.ts'

export interface ForeignPeerOptions {
  readonly env: Env
  readonly classes: ClassTable
  /** Who it is, as far as its address says. */
  readonly caller: Caller
  /** Where it reaches this side: a DUALSTRINGARRAY (MS-DCOM 2.2.19), in every reference that it is given. */
  readonly bindings: Uint8Array
  readonly limits?: Partial<ObjectLimits>
  /** What stands around the calls that it makes. */
  readonly hooks?: Partial<Hooks>
  /** Told when the peer holds no reference to an object any more. */
  readonly gone: (oid: bigint) => void
}

/** One of the connections that a foreign peer has opened. */
export interface ForeignConnection {
  readonly access: RpcAccess
  /** Interfaces of plain calls that are served beside the objects. */
  readonly beside: (id: InterfaceId, group: number) => RpcInterface | undefined
  /** The port, ASCII: where more connections of an association group may go. */
  readonly address: string
  /** An object was called, or given, over this connection. */
  readonly used: (oid: bigint) => void
}

/** What activation gives. */
export interface ForeignReferences {
  readonly oid: bigint
  /** OBJREFs, one for each interface that was asked for; `undefined` for those that the object does not have. */
  readonly references: readonly (Uint8Array | undefined)[]
}

/** What a foreign peer's connection shows of itself. */
export interface ServedConnection {
  readonly closed: Promise<BusbarError | undefined>
  close(reason?: BusbarError): void
  inspect(): RpcServerView
}

/**
 * The objects of this side that one foreign DCOM client holds: one exporter, with one OXID, over however many connections. An
 * IPID is good on all connections of that peer and on nobody else's. How long it holds what it was given is for others to say:
 * there is no pipe whose end would say it.
 */
export class ForeignPeer {
  /** The object that counts references. */
  readonly remUnknown: Guid
  readonly #env: Env
  readonly #classes: ClassTable
  readonly #caller: Caller
  readonly #limits: ObjectLimits
  readonly #hooks: Hooks
  readonly #exchange: Exchange
  readonly #objects = new Map<bigint, ExportedObject>()

  constructor({ env, classes, caller, bindings, limits, hooks = {}, gone }: ForeignPeerOptions) {
    this.#env = env
    this.#classes = classes
    this.#caller = caller
    this.#limits = objectLimits(limits)
    this.#hooks = { ...NO_HOOKS, ...hooks }
    this.#exchange = new Exchange(env, this.#limits, {
      bindings,
      gone: (oid) => {
        if (this.#objects.delete(oid)) gone(oid)
      },
    })
    const { exports } = this.#exchange
    this.remUnknown = exports.newIpid()
    exports.install(
      this.remUnknown,
      REM_UNKNOWN_2,
      remUnknownMethods(this.#exchange, (iid) => exports.interface(iid) ?? classes.interface(iid)),
    )
  }

  /** Identity of the exporter. */
  get oxid(): bigint {
    return this.#exchange.exports.oxid
  }

  /** Whether the peer holds references to the object. */
  holds(oid: bigint): boolean {
    return this.#objects.has(oid)
  }

  /** What the peer holds, by contract. */
  inspect(): Readonly<Record<string, ExportedCounts>> {
    return Object.fromEntries(this.#exchange.exports.byInterface)
  }

  /** Serves the objects on one connection. Takes the access object and the link behind it. */
  serve({ access, beside, address, used }: ForeignConnection): ServedConnection {
    const use = (object: ExportedObject): void => {
      // The object that counts references has no OID, and nobody holds it.
      if (object.oid === 0n) return
      this.#objects.set(object.oid, object)
      used(object.oid)
    }
    return new Dispatcher(access, {
      env: this.#env,
      limits: this.#limits,
      exchange: this.#exchange,
      caller: this.#caller,
      classes: this.#classes,
      hooks: this.#hooks,
      foreign: {
        beside,
        address,
        called: use,
        gave: (given) => given.forEach(({ exported }) => use(exported.object)),
      },
    })
  }

  /**
   * Makes an object of the class of a contract and gives a reference through each interface asked for. `NO_SUCH_INTERFACE` when it
   * has none of them, `NO_SUCH_CLASS`, or what its factory threw.
   */
  async activate(classId: Guid, iids: readonly Guid[], call: IncomingCall): Promise<ForeignReferences> {
    return this.#give(await this.#make(classId, this.#context(call)), iids, call)
  }

  /** The same for the object that makes objects of a class: IClassFactory. */
  classObject(classId: Guid, iids: readonly Guid[], call: IncomingCall): ForeignReferences {
    const { exports } = this.#exchange
    const methods = classFactory(
      (context) => this.#make(classId, context),
      (made) => exports.discard(made.methods, made.owned),
    )
    return this.#give(new Activated(CLASS_FACTORY, methods, false), iids, call)
  }

  #context(call: IncomingCall): CallContext {
    return new ServedCall(this.#caller, call, this.#env, undefined, false)
  }

  #make(classId: Guid, context: CallContext): Promise<Activated> {
    return this.#classes.activate(classId, context, this)
  }

  #give(made: Activated, iids: readonly Guid[], call: IncomingCall): ForeignReferences {
    const { contract, methods, owned } = made
    const { exports } = this.#exchange
    try {
      if (call.cancelled) throw new BusbarError('CANCELLED', 'the caller is no longer waiting')
      const offering = { value: methods, key: methods, owned, stream: false, contracts: [contract] }
      const references = iids.map((iid) => {
        const through = interfaceOf(made, iid)
        return through === undefined ? undefined : exports.give(through, offering)
      })
      const object = this.#exchange.commit()[0]?.exported.object
      if (object === undefined) {
        throw new BusbarError('NO_SUCH_INTERFACE', `objects of ${contract.name} have none of the interfaces asked for`)
      }
      this.#objects.set(object.oid, object)
      return { oid: object.oid, references }
    } catch (thrown) {
      const given = this.#exchange.rollback()
      if (!given.has(methods)) exports.discard(methods, owned)
      throw thrown
    }
  }

  /** The peer is taken to have released an object: nothing says any more that it holds it. */
  runDown(oid: bigint): void {
    const object = this.#objects.get(oid)
    for (const { ipid } of [...(object?.interfaces ?? [])]) {
      this.#exchange.exports.release(ipid, Number.POSITIVE_INFINITY)
    }
  }

  /** The peer is gone: everything that it held is disposed of. */
  close(): void {
    this.#objects.clear()
    this.#exchange.exports.runDown()
  }
}
