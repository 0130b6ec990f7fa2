import type { Guid } from '../../bytes/index.ts'
import {
  ClassTable,
  type ExportedCounts,
  ForeignPeer,
  type Hooks,
  type ObjectLimits,
  type ServedConnection,
  type Source,
} from '../../component/index.ts'
import { BusbarError } from '../../errors/index.ts'
import { type Contract, type Env, plainInterface, type RpcAccess } from '../../rpc/index.ts'
import { type Activating, activation, scmActivator } from './activation.ts'
import { bindingsOf, type DualStrings, packBindings } from './bindings.ts'
import { Activation, ObjectExporter, RemoteScmActivator } from './contracts.ts'
import { Leases } from './leases.ts'
import { type DcomLimits, dcomLimits } from './limits.ts'
import { objectResolver } from './resolver.ts'

export interface DcomServerOptions {
  readonly env: Env
  readonly limits?: Partial<DcomLimits>
  /** What the objects of one peer may cost. */
  readonly objects?: Partial<ObjectLimits>
  /** What stands around the calls that peers make, among it who may call what: `context.caller.partition` is their address. */
  readonly hooks?: Partial<Hooks>
}

/** A connection that a foreign client opened. */
export interface DcomConnection {
  /** Its address, as the network says. Who has the same address is the same peer. */
  readonly peer: string
  /** The address that it connected to: where references that it is given lead. */
  readonly here: string
  readonly port: number
}

/** What one foreign peer has, and what it holds. */
export interface DcomPeerView {
  readonly peer: string
  readonly connections: number
  readonly sets: number
  readonly objects: Readonly<Record<string, ExportedCounts>>
}

interface Peer {
  readonly name: string
  readonly bindings: DualStrings
  readonly foreign: ForeignPeer
  readonly leases: Leases
  readonly connections: Set<ServedConnection>
}

/**
 * Offers components to DCOM clients that are no partitions of a bus: object resolver, activation and the objects themselves, all
 * on one port, without authentication. Whoever can connect may activate what is offered, so nothing else is to be offered here.
 */
export class DcomServer {
  readonly #env: Env
  readonly #limits: DcomLimits
  readonly #objects: Partial<ObjectLimits>
  readonly #hooks: Partial<Hooks>
  readonly #classes = new ClassTable()
  /** Class identifiers, and the contract that stands for each. */
  readonly #contracts = new Map<Guid, Contract>()
  readonly #peers = new Map<string, Peer>()

  constructor({ env, limits, objects = {}, hooks = {} }: DcomServerOptions) {
    this.#env = env
    this.#limits = dcomLimits(limits)
    this.#objects = objects
    this.#hooks = hooks
  }

  /**
   * Offers a component as a class, whose identifier is the contract's own unless another one is given. `ALREADY_OFFERED` when
   * class or contract are there already; `INVALID_ARGUMENT` when a method is missing.
   */
  offer<C extends Contract>(contract: C, source: Source<C>, classId: Guid = contract.uuid): void {
    if (this.#contracts.has(classId)) throw new BusbarError('ALREADY_OFFERED', `class ${classId} is offered already`)
    this.#classes.offer(contract, source)
    this.#contracts.set(classId, contract)
  }

  /** Serves a connection. Takes the access object and the link behind it; closes them with `LIMIT` when there are too many. */
  accept(access: RpcAccess, { peer: name, here, port }: DcomConnection): void {
    const address = `${here}[${port}]`
    const key = `${name} ${address}`
    let peer = this.#peers.get(key)
    const full =
      peer === undefined ? this.#peers.size >= this.#limits.peers : peer.leases.connections >= this.#limits.connections
    if (full)
      return access.close(
        new BusbarError('LIMIT', `too many DCOM ${peer === undefined ? 'peers' : 'connections of one peer'}`),
      )
    peer ??= this.#enter(key, name, address)
    const served = this.#serve(peer, access, String(port))
    peer.connections.add(served)
  }

  inspect(): DcomPeerView[] {
    return [...this.#peers.values()].map(({ name, leases, foreign }) => ({
      peer: name,
      connections: leases.connections,
      sets: leases.sets,
      objects: foreign.inspect(),
    }))
  }

  /** Closes all connections, and disposes of what the peers held. Idempotent. */
  close(reason?: BusbarError): void {
    const peers = [...this.#peers.values()]
    this.#peers.clear()
    for (const { connections, leases, foreign } of peers) {
      leases.close()
      for (const connection of connections) connection.close(reason)
      foreign.close()
    }
  }

  #enter(key: string, name: string, address: string): Peer {
    const bindings = bindingsOf(address)
    const leases = new Leases({
      env: this.#env,
      limits: this.#limits,
      holds: (oid) => foreign.holds(oid),
      runDown: (oid) => foreign.runDown(oid),
      idle: () => this.#peers.delete(key),
    })
    const foreign = new ForeignPeer({
      env: this.#env,
      classes: this.#classes,
      caller: { partition: name, epoch: 0 },
      bindings: packBindings(bindings),
      limits: this.#objects,
      hooks: this.#hooks,
      gone: (oid) => leases.gone(oid),
    })
    const peer = { name, bindings, foreign, leases, connections: new Set<ServedConnection>() }
    this.#peers.set(key, peer)
    return peer
  }

  #serve({ bindings, foreign, leases, connections }: Peer, access: RpcAccess, port: string): ServedConnection {
    const connection = {}
    leases.opened(connection)
    const used = (oid: bigint): void => leases.used(connection, oid)
    const activating: Activating = {
      ...{ oxid: foreign.oxid, remUnknown: foreign.remUnknown, bindings, interfaces: this.#limits.interfaces },
      create: async (classId, iids, call) => {
        const made = await foreign.activate(this.#contractOf(classId), iids, call)
        used(made.oid)
        return made
      },
      classObject: (classId, iids, call) => {
        const made = foreign.classObject(this.#contractOf(classId), iids, call)
        used(made.oid)
        return made
      },
    }
    const plain = [
      plainInterface(ObjectExporter, objectResolver({ ...activating, leases })),
      plainInterface(Activation, activation(activating)),
      plainInterface(RemoteScmActivator, scmActivator(activating)),
    ]
    const served = foreign.serve({
      access,
      beside: ({ uuid, major }) => plain.find(({ id }) => id.uuid === uuid && id.major === major),
      address: port,
      used,
    })
    void served.closed.then(() => {
      connections.delete(served)
      leases.closed(connection)
    })
    return served
  }

  #contractOf(classId: Guid): Guid {
    const contract = this.#contracts.get(classId)
    if (contract === undefined) throw new BusbarError('NO_SUCH_CLASS', `no class ${classId} is offered here`)
    return contract.uuid
  }
}
