import type { Guid } from '../../bytes/index.ts'
import type { Client, Implementation } from './call.ts'
import type { Contract } from './contract.ts'
import { type IdlTypes, idl } from './idl.ts'
import { MAX_ENUM, MAX_FIELDS, MAX_NAME } from './limits.ts'
import { make, nodeOf, scalar } from './make.ts'
import { checkName, refuse } from './names.ts'
import type {
  FieldNode,
  Fields,
  Given,
  GivenFields,
  Json,
  OptionalType,
  RefType,
  StreamType,
  Taken,
  TakenFields,
  Type,
  TypeNode,
} from './type.ts'

/** The types of a contract. Each knows its TypeScript type and what it is on the wire. */
interface Types {
  /** Nothing: the result of a method that only happens. */
  readonly void: Type<void>
  readonly bool: Type<boolean>
  readonly int8: Type<number>
  readonly int16: Type<number>
  readonly int32: Type<number>
  readonly uint8: Type<number>
  readonly uint16: Type<number>
  readonly uint32: Type<number>
  /** A non-negative integer up to 2^53 - 1: sizes, offsets, counters. */
  readonly uint53: Type<number>
  readonly int64: Type<bigint>
  readonly uint64: Type<bigint>
  readonly float32: Type<number>
  readonly float64: Type<number>
  /** Text: well-formed UTF-16 without NUL. */
  readonly string: Type<string>
  /**
   * Bytes. What arrives is a view of the received message, which it keeps alive (a method that needs no long ones any more may `recycle`). From 16 KiB on arguments are sent from where they are:
   * leave them as they are until the call has its outcome.
   */
  readonly bytes: Type<Uint8Array>
  /** A point in time, whole milliseconds, from the year 1601 on. */
  readonly date: Type<Date>
  readonly guid: Type<Guid>
  /** One of a fixed set of names; new ones are appended. */
  enumeration<const N extends readonly [string, ...string[]]>(...names: N): Type<N[number]>
  struct<const F extends Fields>(fields: F): Type<GivenFields<F>, TakenFields<F>>
  array<T extends Type>(item: T): Type<readonly Given<T>[], Taken<T>[]>
  /** A Map; no key may come twice. Keys are compared as JavaScript's Map does: text, numbers, bigints and booleans only. */
  map<K extends Type, V extends Type>(key: K, value: V): Type<ReadonlyMap<Given<K>, Given<V>>, Map<Taken<K>, Taken<V>>>
  /**
   * One of several structs, told apart by the member `tag`: `t.union('kind', { circle: { r: t.float64 }, dot: {} })` is
   * `{ kind: 'circle', r } | { kind: 'dot' }`. New cases are appended.
   */
  union<const T extends string, const C extends Cases>(tag: T, cases: C): Type<GivenCases<T, C>, TakenCases<T, C>>
  /** What JSON can say, for what has no type yet: slow, unchecked, and larger than every other type. */
  readonly json: Type<Json>
  /** The value or `undefined`; a field of this type may be left out. */
  optional<T extends RefType>(type: T): OptionalType<Given<T>, Taken<T>> & Pick<RefType, 'reference'>
  optional<T extends Type>(type: T): OptionalType<Given<T>, Taken<T>>
  /**
   * A reference to an object that implements `contract`. Write a function when the contract refers to itself or to one
   * declared later. What is given is an object or a proxy; what arrives is a proxy, or an object of the receiver that
   * comes home.
   */
  ref<C extends Contract>(contract: C | (() => C)): RefType<Implementation<C>, Client<C>>
  /** Items one after the other, as fast as whoever reads takes them: as the whole result of a method, or as a whole argument. */
  stream<T extends Type>(item: T): StreamType<Given<T>, Taken<T>>
  /** Types that only existing interfaces need: arrays of every kind, unions, pointers, context handles. */
  readonly idl: IdlTypes
}

type Cases = Readonly<Record<string, Fields>>
type GivenCases<T extends string, C extends Cases> = {
  [K in keyof C]: { readonly [P in T]: K } & GivenFields<C[K]>
}[keyof C]
type TakenCases<T extends string, C extends Cases> = { [K in keyof C]: { [P in T]: K } & TakenFields<C[K]> }[keyof C]

export const t: Types = Object.freeze({
  void: make<Type<void>>({ kind: 'void' }, 'nothing'),
  bool: scalar<boolean>('bool', 'boolean, 1 byte'),
  int8: scalar<number>('int8', 'small, 1 byte'),
  int16: scalar<number>('int16', 'short, 2 bytes'),
  int32: scalar<number>('int32', 'long, 4 bytes'),
  uint8: scalar<number>('uint8', 'unsigned small, 1 byte'),
  uint16: scalar<number>('uint16', 'unsigned short, 2 bytes'),
  uint32: scalar<number>('uint32', 'unsigned long, 4 bytes'),
  uint53: scalar<number>('uint53', 'unsigned hyper, 8 bytes, at most 2^53 - 1'),
  int64: scalar<bigint>('int64', 'hyper, 8 bytes'),
  uint64: scalar<bigint>('uint64', 'unsigned hyper, 8 bytes'),
  float32: scalar<number>('float32', 'float, 4 bytes'),
  float64: scalar<number>('float64', 'double, 8 bytes'),
  string: make<Type<string>>(
    { kind: 'string' },
    '[string] wchar_t: conformant varying, NUL counted; as a member, behind a reference pointer',
  ),
  bytes: make<Type<Uint8Array>>(
    { kind: 'bytes' },
    'struct { unsigned long count; [size_is(count), ref] byte *items; }',
  ),
  date: scalar<Date>('date', 'unsigned hyper, 100 ns since 1601-01-01 UTC (FILETIME)'),
  guid: scalar<Guid>('guid', 'GUID, 16 bytes, aligned to 4'),
  enumeration<const N extends readonly [string, ...string[]]>(...names: N): Type<N[number]> {
    if (names.length === 0) refuse('t.enumeration needs at least one name')
    if (names.length > MAX_ENUM) refuse(`t.enumeration of ${names.length} names, at most ${MAX_ENUM} are allowed`)
    if (new Set(names).size !== names.length) refuse('t.enumeration names one value twice')
    for (const name of names) checkValueName(name)
    return make({ kind: 'enumeration', names: Object.freeze([...names]) }, 'enum, 2 bytes: position of the name')
  },
  struct<const F extends Fields>(fields: F): Type<GivenFields<F>, TakenFields<F>> {
    const list = fieldsOf(fields, 't.struct')
    if (list.length === 0) refuse('t.struct needs at least one field')
    return make({ kind: 'struct', fields: Object.freeze(list) }, 'struct, members in order')
  },
  array<T extends Type>(item: T): Type<readonly Given<T>[], Taken<T>[]> {
    const node = nodeOf(item, 't.array')
    return make({ kind: 'array', item: node }, 'struct { unsigned long count; [size_is(count), ref] T *items; }')
  },
  map<K extends Type, V extends Type>(
    key: K,
    value: V,
  ): Type<ReadonlyMap<Given<K>, Given<V>>, Map<Taken<K>, Taken<V>>> {
    const node: TypeNode = { kind: 'map', key: nodeOf(key, 't.map key'), value: nodeOf(value, 't.map value') }
    if (!KEYS.has(node.key.kind))
      refuse('t.map: a key is text, a number, a bigint, a boolean, a GUID or an enumeration')
    return make(node, 'struct { unsigned long count; [size_is(count), ref] struct { K key; V value; } *items; }')
  },
  union<const T extends string, const C extends Cases>(tag: T, cases: C): Type<GivenCases<T, C>, TakenCases<T, C>> {
    checkName(tag, 't.union')
    const list = Object.entries<Fields>(cases).map(([name, fields]) => {
      checkValueName(name)
      if (Object.hasOwn(fields, tag)) refuse(`t.union, case ${name}: "${tag}" holds the name of the case already`)
      return { name, fields: Object.freeze(fieldsOf(fields, `t.union, case ${name}`)) }
    })
    if (list.length === 0) refuse('t.union needs at least one case')
    if (list.length > MAX_FIELDS) refuse(`t.union of ${list.length} cases, at most ${MAX_FIELDS} are allowed`)
    return make({ kind: 'variant', tag, cases: Object.freeze(list) }, 'union with a 2-byte enum as discriminant')
  },
  json: make<Type<Json>>(
    { kind: 'json' },
    'struct { unsigned long count; [size_is(count), ref] byte *items; }, UTF-8 JSON',
  ),
  optional<T extends Type>(type: T): OptionalType<Given<T>, Taken<T>> & Pick<RefType, 'reference'> {
    const node = nodeOf(type, 't.optional')
    const more = node.kind === 'ref' ? { optional: true, reference: true } : { optional: true }
    return make({ kind: 'optional', item: node }, `unique pointer to ${type.wire}`, more)
  },
  ref<C extends Contract>(contract: C | (() => C)): RefType<Implementation<C>, Client<C>> {
    const get = typeof contract === 'function' ? contract : () => contract
    const wire = 'interface pointer: unique pointer to MInterfacePointer with an OBJREF'
    return make({ kind: 'ref', contract: get }, wire, { reference: true })
  },
  stream<T extends Type>(item: T): StreamType<Given<T>, Taken<T>> {
    const node = nodeOf(item, 't.stream')
    return make({ kind: 'stream', item: node }, 'interface pointer to an object with Next(maxItems, maxBytes)', {
      stream: true,
    })
  },
  idl,
})

/** What can be the key of a map: what `===` compares. */
const KEYS: ReadonlySet<string> = new Set([
  ...['bool', 'int8', 'int16', 'int32', 'uint8', 'uint16', 'uint32', 'uint53', 'int64', 'uint64'],
  ...['string', 'guid', 'enumeration'],
])

function fieldsOf(fields: Fields, where: string): FieldNode[] {
  return Object.entries(fields).map(([name, type]) => {
    checkName(name, where)
    return { name, type: nodeOf(type, `${where} field "${name}"`) }
  })
}

/** The values of an enumeration are text for people; only their positions travel. */
function checkValueName(name: string): void {
  if (typeof name !== 'string' || name === '' || name.length > MAX_NAME) {
    refuse(`t.enumeration: expected names of 1 to ${MAX_NAME} characters, found ${JSON.stringify(name)}`)
  }
}
