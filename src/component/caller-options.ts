import type { BusbarError } from '../errors/index.ts'
import type { Contract, Env } from '../rpc/index.ts'
import type { Exchange } from './exchange.ts'
import type { CallInterceptor } from './hooks.ts'
import type { ObjectLimits } from './limits.ts'

/** What the calling side of an association needs. */
export interface CallerOptions {
  readonly env: Env
  readonly limits: ObjectLimits
  readonly exchange: Exchange
  /** The association group to join. */
  readonly group?: number | undefined
  /** Makes sure that the peer can call what arguments give it, before they leave; absent where it always can. */
  readonly wayBack?: () => Promise<void>
  /** Told of every proxy, with a function that releases it as soon as no call is pending on it. */
  readonly onProxy: ((proxy: object, release: () => void) => void) | undefined
  /** Told each time the last reference was released. */
  readonly onIdle: (() => void) | undefined
  /** What stands around the calls of proxies, the outermost first. */
  readonly intercept?: readonly CallInterceptor[]
  /** Names the versions of both sides, when the peer's contract has no method of that number. */
  readonly notServed?: (contract: Contract, method: string) => Promise<BusbarError>
}
