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

const DEPTH = { maxDepth: 4, depthIdentifier: 'type' } as const
const few = { maxLength: 4 } as const

/** Types that may stand anywhere, and `open` ones that end in a conformant array: at an end, or behind a pointer. */
const { any, open } = fc.letrec<{ any: Kind; open: Kind }>((tie) => ({
  open: fc.oneof(
    DEPTH,
    {
      weight: 3,
      arbitrary: fc.constantFrom<Kind[]>(
        [idl.bytes({ size: true }), fc.uint8Array(few)],
        [idl.text(16, { size: true }), text],
        [idl.text(8, { size: true, length: true }), latin],
        [idl.string8, latin],
        ...sized.filter(([type]) => isOpen(type)),
      ),
    },
    tie('any').map(([type, values]): Kind => [idl.array(type, { size: true }), fc.array(values, few)]),
    tie('any').map(([type, values]): Kind => [idl.array(type, { size: true, length: true }), fc.array(values, few)]),
    fc
      .tuple(tie('any'), tie('any'))
      .map(
        ([a, b]): Kind => [
          t.struct({ n: t.uint16, a: a[0], m: t.uint8, items: idl.array(b[0], { size: 'n', length: 'm - 1' }) }),
          fc
            .tuple(a[1], fc.array(b[1], few), fc.nat(3))
            .map(([value, items, more]) => ({ n: items.length + more, a: value, m: items.length + 1, items })),
        ],
      ),
    fc
      .tuple(tie('any'), tie('open'))
      .map(
        ([a, b]): Kind => [
          t.struct({ a: a[0], last: b[0] }),
          fc.record({ a: a[1], last: b[1] }, { noNullPrototype: true }),
        ],
      ),
  ),
  any: fc.oneof(
    DEPTH,
    { weight: 6, arbitrary: fc.constantFrom(...leaves) },
    fc.constantFrom(...sized.filter(([type]) => !isOpen(type))),
    tie('open').map(([type, values]): Kind => [t.optional(type), fc.option(values, { nil: undefined })]),
    tie('open').map(([type, values]): Kind => [idl.ref(type), values]),
    tie('any').map(([type, values]): Kind => [t.map(t.uint32, type), fc.array(fc.tuple(u32, values), few).map(mapOf)]),
    tie('any').map(
      ([type, values]): Kind => [idl.array(type, { fixed: 3, length: true }), fc.array(values, { maxLength: 3 })],
    ),
    fc.tuple(tie('any'), tie('any')).map(
      ([a, b]): Kind => [
        idl.union(t.uint16, { 1: a[0], 7: t.void, 9: b[0] }, { fallback: t.string }),
        fc.oneof(
          a[1].map((value) => ({ case: 1, value })),
          fc.constant({ case: 7, value: undefined }),
          b[1].map((value) => ({ case: 9, value })),
          text.map((value) => ({ case: 200, value })),
        ),
      ],
    ),
    fc.tuple(tie('any'), tie('any')).map(
      ([a, b]): Kind => [
        idl.union(numbers, { one: a[0], five: b[0] }),
        fc.oneof(
          a[1].map((value) => ({ case: 'one', value })),
          b[1].map((value) => ({ case: 'five', value })),
        ),
      ],
    ),
    tie('any').map(
      ([type, values]): Kind => [
        t.struct({
          n: t.uint8,
          k: numbers,
          u: idl.union(
            numbers,
            {
              one: t.optional(idl.array(type, { size: 'n' })),
              five: idl.box(idl.array(type, { size: 'm', length: 'n' })),
            },
            { switchIs: 'k' },
          ),
          m: t.uint16,
          v: idl.union(t.uint8, { 3: t.optional(idl.bytes({ size: 'n' })), 4: t.void }),
        }),
        fc.tuple(fc.boolean(), fc.array(values, few)).map(([one, items]) => ({
          n: items.length,
          k: one ? 'one' : 'five',
          u: one ? { case: 'one', value: items } : { case: 'five', value: { value: items } },
          m: items.length,
          v: one ? { case: 3, value: new Uint8Array(items.length) } : { case: 4, value: undefined },
        })),
      ],
    ),
    tie('any').map(([type, values]): Kind => [t.array(type), fc.array(values, { maxLength: 5 })]),
    tie('any').map(([type, values]): Kind => [idl.array(type, { fixed: 2 }), fc.tuple(values, values)]),
    tie('any')
      .filter(([type]) => !['optional', 'pointer', 'box'].includes(type.node.kind))
      .map(([type, values]): Kind => [t.optional(type), fc.option(values, { nil: undefined })]),
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

function mapOf(entries: [unknown, unknown][]): Map<unknown, unknown> {
  return new Map(entries)
}

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
  .oneof({ weight: 9, arbitrary: any }, { weight: 2, arbitrary: open }, fc.constantFrom(...sized))
  .chain(([type, values]) => values.map((value) => ({ type, value })))
