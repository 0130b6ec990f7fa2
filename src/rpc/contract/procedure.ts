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
  /** Position in the contract, from 0. */
  readonly number: number
  readonly options: MethodOptions
  readonly args: readonly FieldNode[]
  readonly result: TypeNode
  /** The contract of the object behind a stream result; `undefined` for every other result. */
  readonly pull: Contract | undefined
  #request: Marshaller | undefined
  #reply: Marshaller | undefined

  /** `pullOf` makes the contract for a stream of such items. */
  constructor(
    owner: string,
    name: string,
    number: number,
    declaration: AnyMethod,
    pullOf: (item: TypeNode) => Contract,
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
