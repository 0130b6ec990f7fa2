import type { AccessPolicy, Broker, BrokerOptions, Endpoint } from '../../bus/index.ts'
import type { Hooks } from '../../component/index.ts'
import type { ByteLink, Env } from '../../link/index.ts'
import type { MuxLimits } from '../../mux/index.ts'
import type { Mem } from '../../ring/index.ts'
import type { AssociationGroups, RpcInterface, RpcLimits } from '../../rpc/index.ts'

/** Bugs on purpose, put between the code and the simulator: to show that each rule finds its own. */
export interface Plants {
  /** Instead of the policy that the bus asks. */
  policy?(policy: AccessPolicy): AccessPolicy
  /** Instead of the bus. */
  broker?: new (
    options: BrokerOptions,
  ) => Broker
  /** Instead of what a process gets of the world. */
  env?(env: Env): Env
  /** Instead of the session of a program. */
  endpoint?(endpoint: Endpoint): Endpoint
  muxLimits?: Partial<MuxLimits>
  /** Instead of the end of a link at which the bus was dialled. */
  accepted?(link: ByteLink): ByteLink
  /** Instead of what plain RPC serves. */
  rpcInterface?(plain: RpcInterface): RpcInterface
  /** Instead of the association groups of a caller. */
  rpcGroups?(groups: AssociationGroups): AssociationGroups
  rpcLimits?: Partial<RpcLimits>
  /** Instead of a pipe for objects, on either side of it. */
  objectPipe?(pipe: ByteLink, role: 'client' | 'server'): ByteLink
  /** What stands around the calls on objects. */
  objectHooks?: Partial<Hooks>
  /** Instead of ringing a doorbell. */
  doorbell?(ring: () => void): void
  /** Told of each ring that both sides have. */
  mapped?(ring: Mem): void
  /** Told of the memory of each pair of rings that both sides have. */
  agreed?(region: Uint8Array): void
  /** Told of each proxy that a process gets. */
  proxy?(proxy: object): void
  /** Asked each time that a reference is released; `false` when it is not. */
  release?(): boolean
}
