import { wireOfOperation } from '../ndr/lower.ts'
import { type Marshaller, marshalArguments, marshalResult } from '../ndr/marshal.ts'
import { checkMethod } from './check.ts'
import type { Contract } from './contract.ts'
import { MAX_FIELDS } from './limits.ts'
import { nodeOf } from './make.ts'
import type { AnyMethod, MethodOptions } from './method.ts'
import { checkName, refuse } from './names.ts'
import type { FieldNode, TypeNode } from './type.ts'

/** One method of a contract with its number and its marshallers, which are made on first use and kept. */
export class Procedure {
  readonly name: string
  /** `contract.method`, for messages. */
  readonly path: string
  /** What a call names it by, from 0: its position in the contract, unless it or one in front of it is pinned. */
  readonly number: number
  readonly options: MethodOptions
  readonly args: readonly FieldNode[]
  readonly result: TypeNode
  /** The contract of the object behind a stream result; `undefined` for every other result. */
  readonly pull: Contract | undefined
  /** The contracts of the objects behind arguments that are streams, by the name of the argument. */
  readonly pulls: ReadonlyMap<string, Contract>
  #request: Marshaller | undefined
  #reply: Marshaller | undefined

  /** `pullOf` makes the contract for a stream of such items: of the result, or of an argument. */
  constructor(
    owner: string,
    name: string,
    number: number,
    declaration: AnyMethod,
    pullOf: (item: TypeNode, argument?: { readonly name: string; readonly position: number }) => Contract,
  ) {
    const where = `contract ${owner}, method ${name}`
    const { args, result, options } = declaration as Partial<AnyMethod>
    if (args === undefined || result === undefined) refuse(`${where}: expected method({ ... }, result)`)
    this.name = name
    this.path = `${owner}.${name}`
    this.number = number
    this.options = options ?? {}
    this.args = Object.entries(args).map(([field, type]) => {
      checkName(field, where)
      return { name: field, type: nodeOf(type, `${where}, argument "${field}"`) }
    })
    if (this.args.length > MAX_FIELDS) refuse(`${where}: at most ${MAX_FIELDS} arguments are allowed`)
    this.result = nodeOf(result, `${where}, result`)
    checkMethod(this.args, this.result, where)
    this.pull = this.result.kind === 'stream' ? pullOf(this.result.item) : undefined
    this.pulls = new Map(
      this.args.flatMap(({ name: arg, type }, position) =>
        type.kind === 'stream' ? [[arg, pullOf(type.item, { name: arg, position })]] : [],
      ),
    )
  }

  /** What the caller sends. */
  get request(): Marshaller {
    this.#request ??= marshalArguments(wireOfOperation(this), this.path)
    return this.#request
  }

  /** What the component answers. */
  get reply(): Marshaller {
    this.#reply ??= marshalResult(wireOfOperation(this), this.result.kind === 'out', this.path)
    return this.#reply
  }
}

/** The procedure with that number, of those in the order of their numbers; `undefined` for a hole and past the end. */
export function procedureAt<P extends { readonly number: number }>(
  procedures: readonly P[],
  number: number,
): P | undefined {
  const there = procedures[number]
  if (there?.number === number) return there
  // Some are pinned: every number is at most as far behind as its position.
  let [low, high] = [0, Math.min(number, procedures.length) - 1]
  while (low <= high) {
    const middle = (low + high) >> 1
    const found = procedures[middle] as P
    if (found.number === number) return found
    if (found.number < number) low = middle + 1
    else high = middle - 1
  }
  return undefined
}

/** One more than the highest number: how many numbers there are, holes counted. */
export function numbersOf(procedures: readonly { readonly number: number }[]): number {
  return (procedures.at(-1)?.number ?? -1) + 1
}
