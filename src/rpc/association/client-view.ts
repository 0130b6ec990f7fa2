import type { Env } from '../../link/index.ts'
import type { RpcLimits } from '../limits.ts'
import type { SecurityProvider } from './security.ts'

export interface RpcClientOptions {
  readonly env: Env
  readonly limits?: Partial<RpcLimits>
  /** The association group to join: what `inspect().group` of a bound client on another link to the same server says. */
  readonly group?: number
  /** Proves who this side is, and judges who the server is; the channel does by default. See `SecurityProvider`. */
  readonly security?: SecurityProvider
  /** Offers the server to make calls on what other calls are going to give: `RpcClient.pipelined` says whether it agreed. */
  readonly pipelines?: boolean
}

/** What a client shows of itself. */
export interface RpcClientView {
  readonly state: 'unbound' | 'binding' | 'bound' | 'closed'
  readonly group: number
  readonly fragment: number
  readonly multiplexed: boolean
  readonly contexts: readonly { readonly id: number; readonly interface: string }[]
  readonly calls: {
    readonly pending: number
    readonly queued: number
    readonly cancelled: number
    /** Cancelled ones that the server need not answer any more, and whose answers are taken if they come, to give back what they give. */
    readonly orphaned: number
    readonly made: number
  }
  /** `bytes`. */
  readonly memory: { readonly unsent: number; readonly partial: number; readonly reassembly: number }
}
