import type { Contract, Implementation } from '../rpc/index.ts'

/** Where an object says which contracts it implements. A symbol of this module: nothing from the wire reaches it. */
const CONTRACTS: unique symbol = Symbol('busbar contracts')

type All<U> = (U extends unknown ? (one: U) => void : never) extends (all: infer I) => void ? I : never

/** What implements all of some contracts. */
export type ImplementationOfAll<C extends readonly Contract[]> = All<
  { [K in keyof C]: C[K] extends Contract ? Implementation<C[K]> : never }[number]
>

/**
 * Says that an object implements several contracts: whoever holds it through one of them may `query` it for the others.
 * Returns the object, so that it can stand where the object is offered or given. A method that two of the contracts
 * contain is one method.
 */
export function implement<const C extends readonly Contract[], I extends ImplementationOfAll<C>>(
  contracts: C,
  implementation: I,
): I {
  const all = [...contractsOf(implementation as object), ...contracts]
  Object.defineProperty(implementation, CONTRACTS, { value: Object.freeze(all), configurable: true })
  return implementation
}

/** The contracts that an object said it implements. */
export function contractsOf(implementation: object): readonly Contract[] {
  return (implementation as { readonly [CONTRACTS]?: readonly Contract[] })[CONTRACTS] ?? []
}
