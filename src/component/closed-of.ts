import { BusbarError } from '../errors/index.ts'
import { heldOf } from './proxy.ts'

/**
 * Settles, and never rejects, when nothing can be called through a proxy any more: with `undefined` when it was released on this side, else with the reason
 * that its pipe is over. It keeps neither the proxy nor the process. An object that a third party passed on is reached over the pipe to that third party: its
 * end is what is told. Throws `INVALID_ARGUMENT` for what is no proxy: a call that gives one is awaited first, and an object of this side has no end.
 */
export function closedOf(proxy: object): Promise<BusbarError | undefined> {
  const held = heldOf(proxy)
  if (held !== undefined) return held.closed
  throw new BusbarError('INVALID_ARGUMENT', 'closedOf was asked of something that is not a proxy of a remote object', {
    hints: ['await the call that gives the proxy; an object of this side has no end'],
  })
}
