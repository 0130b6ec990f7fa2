import fc from 'fast-check'
import { contract, type Fields, type Marshaller, method, t, type Type } from '../../src/rpc/index.ts'

const { idl } = t

/** A value for our marshaller, and the same as Samba's bindings take it, as JSON for ndr-oracle.py. */
export interface Pair {
  readonly ours: unknown
  readonly samba: unknown
}

/** A type of ours with values of it. */
export interface Kind {
  readonly type: Type
  readonly pairs: fc.Arbitrary<Pair>
}

/** One structure, or one direction of one call, of Samba's bindings and the same as a contract of ours. */
export interface Sample {
  /** The class of python3-samba. */
  readonly class: string
  readonly part: 'in' | 'out' | 'struct'
  readonly marshaller: Marshaller
  readonly pairs: fc.Arbitrary<Pair>
}

type Kinds = Readonly<Record<string, Kind>>
type Attributes = Record<string, unknown>

export function kind<V>(type: Type, values: fc.Arbitrary<V>, samba: (value: V) => unknown = (value) => value): Kind {
  return { type, pairs: values.map((ours) => ({ ours, samba: samba(ours) })) }
}

/** Text that both sides have: well-formed, without NUL. */
export const words: fc.Arbitrary<string> = fc
  .string({ unit: 'binary', maxLength: 12 })
  .filter((value) => !/[\0\ud800-\udfff]/u.test(value))
export const ascii: fc.Arbitrary<string> = fc.string({ unit: 'grapheme-ascii', maxLength: 12 })
export const octets: fc.Arbitrary<Uint8Array> = fc.uint8Array({ maxLength: 40 })

export const u8: Kind = kind(t.uint8, fc.nat(0xff))
export const u16: Kind = kind(t.uint16, fc.nat(0xffff))
export const u32: Kind = kind(t.uint32, fc.nat(0xffff_ffff))
export const i32: Kind = kind(t.int32, fc.integer())
export const status: Kind = kind(idl.status, fc.nat(0xffff_ffff))
export const hyper: Kind = kind(t.uint64, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => ({
  $int: `${value}`,
}))
export const string: Kind = kind(t.string, words)
export const guid: Kind = kind(t.guid, fc.uuid(), (value) => ({ $: 'misc.GUID', $of: value }))
export const handle: Kind = kind(
  idl.handle,
  fc.record({ attributes: fc.nat(0xffff_ffff), uuid: fc.uuid() }, { noNullPrototype: true }),
  ({ attributes, uuid }) => ({
    $: 'misc.policy_handle',
    handle_type: attributes,
    uuid: { $: 'misc.GUID', $of: uuid },
  }),
)

/** An enumeration whose names stand for these numbers; Samba's bindings take the numbers. */
export function enumeration(values: Readonly<Record<string, number>>, bits: 16 | 32 = 16): Kind {
  return kind(idl.enumeration(values, bits), fc.constantFrom(...Object.keys(values)), (name) => values[name])
}

export function optional({ type, pairs }: Kind): Kind {
  const absent = fc.constant<Pair>({ ours: undefined, samba: null })
  return { type: t.optional(type), pairs: fc.oneof({ weight: 4, arbitrary: pairs }, absent) }
}

/** A struct whose members do not depend on each other. */
export function struct(name: string, fields: Kinds): Kind {
  return {
    type: t.struct(typesOf(fields)),
    pairs: members(fields).map(({ ours, samba }) => ({ ours, samba: { $: name, ...samba } })),
  }
}

/** `struct { unsigned long COUNT; [size_is(COUNT)] T *ITEMS; }`. */
export function counted(name: string, item: Kind, count: string, items: string): Kind {
  const pairs = list(item).map(({ ours, samba }) => ({
    ours,
    samba: { $: name, [count]: ours.length, [items]: samba },
  }))
  return { type: t.array(item.type), pairs }
}

/** `struct { unsigned long COUNT; ...; [size_is(COUNT)] T ITEMS[]; }`: conformant. */
export function conformant(name: string, before: Kinds, count: string, items: string, item: Kind): Kind {
  const type = t.struct({ ...typesOf(before), [count]: t.uint32, [items]: idl.array(item.type, { size: count }) })
  const pairs = fc.tuple(members(before), list(item)).map(([front, all]) => ({
    ours: { ...front.ours, [count]: all.ours.length, [items]: all.ours },
    samba: { $: name, ...front.samba, [count]: all.ours.length, [items]: all.samba },
  }))
  return { type, pairs }
}

export function list(item: Kind): fc.Arbitrary<{ readonly ours: unknown[]; readonly samba: unknown[] }> {
  return fc
    .array(item.pairs, { maxLength: 5 })
    .map((pairs) => ({ ours: pairs.map(({ ours }) => ours), samba: pairs.map(({ samba }) => samba) }))
}

function members(fields: Kinds): fc.Arbitrary<{ readonly ours: Attributes; readonly samba: Attributes }> {
  const names = Object.keys(fields)
  return fc.tuple(...Object.values(fields).map(({ pairs }) => pairs)).map((pairs) => ({
    ours: Object.fromEntries(names.map((name, i) => [name, pairs[i]?.ours])),
    samba: Object.fromEntries(names.map((name, i) => [name, pairs[i]?.samba])),
  }))
}

function typesOf(fields: Kinds): Record<string, Type> {
  return Object.fromEntries(Object.entries(fields).map(([name, { type }]) => [name, type]))
}

function marshallerOf(part: Sample['part'], fields: Fields, returns?: Type): Marshaller {
  const direction = part === 'out' ? method({}, idl.out(fields, returns)) : method(fields, t.void)
  const [procedure] = contract('test.Oracle', { version: '1.0' }, { m: direction }).procedures
  return part === 'out' ? procedure!.reply : procedure!.request
}

/** A call whose arguments do not depend on each other. */
export function input(name: string, fields: Kinds): Sample {
  const pairs = members(fields).map(({ ours, samba }) => ({ ours, samba: prefixed('in_', samba) }))
  return { class: name, part: 'in', marshaller: marshallerOf('in', typesOf(fields)), pairs }
}

/** The results of a call; `returns` is what the function itself returns, if it does. */
export function output(name: string, fields: Kinds, returns?: Kind): Sample {
  const all = returns === undefined ? fields : { ...fields, result: returns }
  const pairs = members(all).map(({ ours, samba: { result, ...out } }) => ({
    ours,
    samba: { ...prefixed('out_', out), ...(returns === undefined ? {} : { result }) },
  }))
  return { class: name, part: 'out', marshaller: marshallerOf('out', typesOf(fields), returns?.type), pairs }
}

/** A structure by itself. Samba's bindings pack it little-endian only. */
export function whole(name: string, { type, pairs }: Kind): Sample {
  const one = pairs.map(({ ours, samba }) => ({ ours: { value: ours }, samba }))
  return { class: name, part: 'struct', marshaller: marshallerOf('struct', { value: type }), pairs: one }
}

/** A call whose parameters depend on each other: `samba` has the attributes with their prefixes. */
export function special(
  name: string,
  part: 'in' | 'out',
  fields: Fields,
  pairs: fc.Arbitrary<{ readonly ours: Attributes; readonly samba: Attributes }>,
  returns?: Type,
): Sample {
  return { class: name, part, marshaller: marshallerOf(part, fields, returns), pairs }
}

export function prefixed(prefix: string, value: Attributes): Attributes {
  return Object.fromEntries(Object.entries(value).map(([name, of]) => [prefix + name, of]))
}
