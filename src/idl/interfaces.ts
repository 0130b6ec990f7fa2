import {
  type Contract,
  derivedGuid,
  type WireMember,
  type WireOperation,
  wireOfOperation,
  type WireType,
} from '../rpc/index.ts'

/** How an interface is called: on objects (MS-DCOM), or as plain RPC. */
export type CallForm = 'object' | 'plain'

/**
 * How a contract is called when nobody says: one that has `[out]` parameters of its own, or numbers its methods and has a UUID
 * given by hand, is there for an interface that exists already and is plain.
 */
function formOf(contract: Contract): CallForm {
  const { procedures, uuid } = contract
  const given = uuid !== derivedGuid(contract)
  const plain = procedures.some(
    ({ result, options }) => result.kind === 'out' || (given && options.opnum !== undefined),
  )
  return plain ? 'plain' : 'object'
}

/** Opnums 0 to 2 of an object's interface belong to IUnknown (MS-DCOM 3.1.1.5.4). */
export const FIRST_OF_OBJECTS = 3

/** One interface as it is on the wire. */
export interface Interface {
  /** The contract's name, or that of the method whose stream it is. */
  readonly name: string
  readonly uuid: string
  readonly major: number
  readonly minor: number
  readonly form: CallForm
  readonly operations: readonly NumberedOperation[]
}

export interface NumberedOperation extends WireOperation {
  /** When it is called on an object. */
  readonly objectOpnum: number
  /** When it is called by plain RPC. */
  readonly plainOpnum: number
}

/**
 * The contracts and everything that calls on their objects can lead to: each interface once, those referred to first.
 * `form` overrides how the contracts are called.
 */
export function interfacesOf(contracts: readonly Contract[], form?: CallForm): Interface[] {
  const found = new Map<string, Interface>()
  const begun = new Set<string>()
  const visit = (contract: Contract): void => {
    if (begun.has(contract.uuid)) return
    begun.add(contract.uuid)
    const { name, uuid, major, minor } = contract
    const operations = operationsOf(contract)
    for (const operation of operations) for (const type of typesOf(operation)) eachReference(type, visit)
    found.set(uuid, { name, uuid, major, minor, form: form ?? formOf(contract), operations })
  }
  for (const contract of contracts) visit(contract)
  return [...found.values()]
}

function operationsOf({ procedures }: Contract): NumberedOperation[] {
  return procedures.map((procedure) => {
    const { number } = procedure
    return { ...wireOfOperation(procedure), objectOpnum: number + FIRST_OF_OBJECTS, plainOpnum: number }
  })
}

/** The opnum of an operation as its interface is called. */
export function opnumOf({ objectOpnum, plainOpnum }: NumberedOperation, form: CallForm): number {
  return form === 'object' ? objectOpnum : plainOpnum
}

/** All types of an operation, each as it stands. */
function typesOf({ request, reply, returns }: WireOperation): WireType[] {
  return [...request, ...reply].map(({ type }) => type).concat(returns ?? [])
}

/** The types directly inside a type. */
function insideOf(type: WireType): readonly WireType[] {
  switch (type.kind) {
    case 'array':
      return [type.item]
    case 'struct':
      return type.members.map((member) => member.type)
    case 'union':
      return [type.tag, ...type.arms.map((arm) => arm.type), type.fallback ?? null].filter((inner) => inner !== null)
    case 'pointer':
      return [type.to]
    default:
      return []
  }
}

function eachReference(type: WireType, visit: (contract: Contract) => void): void {
  if (type.kind === 'interface') visit(type.contract())
  for (const inner of insideOf(type)) eachReference(inner, visit)
}

/** A type as plain data: an interface is named by its UUID. */
export function plainType(type: WireType): unknown {
  return JSON.parse(JSON.stringify(type, interfaceById))
}

/** For `JSON.stringify`: a reference says which interface it is to. */
export function interfaceById(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('kind' in value) || value.kind !== 'interface') return value
  const { contract, optional } = value as Extract<WireType, { kind: 'interface' }>
  return { kind: 'interface', interface: contract().uuid, optional }
}

/** What a program that reads descriptions gets: every interface with its operations and types, as plain data. */
export function describe(contracts: readonly Contract[], form?: CallForm): unknown {
  const members = (list: readonly WireMember[]): unknown =>
    list.map(({ name, type }) => ({ name, type: plainType(type) }))
  return {
    schemaVersion: 1,
    interfaces: interfacesOf(contracts, form).map((found) => ({
      name: found.name,
      uuid: found.uuid,
      // A presentation context names an object's interface with version 0.0 (MS-DCOM 1.9).
      version: found.form === 'object' ? '0.0' : `${found.major}.${found.minor}`,
      form: found.form,
      operations: found.operations.map((operation) => ({
        name: operation.name,
        opnum: opnumOf(operation, found.form),
        in: members(operation.request),
        out: members(operation.reply),
        returns: operation.returns === undefined ? null : plainType(operation.returns),
      })),
    })),
  }
}
