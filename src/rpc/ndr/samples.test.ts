import fc from 'fast-check'
import { t } from '../contract/t.ts'
import type { Fields, Type } from '../contract/type.ts'

const { idl } = t

/** A type and its values. */
type Kind = readonly [type: Type, values: fc.Arbitrary<unknown>]

export interface Sample {
  readonly type: Type
  readonly value: unknown
}

const text = fc.string({ unit: 'binary', maxLength: 20 }).filter((value) => !/\0|[\ud800-\udfff]/u.test(value))
const latin = fc.string({
  unit: fc.integer({ min: 1, max: 0xff }).map((code) => String.fromCharCode(code)),
  maxLength: 9,
})
const u32 = fc.nat(0xffff_ffff)
const numbers = idl.enumeration({ one: 1, five: 5, many: 0x7fff })
const wide = idl.enumeration({ none: 0, all: 0x7fff_ffff }, 32)

const leaves: Kind[] = [
  [t.bool, fc.boolean()],
  [t.int8, fc.integer({ min: -128, max: 127 })],
  [t.int16, fc.integer({ min: -32768, max: 32767 })],
  [t.int32, fc.integer()],
  [t.uint8, fc.nat(0xff)],
  [t.uint16, fc.nat(0xffff)],
  [t.uint32, u32],
  [t.uint53, fc.maxSafeNat()],
  [t.int64, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })],
  [t.uint64, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })],
  [t.float32, fc.float()],
  [t.float64, fc.double()],
  [
    t.date,
    fc.date({ min: new Date('1601-01-01T00:00:00Z'), max: new Date('+060055-01-01T00:00:00Z'), noInvalidDate: true }),
  ],
  [t.guid, fc.uuid()],
  [t.string, text],
  [t.bytes, fc.uint8Array({ maxLength: 20 })],
  [t.json, fc.jsonValue().filter((value) => !JSON.stringify(value).includes('-0'))],
  [t.enumeration('a', 'b', 'c'), fc.constantFrom('a', 'b', 'c')],
  [t.map(t.string, t.uint8), fc.array(fc.tuple(text, fc.nat(9))).map((entries) => new Map(entries))],
  [idl.char, fc.nat(0xff).map((code) => String.fromCharCode(code))],
  [idl.wchar, fc.nat(0xffff).map((code) => String.fromCharCode(code))],
  [idl.status, u32],
  [idl.handle, fc.record({ attributes: u32, uuid: fc.uuid() }, { noNullPrototype: true })],
  [idl.range(t.int16, -5, 700), fc.integer({ min: -5, max: 700 })],
  [numbers, fc.constantFrom('one', 'five', 'many')],
  [wide, fc.constantFrom('none', 'all')],
  [idl.bytes({ fixed: 3 }), fc.uint8Array({ minLength: 3, maxLength: 3 })],
  [idl.text(8, { fixed: 9 }), latin],
  [idl.string(16, { fixed: 41 }), text],
]

/** What ends a struct that says its own size, and the struct. */
const sized: Kind[] = [
  [
    t.struct({ n: t.uint16, items: idl.array(t.uint16, { size: 'n' }) }),
    fc.array(fc.nat(0xffff), { maxLength: 5 }).map((items) => ({ n: items.length, items })),
  ],
  [
    t.struct({
      length: t.uint16,
      size: t.uint16,
      text: t.optional(idl.text(16, { size: 'size / 2', length: 'length / 2' })),
    }),
    fc.option(text, { nil: undefined }).map((value) => ({
      length: 2 * (value?.length ?? 0),
      size: 2 * (value?.length ?? 0),
      text: value,
    })),
  ],
  [
    t.struct({ items: idl.array(t.uint64, { fixed: 5, length: 'n' }), n: t.uint8 }),
    fc.array(fc.bigInt({ min: 0n, max: 9n }), { maxLength: 5 }).map((items) => ({ items, n: items.length })),
  ],
  [
    t.struct({ k: t.uint16, u: idl.union(t.uint16, { 1: t.uint8, 2: t.string, 3: t.void }, { switchIs: 'k' }) }),
    fc
      .oneof(
        fc.nat(0xff).map((value) => ({ case: 1, value }) as const),
        text.map((value) => ({ case: 2, value }) as const),
        fc.constant({ case: 3, value: undefined } as const),
      )
      .map((u) => ({ k: u.case, u })),
  ],
]

const { any } = fc.letrec<{ any: Kind }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 4 },
    { weight: 6, arbitrary: fc.constantFrom(...leaves) },
    fc.constantFrom(...sized.filter(([type]) => !isOpen(type))),
    tie('any').map(([type, values]): Kind => [t.array(type), fc.array(values, { maxLength: 5 })]),
    tie('any').map(([type, values]): Kind => [idl.array(type, { fixed: 2 }), fc.tuple(values, values)]),
    tie('any')
      .filter(([type]) => !['optional', 'pointer', 'box'].includes(type.node.kind))
      .map(([type, values]): Kind => [t.optional(type), fc.option(values, { nil: undefined })]),
    fc.constantFrom(...sized).map(([type, values]): Kind => [t.optional(type), fc.option(values, { nil: undefined })]),
    tie('any')
      .filter(([type]) => type.node.kind !== 'pointer')
      .map(([type, values]): Kind => [idl.ref(type), values]),
    tie('any').map(
      ([type, values]): Kind => [
        idl.box(type),
        fc.option(fc.record({ value: values }, { noNullPrototype: true }), { nil: undefined }),
      ],
    ),
    fc.tuple(tie('any'), tie('any'), tie('any')).map((kinds): Kind => structOf(kinds)),
    fc.tuple(tie('any'), tie('any')).map(
      ([a, b]): Kind => [
        t.union('kind', { first: { a: a[0] }, second: { b: b[0], c: t.uint8 }, none: {} }),
        fc.oneof(
          a[1].map((value) => ({ kind: 'first', a: value })),
          b[1].map((value) => ({ kind: 'second', b: value, c: 7 })),
          fc.constant({ kind: 'none' }),
        ),
      ],
    ),
  ),
}))

function isOpen({ node }: Type): boolean {
  return (
    node.kind === 'struct' &&
    ['sequence', 'octets'].includes(node.fields.at(-1)?.type.kind ?? '') &&
    node.fields[0]?.name === 'n'
  )
}

function structOf(kinds: readonly Kind[]): Kind {
  const names = ['a', 'b', 'c', 'd'].slice(0, kinds.length)
  const fields: Fields = Object.fromEntries(kinds.map(([type], i) => [names[i], type]))
  const values = Object.fromEntries(kinds.map(([, value], i) => [names[i], value]))
  return [t.struct(fields), fc.record(values, { noNullPrototype: true })]
}

/** Types of every kind, nested, each with one value. */
export const samples: fc.Arbitrary<Sample> = fc
  .oneof({ weight: 9, arbitrary: any }, fc.constantFrom(...sized))
  .chain(([type, values]) => values.map((value) => ({ type, value })))
