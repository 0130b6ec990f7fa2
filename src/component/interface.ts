import type { CallContext, Contract, Marshaller, MethodOptions, TypeNode } from '../rpc/index.ts'

/** One operation of an interface: a procedure of a contract, or one of IRemUnknown that has no contract. */
export interface Operation {
  readonly name: string
  readonly path: string
  /** Position in the interface behind the three of IUnknown. */
  readonly number: number
  readonly request: Marshaller
  readonly reply: Marshaller
  /** What its contract says of it besides. */
  readonly options?: MethodOptions
  /** What it returns; absent where that can hold no reference. */
  readonly result?: TypeNode
  /** The interface of the stream that it returns, if it returns one. */
  readonly pull: Contract | undefined
  /** The HRESULT that goes with a result; `S_OK` when absent. */
  readonly hresult?: (result: unknown) => number
}

/** What objects are served by and called through. Every contract is one. */
export interface Interface {
  readonly name: string
  readonly uuid: string
  readonly procedures: readonly Operation[]
  /** What it inherits from: its objects may be called through that as well. */
  readonly base?: Interface
}

/** One function of a component. */
export type Method = (args: unknown, context: CallContext) => unknown

/** What provides the methods of an interface. Reached only by the names in the interface's own table. */
export type Methods = Readonly<Record<string, Method>>

/** Opnums 0 to 2 belong to IUnknown, which never travels (MS-DCOM 3.1.1.5.4). */
export const FIRST_OPNUM = 3

/** The contract of the reference that an operation gives as its whole result; `undefined` when it gives something else. */
export function referenceOf({ result }: Operation): Contract | undefined {
  if (result === undefined) return undefined
  const node = result.kind === 'optional' ? result.item : result
  return node.kind === 'ref' ? node.contract() : undefined
}

/** `contract`, and the interfaces that its methods give as whole results, of objects and of streams, and theirs: the nearest `most`. */
export function likely(contract: Contract, most: number): readonly Interface[] {
  const found = new Map<string, Interface>([[contract.uuid, contract]])
  for (const { procedures } of found.values()) {
    for (const operation of procedures) {
      const given = operation.pull ?? referenceOf(operation)
      if (given === undefined) continue
      if (found.size >= most) break
      found.set(given.uuid, found.get(given.uuid) ?? given)
    }
  }
  return [...found.values()]
}

/** All interfaces that calls on objects of `contract` can lead to: itself, its streams, and what its results refer to. */
export function reachable(contract: Contract, into: Map<string, Interface>): void {
  if (into.has(contract.uuid)) return
  into.set(contract.uuid, contract)
  for (const { result, pull } of contract.procedures) {
    if (pull !== undefined) reachable(pull, into)
    const pending = [result]
    for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
      if (node.kind === 'ref') reachable(node.contract(), into)
      else if (node.kind === 'struct') pending.push(...node.fields.map(({ type }) => type))
      else if (node.kind === 'array' || node.kind === 'optional') pending.push(node.item)
      else if (node.kind === 'map') pending.push(node.value)
      else if (node.kind === 'variant') {
        for (const { fields } of node.cases) pending.push(...fields.map(({ type }) => type))
      }
    }
  }
}
