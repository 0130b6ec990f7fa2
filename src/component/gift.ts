import { BusbarError, type ErrorCode } from '../errors/index.ts'
import { FaultError } from '../rpc/index.ts'
import type { Given } from './exported.ts'
import type { Held } from './held.ts'
import { Producer } from './producer.ts'

/** What the arguments of one call gave: to be undone when they never reach the other side. */
export interface Gift {
  readonly exported: readonly Given[]
  /** Proxies that went home: held on to until the call has its outcome. */
  readonly sentHome: readonly Held[]
}

/**
 * Faults that a server answers before it has taken the arguments. One that answers with them has taken no reference, so
 * whoever gave them takes them back without being told (docs/protocol/objects.md).
 */
const BEFORE_ARGUMENTS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'NO_SUCH_OBJECT',
  'NO_SUCH_INTERFACE',
  'NOT_IN_CONTRACT',
  'BAD_VALUE',
  'BUSY',
  'PROTOCOL',
  'DENIED',
])

/** Whether a call that failed like this, and was not cancelled, gave nothing: it was refused there, or it never left. */
export function neverTaken(thrown: unknown): boolean {
  return !(thrown instanceof FaultError) || BEFORE_ARGUMENTS.has(thrown.code)
}

/** The call that lent these is over: so are the streams among them, whether or not they were read to the end. */
export function endStreams(given: readonly Given[]): void {
  for (const { exported } of given) {
    const { value } = exported.object
    if (value instanceof Producer)
      value.end(new BusbarError('CANCELLED', 'the call that the stream was lent to is over'))
  }
}
