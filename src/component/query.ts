import { BusbarError } from '../errors/index.ts'
import type { CallOptions, Client, Contract } from '../rpc/index.ts'
import { methodsOf } from './classes.ts'
import type { Held, Via } from './held.ts'
import { heldOf } from './proxy.ts'
import type { InterfaceQuery } from './rem-query.ts'
import { comingOf } from './remote-promise.ts'

/**
 * The same object through another of its contracts (QueryInterface): a proxy of its own, to be disposed of like every
 * other. Rejects with `NO_SUCH_INTERFACE` when the object does not implement it, and as every call does. An object of this
 * side is its own answer, and a promise of a proxy is waited for.
 */
export async function query<C extends Contract>(
  object: object,
  contract: C,
  options?: CallOptions,
): Promise<Client<C>> {
  const coming = comingOf(object)
  if (coming !== undefined) return query((await coming.promise) as object, contract, options)
  const held = heldOf(object)
  if (held !== undefined) return (await held.via.query(held, contract, options)) as Client<C>
  try {
    return methodsOf(contract, object, 'BAD_VALUE') as unknown as Client<C>
  } catch (cause) {
    throw new BusbarError('NO_SUCH_INTERFACE', `this object does not implement ${contract.name}`, { cause })
  }
}

/** The same over a pipe: `ask` makes the call and gives the references that it brought, if it did. */
export async function queryPeer(
  via: Via,
  held: Held,
  contract: Contract,
  ask: (asked: InterfaceQuery) => Promise<Held | undefined>,
): Promise<object> {
  const { name, uuid } = held.interface
  if (held.released) throw new BusbarError('RELEASED', `a proxy of ${name} was queried after it was released`)
  if (uuid === contract.uuid) return via.proxy(held.share())
  held.pin()
  try {
    const found = await ask({ ipid: held.target.object, references: 1, iids: [contract.uuid] })
    if (found !== undefined) return via.proxy(found)
  } catch (thrown) {
    if (BusbarError.from(thrown).code !== 'NO_SUCH_INTERFACE') throw thrown
  } finally {
    held.unpin()
  }
  throw new BusbarError('NO_SUCH_INTERFACE', `the object behind a proxy of ${name} does not implement ${contract.name}`)
}
