import { sameObject } from './held.ts'
import { heldOf } from './proxy.ts'

/**
 * Whether both are the same object: two proxies of one object on one pipe, whenever and through whatever interface they
 * came, or an object of this side and itself. A proxy that a third party passed on stands for an object of that third party.
 */
export function same(a: object, b: object): boolean {
  if (a === b) return true
  const [one, other] = [heldOf(a), heldOf(b)]
  return one !== undefined && other !== undefined && sameObject(one, other)
}
