import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Reader, Writer } from '../../bytes/index.ts'
import { BusbarError } from '../../errors/index.ts'
import { contract } from '../contract/contract.ts'
import { method } from '../contract/method.ts'
import { t } from '../contract/t.ts'
import type { Type } from '../contract/type.ts'
import type { RefPort } from './codec.ts'
import { samples } from './samples.test.ts'
import { bytes, code, decode, encode, hex, noRefs, request } from './harness.test.ts'

describe('known answers', () => {
  const cases: [name: string, type: Type, value: unknown, hex: string][] = [
    ['bool', t.bool, true, '01'],
    ['int8', t.int8, -2, 'fe'],
    ['int16', t.int16, -2, 'feff'],
    ['int32', t.int32, -2, 'feffffff'],
    ['uint8', t.uint8, 200, 'c8'],
    ['uint16', t.uint16, 0x1234, '3412'],
    ['uint32', t.uint32, 0xdeadbeef, 'efbeadde'],
    ['uint53', t.uint53, 2 ** 53 - 1, 'ffffffffffff1f00'],
    ['int64', t.int64, -2n, 'feffffffffffffff'],
    ['uint64', t.uint64, 0x0102030405060708n, '0807060504030201'],
    ['float32', t.float32, 1.5, '0000c03f'],
    ['float64', t.float64, -1.5, '000000000000f8bf'],
    // FILETIME of the Unix epoch and of a date in this century.
    ['date at the epoch', t.date, new Date(0), '00803ed5deb19d01'],
    ['date', t.date, new Date('2024-05-06T07:08:09.123Z'), '30577f26849fda01'],
    // python3-samba 4.17: ndr_pack(misc.GUID(...))
    ['guid', t.guid, '11223344-5566-7788-99aa-bbccddeeff00', '443322116655887799aabbccddeeff00'],
    ['enumeration', t.enumeration('read', 'write'), 'write', '0100'],
    // python3-samba 4.17: ndr_pack_in(echo.TestCall(in_s1='abc'))
    ['string', t.string, 'abc', '04000000 00000000 04000000 6100 6200 6300 0000'],
    ['empty string', t.string, '', '01000000 00000000 01000000 0000'],
    ['bytes', t.bytes, new Uint8Array([1, 2, 3]), '03000000 00000200 03000000 010203'],
    ['no bytes', t.bytes, new Uint8Array(0), '00000000 00000200 00000000'],
    ['absent', t.optional(t.uint8), undefined, '00000000'],
    ['present', t.optional(t.uint8), 7, '00000200 07'],
    ['struct', t.struct({ a: t.uint8, b: t.uint32 }), { a: 1, b: 2 }, '01000000 02000000'],
    // Pointees of an array come after the whole array (C706, 14.3.12.3).
    [
      'strings',
      t.array(t.string),
      ['a', 'b'],
      '02000000 00000200 02000000 04000200 08000200' +
        '02000000 00000000 02000000 6100 0000 02000000 00000000 02000000 6200 0000',
    ],
  ]
  for (const [name, type, value, expected] of cases) {
    test(name, () => {
      const marshaller = request({ value: type })
      assert.equal(hex(encode(marshaller, { value })), expected.replaceAll(' ', ''))
      assert.deepEqual(decode(marshaller, bytes(expected)), { value })
    })
  }

  test('parameters are aligned from the start of the stub, each followed by what it points to', () => {
    const marshaller = request({ a: t.uint8, b: t.optional(t.uint16), c: t.uint53, d: t.bool })
    const value = { a: 1, b: 2, c: 3, d: false }
    const expected = '01000000 00000200 0200 000000000000 0300000000000000 00'
    assert.equal(hex(encode(marshaller, value)), expected.replaceAll(' ', ''))
    assert.deepEqual(decode(marshaller, bytes(expected)), value)
  })

  test('a real call, packed by Samba: srvsvc NetShareEnumAll, both byte orders', () => {
    const share = t.struct({ name: t.optional(t.string), type: t.uint32, comment: t.optional(t.string) })
    const marshaller = request({
      server: t.optional(t.string),
      info: t.struct({ level: t.uint32, which: t.uint32, shares: t.optional(t.array(share)) }),
      maxBuffer: t.uint32,
      resume: t.optional(t.uint32),
    })
    const value = {
      server: '\\\\h',
      info: {
        level: 1,
        which: 1,
        shares: [
          { name: 'C$', type: 3, comment: 'x' },
          { name: 'long', type: 0, comment: undefined },
        ],
      },
      maxBuffer: 0xffffffff,
      resume: 5,
    }
    const little =
      '000002000400000000000000040000005c005c00680000000100000001000000040002000200000008000200020000000c00020003000000' +
      '100002001400020000000000000000000300000000000000030000004300240000000000020000000000000002000000780000000500000000' +
      '000000050000006c006f006e00670000000000ffffffff1800020005000000'
    const big =
      '00020000000000040000000000000004005c005c006800000000000100000001000200040000000200020008000000020002000c00000003' +
      '000200100002001400000000000000000000000300000000000000030043002400000000000000020000000000000002007800000000000500' +
      '00000000000005006c006f006e006700000000ffffffff0002001800000005'
    assert.deepEqual(decode(marshaller, bytes(little)), value)
    assert.deepEqual(decode(marshaller, bytes(big), false), value)
    assert.equal(hex(encode(marshaller, value)), little)
  })

  test('an interface pointer is a conformant structure: its size stands in front of it', () => {
    const File = contract('test.File', { version: '1.0' }, { read: method({}, t.void) })
    const procedure = contract('test.Opener', { version: '1.0' }, { open: method({}, t.ref(File)) }).procedures[0]!
    const port: RefPort = { give: (_, value) => value as Uint8Array, take: (_, reference) => reference }
    const expected = '00000200 05000000 05000000 0102030405'
    const reference = new Uint8Array([1, 2, 3, 4, 5])
    assert.equal(hex(encode(procedure.reply, reference, true, port)), expected.replaceAll(' ', ''))
    assert.deepEqual(decode(procedure.reply, bytes(expected), true, port), reference)
    assert.equal(hex(encode(procedure.reply, procedure.reply.zero)), '00000000')
    assert.throws(() => decode(procedure.reply, bytes('00000000')), code('MALFORMED', /null reference/))
  })
})

describe('what is refused', () => {
  const bad: [name: string, type: Type, value: unknown][] = [
    ['a number as text', t.uint32, '1'],
    ['a fraction', t.uint32, 1.5],
    ['too large', t.uint8, 256],
    ['negative', t.uint53, -1],
    ['NaN', t.int32, Number.NaN],
    ['a number as bigint', t.int64, 1],
    ['a bigint too large', t.int64, 2n ** 63n],
    ['an invalid date', t.date, new Date(Number.NaN)],
    ['a date before 1601', t.date, new Date('1600-12-31T23:59:59.999Z')],
    ['a date beyond 64 bits', t.date, new Date('+060057-01-01T00:00:00Z')],
    ['a broken guid', t.guid, '1122'],
    ['NUL in text', t.string, 'a\0b'],
    ['a lone surrogate', t.string, 'a\ud800'],
    ['a missing string', t.string, undefined],
    ['an array as bytes', t.bytes, [1, 2]],
    ['an unknown name', t.enumeration('a'), 'toString'],
    ['null for a struct', t.struct({ a: t.uint8 }), null],
    ['null for an optional', t.optional(t.uint8), null],
    ['an object for an array', t.array(t.uint8), { length: 1 }],
  ]
  for (const [name, type, value] of bad) {
    test(`to write: ${name}`, () => {
      const marshaller = request({ value: type })
      marshaller.measure({ value })
      const writer = new Writer()
      assert.throws(() => marshaller.write(writer, { value }, noRefs), code('BAD_VALUE', /value/))
    })
  }

  const hostile: [name: string, type: Type, hex: string, about: RegExp][] = [
    ['short', t.uint32, '010203', /needed/],
    ['uint53 above 2^53', t.uint53, '0000000000002000', /2\^53/],
    ['unknown position of an enumeration', t.enumeration('a'), '0100', /value 1/],
    ['a count without bytes', t.bytes, 'ffffffff 01000000 ffffffff', /cannot be in 0 bytes/],
    ['a huge array', t.array(t.uint8), 'ffffffff 01000000 ffffffff 00', /cannot be in 1 bytes/],
    ['a huge array of structs', t.array(t.struct({ a: t.uint32 })), '00000040 01000000 00000040 00000000', /cannot be/],
    ['two counts that differ', t.array(t.uint8), '01000000 01000000 02000000 0102', /differ/],
    ['a null pointer with a count', t.bytes, '03000000 00000000 03000000 010203', /null/],
    ['a null pointer in place of text', t.struct({ a: t.string }), `00000000 ${'00'.repeat(14)}`, /null/],
    ['a string without NUL', t.string, '01000000 00000000 01000000 6100', /without NUL/],
    ['a string of nothing', t.string, '00000000 00000000 00000000', /without NUL/],
    ['a string with an offset', t.string, '02000000 01000000 01000000 0000', /at 1/],
    ['a string longer than its room', t.string, '01000000 00000000 02000000 61000000', /room for 1/],
    ['a string of 4 GiB', t.string, 'ffffffff 00000000 ffffffff 6100', /cannot be/],
    ['NUL inside a string', t.string, '03000000 00000000 03000000 610000000000', /NUL inside/],
    ['a lone surrogate', t.string, '02000000 00000000 02000000 00d80000', /surrogate/],
  ]
  for (const [name, type, text, about] of hostile) {
    test(`to read: ${name}`, () => {
      assert.throws(() => decode(request({ value: type }), bytes(text)), code('MALFORMED', about))
    })
  }

  test('missing arguments say which there are', () => {
    assert.throws(() => encode(request({ a: t.uint8, b: t.uint8 }), undefined), code('BAD_VALUE', /with a, b/))
  })
})

describe('properties', () => {
  test('every value of every type comes back', () => {
    fc.assert(
      fc.property(samples, fc.nat(3), ({ type, value }, shift) => {
        const marshaller = request({ shift: t.bytes, value: type })
        const args = { shift: new Uint8Array(shift), value }
        assert.deepEqual(decode(marshaller, encode(marshaller, args)), args)
      }),
      { seed: 7, numRuns: 600 },
    )
  })

  test('any damage to the bytes gives MALFORMED or a value of the type', () => {
    fc.assert(
      fc.property(
        samples,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
        fc.nat(),
        (made, edits, cut) => {
          const marshaller = request({ value: made.type })
          const damaged = encode(marshaller, { value: made.value }).slice()
          for (const [at, byte] of edits) damaged[at % damaged.length] = byte
          const kept = damaged.subarray(0, damaged.length - (cut % 5 === 0 ? cut % damaged.length : 0))
          try {
            const value = marshaller.read(new Reader(kept), noRefs)
            encode(marshaller, value)
          } catch (thrown) {
            assert.ok(thrown instanceof BusbarError && thrown.code === 'MALFORMED', String(thrown))
          }
        },
      ),
      { seed: 8, numRuns: 1500 },
    )
  })
})
