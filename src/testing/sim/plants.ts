import type { AccessPolicy, Endpoint } from '../../bus/index.ts'
import type { Env } from '../../link/index.ts'
import type { MuxLimits } from '../../mux/index.ts'
import type { AssociationGroups, RpcInterface, RpcLimits } from '../../rpc/index.ts'

/** Bugs on purpose, put between the code and the simulator: to show that each rule finds its own. */
export interface Plants {
  /** Instead of the policy that the bus asks. */
  policy?(policy: AccessPolicy): AccessPolicy
  /** Instead of what a process gets of the world. */
  env?(env: Env): Env
  /** Instead of the session of a program. */
  endpoint?(endpoint: Endpoint): Endpoint
  muxLimits?: Partial<MuxLimits>
  /** Instead of what plain RPC serves. */
  rpcInterface?(plain: RpcInterface): RpcInterface
  /** Instead of the association groups of a caller. */
  rpcGroups?(groups: AssociationGroups): AssociationGroups
  rpcLimits?: Partial<RpcLimits>
}
