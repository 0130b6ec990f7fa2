import { BusbarError } from '../../errors/index.ts'
import type { Contract } from '../contract/contract.ts'
import type { EnumerationNode, FieldNode, ScalarNode, TypeNode, UnionNode, VariantNode } from '../contract/type.ts'
import {
  alignOf,
  type BaseName,
  isConformant,
  type WireArray,
  type WireBase,
  type WireEnum,
  type WireGuid,
  type WireMember,
  type WireOperation,
  type WirePointer,
  type WireStruct,
  type WireType,
  type WireUnion,
} from './wire.ts'

type BaseRow = readonly [base: BaseName, size: WireBase['size'], as: WireBase['as']]

/** One table: what each scalar is (C706, 14.2). */
const BASES: { readonly [K in Exclude<ScalarNode['kind'], 'guid'>]: BaseRow } = {
  bool: ['boolean', 1, 'boolean'],
  int8: ['small', 1, 'number'],
  int16: ['short', 2, 'number'],
  int32: ['long', 4, 'number'],
  uint8: ['unsigned small', 1, 'number'],
  uint16: ['unsigned short', 2, 'number'],
  uint32: ['unsigned long', 4, 'number'],
  uint53: ['unsigned hyper', 8, 'safe integer'],
  int64: ['hyper', 8, 'bigint'],
  uint64: ['unsigned hyper', 8, 'bigint'],
  float32: ['float', 4, 'number'],
  float64: ['double', 8, 'number'],
  date: ['unsigned hyper', 8, 'date'],
  char: ['char', 1, 'unit'],
  wchar: ['wchar_t', 2, 'unit'],
  status: ['error_status_t', 4, 'number'],
}

const BYTE: WireBase = { kind: 'base', base: 'byte', size: 1, as: 'number' }
const COUNT: WireBase = { kind: 'base', base: 'unsigned long', size: 4, as: 'number' }

/** `[string] wchar_t`, the everyday text. */
const STRING: WireArray = {
  kind: 'array',
  item: { kind: 'base', base: 'wchar_t', size: 2, as: 'unit' },
  shape: { form: 'conformant-varying' },
  string: true,
  as: 'text',
}

/** What a type is on the wire as a whole parameter, where what it points to follows it at once. */
export function wireOf(node: TypeNode): WireType {
  switch (node.kind) {
    case 'void':
    case 'stream':
    case 'out':
      throw new BusbarError('INTERNAL', `${node.kind} is not one thing on the wire`)
    case 'string':
      return STRING
    case 'bytes':
      return counted(BYTE, 'bytes', 'items')
    case 'json':
      return counted(BYTE, 'bytes', 'json')
    case 'enumeration':
      return enumeration(node)
    case 'struct':
      return struct(node.fields)
    case 'array':
      return counted(memberOf(node.item), 'array', 'items')
    case 'map':
      return counted(struct([field('key', node.key), field('value', node.value)]), 'array', 'map')
    case 'variant':
      return variant(node)
    case 'optional':
      if (node.item.kind === 'ref') return { kind: 'interface', contract: node.item.contract, optional: true }
      return { kind: 'pointer', pointer: 'unique', to: wireOf(node.item), as: 'value' }
    case 'box':
      return { kind: 'pointer', pointer: 'unique', to: wireOf(node.to), as: 'box' }
    case 'pointer':
      return reference(wireOf(node.to))
    case 'ref':
      return { kind: 'interface', contract: node.contract, optional: false }
    case 'sequence':
      return { kind: 'array', item: memberOf(node.item), shape: node.shape, string: false, as: 'array' }
    case 'octets':
      return { kind: 'array', item: BYTE, shape: node.shape, string: false, as: 'bytes' }
    case 'text': {
      const [base, size] = node.bits === 8 ? (['char', 1] as const) : (['wchar_t', 2] as const)
      const item: WireBase = { kind: 'base', base, size, as: 'unit' }
      return { kind: 'array', item, shape: node.shape, string: node.terminated, as: 'text' }
    }
    case 'union':
      return union(node)
    case 'handle':
      return { kind: 'handle' }
    default:
      return scalar(node)
  }
}

/** The same as a member of a struct, an array or a union: there, an everyday string is behind a pointer. */
function memberOf(node: TypeNode): WireType {
  return node.kind === 'string' ? reference(STRING) : wireOf(node)
}

function streamOf(pull: Contract): WireType {
  return { kind: 'interface', contract: () => pull, optional: false }
}

/**
 * What an operation sends and gets. A stream comes back as a reference to `pull`, the contract of the object behind it; those among
 * the arguments go as references to `pulls`.
 */
export function wireOfOperation(operation: {
  readonly name: string
  readonly args: readonly FieldNode[]
  readonly result: TypeNode
  readonly pull: Contract | undefined
  readonly pulls: ReadonlyMap<string, Contract>
}): WireOperation {
  const { name, args, result, pull, pulls } = operation
  const request = args.map((arg) => {
    const stream = pulls.get(arg.name)
    return { name: arg.name, type: stream === undefined ? wireOf(arg.type) : streamOf(stream) }
  })
  if (pull !== undefined) {
    return { name, request, reply: [{ name: 'result', type: streamOf(pull) }], returns: undefined }
  }
  if (result.kind === 'out') {
    const reply = result.fields.map((out) => ({ name: out.name, type: wireOf(out.type) }))
    return { name, request, reply, returns: result.returns === undefined ? undefined : wireOf(result.returns) }
  }
  const reply = result.kind === 'void' ? [] : [{ name: 'result', type: wireOf(result) }]
  return { name, request, reply, returns: undefined }
}

function field(name: string, type: TypeNode): FieldNode {
  return { name, type }
}

function scalar(node: ScalarNode): WireBase | WireGuid {
  if (node.kind === 'guid') return { kind: 'guid' }
  const [base, size, as] = BASES[node.kind]
  return { kind: 'base', base, size, as, ...(node.range === undefined ? {} : { range: node.range }) }
}

function enumeration({ names, values, bits }: EnumerationNode): WireEnum {
  const labels = names.map((name, position) => ({ name, value: values?.[position] ?? position }))
  return { kind: 'enum', size: bits === 32 ? 4 : 2, labels }
}

function reference(to: WireType): WirePointer {
  return { kind: 'pointer', pointer: 'ref', to, as: 'value' }
}

function struct(fields: readonly FieldNode[]): WireStruct {
  return structure(
    fields.map(({ name, type }) => ({ name, type: memberOf(type) })),
    'object',
  )
}

function structure(members: readonly WireMember[], as: WireStruct['as']): WireStruct {
  const last = members.at(-1)
  const align = members.reduce((widest, { type }) => Math.max(widest, alignOf(type)), 1)
  return { kind: 'struct', members, align, conformant: last !== undefined && isConformant(last.type), as }
}

/** `struct { unsigned long count; [size_is(count), ref] T *items; }`. */
function counted(item: WireType, items: WireArray['as'], as: WireStruct['as']): WireStruct {
  const shape = { form: 'conformant', sizeIs: { name: 'count' } } as const
  const array: WireArray = { kind: 'array', item, shape, string: false, as: items }
  const members = [
    { name: 'count', type: COUNT },
    { name: 'items', type: reference(array) },
  ]
  return structure(members, as)
}

function variant({ tag, cases }: VariantNode): WireUnion {
  const labels = cases.map(({ name }, value) => ({ name, value }))
  const arms = cases.map(({ name, fields }, value) => ({
    label: name,
    value,
    type: fields.length === 0 ? null : struct(fields),
  }))
  const align = widest(
    2,
    arms.map(({ type }) => type),
  )
  return { kind: 'union', tag: { kind: 'enum', size: 2, labels }, arms, align, as: { form: 'flat', tag } }
}

function union(node: UnionNode): WireUnion {
  const tag = wireOf(node.tag) as WireBase | WireEnum
  const armOf = (type: TypeNode): WireType | null => (type.kind === 'void' ? null : memberOf(type))
  const arms = node.arms.map(({ label, type }) => ({ label, value: valueOf(tag, label), type: armOf(type) }))
  const fallback = node.fallback === undefined ? undefined : armOf(node.fallback)
  const align = widest(tag.size, [...arms.map(({ type }) => type), fallback ?? null])
  return {
    kind: 'union',
    tag,
    ...(node.switchIs === undefined ? {} : { switchIs: node.switchIs }),
    arms,
    ...(fallback === undefined ? {} : { fallback }),
    align,
    as: { form: 'case' },
  }
}

/** The widest alignment of a discriminant of so many bytes and the arms behind it, `bytes`. */
function widest(discriminant: number, arms: readonly (WireType | null)[]): number {
  return arms.reduce((most, type) => (type === null ? most : Math.max(most, alignOf(type))), discriminant)
}

/** The number of a union's label. The contract was checked before: a name is one of the enumeration. */
function valueOf(tag: WireBase | WireEnum, label: number | string): number {
  if (tag.kind === 'base') return Number(label)
  return tag.labels.find(({ name }) => name === label)?.value ?? 0
}
