import type { Guid } from '../../bytes/index.ts'
import { contractGuid, parseVersion, streamGuid } from './identity.ts'
import { MAX_METHODS } from './limits.ts'
import { typeOf } from './make.ts'
import { type AnyMethod, type Method, method } from './method.ts'
import { checkContractName, checkName, refuse } from './names.ts'
import { Procedure } from './procedure.ts'
import { t } from './t.ts'
import type { Type, TypeNode } from './type.ts'

export type Methods = Readonly<Record<string, AnyMethod>>

export interface ContractOptions {
  /** `major.minor`. Another major number is another interface; a minor number grows when methods are appended (`docs/protocol/versions.md`). */
  readonly version: string
  /** The interface identifier, for an interface that exists already; otherwise it is derived from name and major version. */
  readonly uuid?: Guid
}

/** What two sides agree on: the methods of a component, by name here and by number on the wire. */
export interface Contract<M extends Methods = Methods> {
  readonly name: string
  readonly version: string
  readonly uuid: Guid
  readonly major: number
  readonly minor: number
  /** As declared. */
  readonly methods: M
  /** The same in the order of their numbers, which may leave holes: `procedureAt` finds one. The only way a call reaches a method. */
  readonly procedures: readonly Procedure[]
}

/**
 * Declares a contract. Method numbers follow the order of declaration, so a new method goes at the end; `opnum` pins one, and
 * leaves a hole in front of it. `INVALID_ARGUMENT` when a name, a number, a type or the version cannot be.
 */
export function contract<const M extends Methods>(name: string, options: ContractOptions, methods: M): Contract<M> {
  checkContractName(name)
  const version = parseVersion(name, options.version)
  const uuid = contractGuid(name, version, options.uuid)
  const declared = Object.entries<AnyMethod>(methods)
  if (declared.length === 0) refuse(`contract ${name} has no methods`)
  if (declared.length > MAX_METHODS) {
    refuse(`contract ${name} has ${declared.length} methods, at most ${MAX_METHODS} are allowed`)
  }
  let next = 0
  const procedures = declared.map(([methodName, declaration]) => {
    checkName(methodName, `contract ${name}`)
    const number = methodNumber(declaration, next, `contract ${name}, method ${methodName}`)
    next = number + 1
    return new Procedure(name, methodName, number, declaration, (item, argument) => {
      const path = `${name}.${methodName}`
      if (argument === undefined) return pullContract(path, streamGuid(uuid, methodName), options.version, item)
      // The names of arguments are free to change: their positions are not.
      const { name: own, position } = argument
      return pullContract(`${path}.${own}`, streamGuid(uuid, `${methodName} ${position}`), options.version, item)
    })
  })
  const made: Contract<M> = { name, version: options.version, uuid, ...version, methods, procedures }
  return Object.freeze(made)
}

/** The number of a method: its own, or that behind the one in front of it. */
function methodNumber(declaration: AnyMethod, next: number, where: string): number {
  const { opnum = next } = (declaration as Partial<AnyMethod>).options ?? {}
  if (Number.isInteger(opnum) && opnum >= next && opnum < MAX_METHODS) return opnum
  refuse(`${where}: opnum ${opnum} is not an integer from ${next} to ${MAX_METHODS - 1}; numbers only grow`)
}

/** Some items of a stream. */
export interface Page {
  readonly items: unknown[]
  /** Nothing follows. */
  readonly done: boolean
}

/** What an object behind a stream answers to: the caller asks for the next items and says how much it has room for. */
export type PullContract = Contract<{
  readonly next: Method<{ readonly maxItems: Type<number>; readonly maxBytes: Type<number> }, Type<Page>>
}>

const pulls = new WeakSet<Contract>()

/** Whether it is the contract of the object behind a stream. */
export function isPull(contract: Contract): boolean {
  return pulls.has(contract)
}

/** The contract of the object behind one stream, with an identifier derived from where the stream stands. */
function pullContract(path: string, uuid: Guid, version: string, item: TypeNode): PullContract {
  const page = t.struct({ items: t.array(typeOf(item)), done: t.bool }) as unknown as Type<Page>
  const next = method({ maxItems: t.uint32, maxBytes: t.uint32 }, page)
  const made = contract(path, { version, uuid }, { next })
  pulls.add(made)
  return made
}
