import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BusbarError } from '../../errors/index.ts'
import { contract } from '../contract/contract.ts'
import { method } from '../contract/method.ts'
import { t } from '../contract/t.ts'
import type { Fields, Type } from '../contract/type.ts'
import { bytes, code, decode, encode, hex, reply, request } from './harness.test.ts'

const { idl } = t
const Short = idl.enumeration({ none: 0, five: 5 })
const Wide = idl.enumeration({ none: 0, big: 0x12345678 }, 32)
const HANDLE = { attributes: 0, uuid: '11223344-5566-7788-99aa-bbccddeeff00' }

/** Parameters, their values, and the stub in both byte orders. */
const known: [name: string, args: Fields, value: Record<string, unknown>, little: string, big: string][] = [
  [
    'scalars',
    { a: idl.char, b: idl.wchar, c: idl.status },
    { a: 'ä', b: '€', c: 0x8000_4005 },
    'e400 ac20 05400080',
    'e400 20ac 80004005',
  ],
  [
    'context handle',
    { h: idl.handle },
    { h: HANDLE },
    '00000000 443322116655887799aabbccddeeff00',
    '00000000 112233445566778899aabbccddeeff00',
  ],
  ['guid', { g: t.guid }, { g: HANDLE.uuid }, '443322116655887799aabbccddeeff00', '112233445566778899aabbccddeeff00'],
  ['date', { d: t.date }, { d: new Date(0) }, '00803ed5deb19d01', '019db1ded53e8000'],
  [
    'both sizes of enumerations',
    { a: Short, b: Wide },
    { a: 'five', b: 'big' },
    '05000000 78563412',
    '00050000 12345678',
  ],
  ['fixed array', { a: idl.array(t.uint16, { fixed: 3 }) }, { a: [1, 2, 3] }, '010002000300', '000100020003'],
  [
    'varying array',
    { n: t.uint8, a: idl.array(t.uint16, { fixed: 9, length: 'n' }) },
    { n: 2, a: [1, 2] },
    '02000000 00000000 02000000 01000200',
    '02000000 00000000 00000002 00010002',
  ],
  [
    'conformant array',
    { n: t.uint32, a: idl.bytes({ size: 'n' }) },
    { n: 3, a: new Uint8Array([1, 2, 3]) },
    '03000000 03000000 010203',
    '00000003 00000003 010203',
  ],
  [
    'conformant varying array',
    { a: idl.array(t.uint8, { size: 'max', length: 'n' }), max: t.uint16, n: t.uint16 },
    { a: [7], max: 5, n: 1 },
    '05000000 00000000 01000000 07 00 0500 0100',
    '00000005 00000000 00000001 07 00 0005 0001',
  ],
  [
    'conformant structure: its size stands in front',
    { s: t.struct({ x: t.uint32, a: idl.array(t.uint16, { size: 'x' }) }) },
    { s: { x: 3, a: [1, 2, 3] } },
    '03000000 03000000 0100 0200 0300',
    '00000003 00000003 0001 0002 0003',
  ],
  [
    'a conformant structure that ends another one',
    {
      s: t.struct({
        a: t.uint8,
        inner: t.struct({ n: t.uint16, p: t.optional(t.uint8), b: idl.bytes({ size: 'n' }) }),
      }),
    },
    { s: { a: 1, inner: { n: 2, p: 9, b: new Uint8Array([7, 8]) } } },
    '02000000 01 000000 0200 0000 00000200 0708 09',
    '00000002 01 000000 0002 0000 00020000 0708 09',
  ],
  [
    '8-bit string',
    { s: idl.string8 },
    { s: 'aé' },
    '03000000 00000000 03000000 61e900',
    '00000003 00000000 00000003 61e900',
  ],
  [
    'string in a fixed array: as many as there are',
    { s: idl.string(8, { fixed: 64 }), w: idl.string(16, { fixed: 4 }) },
    { s: 'ab', w: 'c' },
    '00000000 03000000 616200 00 00000000 02000000 63000000',
    '00000000 00000003 616200 00 00000000 00000002 00630000',
  ],
  [
    'characters of a fixed length are filled up',
    { s: idl.text(16, { fixed: 4 }), a: idl.text(8, { fixed: 3 }) },
    { s: 'ab', a: 'x' },
    '6100620000000000 780000',
    '0061006200000000 780000',
  ],
  [
    'counted text without NUL, as in RPC_UNICODE_STRING',
    {
      s: t.struct({
        length: t.uint16,
        size: t.uint16,
        text: t.optional(idl.text(16, { size: 'size / 2', length: 'length / 2' })),
      }),
    },
    { s: { length: 4, size: 6, text: 'a\0' } },
    '0400 0600 00000200 03000000 00000000 02000000 6100 0000',
    '0004 0006 00020000 00000003 00000000 00000002 0061 0000',
  ],
  ['reference pointer as a parameter: nothing', { a: idl.ref(t.uint16) }, { a: 5 }, '0500', '0005'],
  [
    'reference pointer as a member',
    { s: t.struct({ a: idl.ref(t.uint16), b: t.uint8 }) },
    { s: { a: 5, b: 1 } },
    '00000200 01 00 0500',
    '00020000 01 00 0005',
  ],
  [
    'pointer to pointer',
    { a: idl.ref(idl.box(t.optional(t.uint16))) },
    { a: { value: 3 } },
    '00000200 04000200 0300',
    '00020000 00020004 0003',
  ],
  [
    'pointer to null',
    { a: idl.box(t.optional(t.uint16)) },
    { a: { value: undefined } },
    '00000200 00000000',
    '00020000 00000000',
  ],
  ['null', { a: idl.box(t.optional(t.uint16)) }, { a: undefined }, '00000000', '00000000'],
  [
    'union: each arm aligned by itself',
    { u: idl.union(t.uint16, { 1: t.uint8, 2: t.int64, 3: t.void }) },
    { u: { case: 2, value: 1n } },
    '0200 000000000000 0100000000000000',
    '0002 000000000000 0000000000000001',
  ],
  [
    'union with an empty arm',
    { u: idl.union(t.uint16, { 3: t.void }), after: t.uint8 },
    { u: { case: 3, value: undefined }, after: 1 },
    '0300 01',
    '0003 01',
  ],
  [
    'union beside its discriminant, in a struct aligned to the widest arm',
    {
      a: t.uint8,
      s: t.struct({ which: Short, u: idl.union(Short, { none: t.uint8, five: t.int64 }, { switchIs: 'which' }) }),
    },
    { a: 9, s: { which: 'none', u: { case: 'none', value: 7 } } },
    '09 00000000000000 0000 0000 07',
    '09 00000000000000 0000 0000 07',
  ],
  [
    'union with a pointer: what it points to comes after the structure',
    {
      s: t.struct({ u: idl.union(t.uint32, { 1: t.optional(t.string) }, { fallback: t.void }), n: t.uint8 }),
    },
    { s: { u: { case: 1, value: 'a' }, n: 4 } },
    '01000000 00000200 04 000000 02000000 00000000 02000000 6100 0000',
    '00000001 00020000 04 000000 00000002 00000000 00000002 0061 0000',
  ],
  [
    'any other case',
    { u: idl.union(t.uint32, { 1: t.uint8 }, { fallback: t.uint16 }) },
    { u: { case: 77, value: 5 } },
    '4d000000 0500',
    '0000004d 0005',
  ],
]

describe('known answers', () => {
  for (const [name, args, value, little, big] of known) {
    test(name, () => {
      const marshaller = request(args)
      assert.equal(hex(encode(marshaller, value)), little.replaceAll(' ', ''))
      assert.equal(hex(encode(marshaller, value, false)), big.replaceAll(' ', ''))
      assert.deepEqual(decode(marshaller, bytes(little)), value)
      assert.deepEqual(decode(marshaller, bytes(big), false), value)
    })
  }

  test('out parameters, and what the function returns', () => {
    const marshaller = reply(idl.out({ info: t.optional(t.uint16), n: t.uint8 }, idl.status))
    const value = { info: 5, n: 1, result: 0 }
    assert.equal(hex(encode(marshaller, value)), '00000200' + '0500' + '01' + '00' + '00000000')
    assert.deepEqual(decode(marshaller, encode(marshaller, value)), value)
    assert.deepEqual(marshaller.zero, { info: undefined, n: 0, result: 0 })
  })

  test('every zero can be written and read', () => {
    for (const [name, args] of known) {
      const marshaller = reply(idl.out(args))
      assert.deepEqual(decode(marshaller, encode(marshaller, marshaller.zero)), marshaller.zero, name)
    }
  })
})

const counted = { n: t.uint32, a: idl.bytes({ size: 'n' }) }
const later = { a: idl.bytes({ size: 'n' }), n: t.uint32 }
const behind = { s: t.struct({ n: t.uint32, a: t.optional(idl.bytes({ size: 'n' })) }) }
const varying = { n: t.uint32, a: idl.bytes({ fixed: 4, length: 'n' }) }
const both = { m: t.uint32, n: t.uint32, a: idl.bytes({ size: 'm', length: 'n' }) }
const chosen = { s: t.struct({ k: t.uint32, u: idl.union(t.uint32, { 1: t.void, 2: t.void }, { switchIs: 'k' }) }) }

describe('what is refused', () => {
  const hostile: [name: string, args: Fields, hex: string, about: RegExp][] = [
    ['a size that the sibling denies', counted, '02000000 03000000 010203', /"n" says 2/],
    ['a size that a later parameter denies', later, '03000000 010203 00 02000000', /"n" says 2/],
    ['a size without bytes', counted, 'ffffffff ffffffff 01', /cannot be/],
    ['a null pointer with a size', behind, '03000000 00000000', /"n" says 3/],
    ['a pointer with another size', behind, '03000000 00000200 02000000 0102', /"n" says 3/],
    ['more than the array holds', varying, '05000000 00000000 05000000 0102030405', /in room for 4/],
    ['an offset', varying, '01000000 01000000 01000000 01', /at 1/],
    ['a length that the sibling denies', varying, '01000000 00000000 02000000 0102', /"n" says 1/],
    ['more items than room', both, '01000000 02000000 01000000 00000000 02000000 0102', /in room for 1/],
    ['a room that the sibling denies', both, '02000000 01000000 03000000 00000000 01000000 01', /"m" says 2/],
    [
      'a conformant structure without bytes',
      { s: t.struct({ x: t.uint32, a: idl.array(t.uint64, { size: 'x' }) }) },
      'ffffff7f 00000000 ffffff7f',
      /cannot be/,
    ],
    ['a fixed array cut short', { a: idl.array(t.uint16, { fixed: 3 }) }, '01000200', /cannot be/],
    ['a discriminant without a case', { u: idl.union(t.uint16, { 1: t.uint8 }) }, '0200 01', /discriminant 2/],
    ['a discriminant that the sibling denies', chosen, '01000000 02000000', /"k" says/],
    ['a value out of range', { a: idl.range(t.uint32, 1, 5) }, '06000000', /range from 1 to 5/],
    ['a number that no name has', { a: Short }, '0100', /value 1/],
    ['a null reference pointer', { s: t.struct({ a: idl.ref(t.uint8) }) }, '00000000 01', /null/],
    ['an 8-bit string without NUL', { s: idl.string8 }, '01000000 00000000 01000000 61', /without NUL/],
    ['an 8-bit string of 4 GiB', { s: idl.string8 }, 'ffffffff 00000000 ffffffff 61', /cannot be/],
    ['a surrogate in counted text', { s: idl.text(16, { size: true }) }, '01000000 00d8', /surrogate/],
    ['a context handle cut short', { h: idl.handle }, '00000000 0000', /needed/],
  ]
  for (const [name, args, text, about] of hostile) {
    test(`to read: ${name}`, () => {
      assert.throws(() => decode(request(args), bytes(text)), code('MALFORMED', about))
    })
  }

  const bad: [name: string, args: Fields, value: Record<string, unknown>][] = [
    ["a size that is not the array's", counted, { n: 2, a: new Uint8Array(3) }],
    ['null with a size', behind, { s: { n: 2, a: undefined } }],
    ['more than the array holds', varying, { n: 5, a: new Uint8Array(5) }],
    ['more items than room', both, { m: 1, n: 2, a: new Uint8Array(2) }],
    ['too few for a fixed array', { a: idl.array(t.uint8, { fixed: 2 }) }, { a: [1] }],
    ['too many for a fixed array', { a: idl.bytes({ fixed: 2 }) }, { a: new Uint8Array(3) }],
    ['too long for fixed characters', { a: idl.text(8, { fixed: 2 }) }, { a: 'abc' }],
    ['no room for the NUL', { a: idl.string(8, { fixed: 2 }) }, { a: 'ab' }],
    ['padding as text', { a: idl.text(8, { fixed: 2 }) }, { a: 'a\0' }],
    ['wide characters in 8 bits', { a: idl.string8 }, { a: '€' }],
    ['NUL in a string', { a: idl.string8 }, { a: 'a\0b' }],
    ['two characters for one', { a: idl.wchar }, { a: 'ab' }],
    ['a case that is not there', { u: idl.union(t.uint16, { 1: t.void }) }, { u: { case: 2 } }],
    ['a case beside another discriminant', chosen, { s: { k: 1, u: { case: 2, value: undefined } } }],
    ['a value out of range', { a: idl.range(t.int8, -1, 1) }, { a: 2 }],
    ['a handle without UUID', { h: idl.handle }, { h: { attributes: 0 } }],
    ['a bare value for a box', { a: idl.box(t.uint8) }, { a: 1 }],
  ]
  for (const [name, args, value] of bad) {
    test(`to write: ${name}`, () => {
      assert.throws(() => encode(request(args), value), code('BAD_VALUE'))
    })
  }

  function refused(args: Fields, about: RegExp, result: Type = t.void): void {
    assert.throws(
      () => contract('a.B', { version: '1.0' }, { m: method(args, result) }),
      (thrown) => thrown instanceof BusbarError && thrown.code === 'INVALID_ARGUMENT' && about.test(thrown.message),
    )
  }

  test('to declare', () => {
    const open = idl.bytes({ size: true })
    refused({ a: t.struct({ open, b: t.uint8 }) }, /last member/)
    refused({ a: t.array(open) }, /last member/)
    refused({ a: t.array(t.struct({ open })) }, /last member/)
    refused({ a: idl.union(t.uint8, { 1: open }) }, /last member/)
    refused({ a: idl.bytes({ size: 'n' }) }, /"n", which is not there/)
    refused({ n: t.string, a: idl.bytes({ size: 'n' }) }, /no integer/)
    refused({ n: t.uint8, a: idl.array(t.optional(idl.bytes({ size: 'n' })), { fixed: 1 }) }, /no siblings/)
    refused({ a: idl.out({ b: t.uint8 }) }, /whole result/)
    refused({ a: t.optional(idl.box(t.uint8)) }, /pointer/)
    let deep: Type = t.uint8
    for (let i = 0; i < 40; i++) deep = idl.ref(t.struct({ deep }))
    refused({ deep }, /deeper/)
    for (const declare of [
      () => idl.full(t.uint8),
      () => idl.ref(idl.ref(t.uint8)),
      () => idl.bytes({ fixed: 0 }),
      () => idl.bytes({ fixed: 1e9 }),
      () => idl.bytes({ size: 'a b' }),
      () => idl.bytes({ size: 'n / 0' }),
      () => idl.bytes({ size: '__proto__' }),
      () => idl.range(t.uint53, 0, 1),
      () => idl.range(t.uint8, 2, 1),
      () => idl.enumeration({ a: 1, b: 1 }),
      () => idl.enumeration({ a: 0x8000 }),
      () => idl.union(t.string, { a: t.uint8 }),
      () => idl.union(t.uint8, { 256: t.uint8 }),
      () => idl.union(Short, { six: t.uint8 }),
      () => idl.out({ result: t.uint8 }, t.uint8),
      () => t.map(t.bytes, t.uint8),
      () => t.union('kind', {}),
      () => t.union('kind', { a: { kind: t.uint8 } }),
      () => t.union('a b', { a: {} }),
    ]) {
      assert.throws(declare, code('INVALID_ARGUMENT'), String(declare))
    }
  })
})

describe('types of TypeScript', () => {
  const Shape = t.union('kind', { circle: { r: t.float64 }, named: { name: t.string }, none: {} })
  const cases: [name: string, type: Type, value: unknown, hex: string][] = [
    [
      'map',
      t.map(t.string, t.uint8),
      new Map([['a', 1]]),
      '01000000 00000200 01000000 04000200 01 000000 02000000 00000000 02000000 6100 0000',
    ],
    ['empty map', t.map(t.uint8, t.uint8), new Map(), '00000000 00000200 00000000'],
    ['union', Shape, { kind: 'circle', r: 1.5 }, '0000 000000000000 000000000000f83f'],
    [
      'union with a pointer',
      Shape,
      { kind: 'named', name: 'a' },
      '0100 0000 00000200 02000000 00000000 02000000 6100 0000',
    ],
    ['union of nothing', Shape, { kind: 'none' }, '0200'],
    ['json', t.json, { a: [1, null] }, '0e000000 00000200 0e000000 7b2261223a5b312c6e756c6c5d7d'],
  ]
  for (const [name, type, value, expected] of cases) {
    test(name, () => {
      const marshaller = request({ value: type })
      assert.equal(hex(encode(marshaller, { value })), expected.replaceAll(' ', ''))
      assert.deepEqual(decode(marshaller, bytes(expected)), { value })
    })
  }

  test('what is refused', () => {
    const circle: Record<string, unknown> = {}
    circle['circle'] = circle
    for (const [type, value] of [
      [t.map(t.string, t.uint8), { a: 1 }],
      [t.map(t.string, t.uint8), new Map([[1, 1]])],
      [Shape, { kind: 'square' }],
      [Shape, { r: 1 }],
      [Shape, { kind: 'circle' }],
      [t.json, undefined],
      [t.json, 1n],
      [t.json, circle],
    ] as [Type, unknown][]) {
      assert.throws(() => encode(request({ value: type }), { value }), code('BAD_VALUE'))
    }
    for (const [type, stub] of [
      [t.map(t.uint8, t.uint8), '02000000 00000200 02000000 01020103'],
      [Shape, '0300'],
      [t.json, '01000000 00000200 01000000 7b'],
      [t.json, '01000000 00000200 01000000 ff'],
    ] as [Type, string][]) {
      assert.throws(() => decode(request({ value: type }), bytes(stub)), code('MALFORMED'))
    }
  })
})
