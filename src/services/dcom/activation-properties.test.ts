import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { BusbarError } from '../../errors/index.ts'
import { decodeActivation, encodeReply } from './activation-properties.ts'
import { bindingsOf } from './bindings.ts'
import { MAX_PROPERTIES } from './limits.ts'

/** What impacket 0.10 sends with RemoteCreateInstance, its random referents included. */
const IMPACKET = Buffer.from(
  [
    '4d454f5704000000a201000000000000c0000000000000463803000000000000c0000000000000460000000078010000',
    '680100000000000001100800cccccccc88000000cccccccc680100009800000000000000020000000400000000000000',
    '000000000000000000000000d1bc0000c7c900000000000004000000ab01000000000000c000000000000046a5010000',
    '00000000c000000000000046a401000000000000c000000000000046aa01000000000000c00000000000004604000000',
    '5800000028000000200000003000000001100800cccccccc44000000cccccccc0a5c1f9d000000408000000000000001',
    '0000000000000000000000000100000000000000cc6700000000000005000700010000000e1f1c5b778a374f9a3d2f5f',
    '4f6d1c01fafafafa01100800cccccccc18000000cccccccc000000000000000000000000000000000000000000000000',
    '01100800cccccccc10000000cccccccc0000000000000000000000000000000001100800cccccccc1a000000cccccccc',
    '00000000d0910000000000000100aaaa577b0000010000000700fafafafafafa',
  ].join(''),
  'hex',
)
/** Where its parts are, `bytes` from the start: number of properties, size of the header, the first size, number of interfaces. */
const AT = { count: 88, headerSize: 76, firstSize: 192, iids: 252 } as const

function changed(at: number, value: number): Uint8Array {
  const bytes = Buffer.from(IMPACKET)
  bytes.writeUInt32LE(value, at)
  return bytes
}

describe('activation properties', () => {
  test("impacket's, byte for byte", () => {
    assert.deepEqual(decodeActivation(IMPACKET), {
      classId: '9d1f5c0a-0000-4000-8000-000000000001',
      iids: ['5b1c1f0e-8a77-4f37-9a3d-2f5f4f6d1c01'],
      protseqs: [7],
    })
  })

  const hostile: [string, Uint8Array][] = [
    ['nothing', new Uint8Array()],
    ['another signature', changed(0, 0)],
    ['a standard OBJREF', changed(4, 1)],
    ['another class', changed(24, 0x339)],
    ['an extension', changed(40, 8)],
    ['no properties', changed(AT.count, 0)],
    ['more properties than there may be', changed(AT.count, 11)],
    ['more properties than sizes', changed(AT.count, 5)],
    ['a header that ends behind everything', changed(AT.headerSize, 0xffff_ffff)],
    ['a header that ends inside itself', changed(AT.headerSize, 8)],
    ['a property that ends behind everything', changed(AT.firstSize, 0xffff_ffff)],
    ['a property without room', changed(AT.firstSize, 0)],
    ['more interfaces than their array has', changed(AT.iids, 2)],
    ['4 billion interfaces', changed(AT.iids, 0xffff_ffff)],
    ['too much of everything', Buffer.concat([IMPACKET, new Uint8Array(MAX_PROPERTIES)])],
  ]
  for (const [what, bytes] of hostile) {
    test(`refuses ${what}`, () => {
      assert.throws(() => decodeActivation(bytes), { name: 'BusbarError', code: /^(MALFORMED|LIMIT|BAD_VALUE)$/ })
    })
  }

  test('cut anywhere, changed anywhere: a request, or a coded error', () => {
    const check = (bytes: Uint8Array): void => {
      try {
        const { iids, protseqs } = decodeActivation(bytes)
        assert.ok(iids.length * 16 <= bytes.length && protseqs.length * 2 <= bytes.length)
      } catch (thrown) {
        assert.ok(thrown instanceof BusbarError && thrown.code !== 'INTERNAL', String(thrown))
      }
    }
    for (let length = 0; length < IMPACKET.length; length++) check(IMPACKET.subarray(0, length))
    const patch = fc.tuple(fc.nat(IMPACKET.length - 1), fc.integer({ min: 0, max: 255 }))
    fc.assert(
      fc.property(fc.array(patch, { minLength: 1, maxLength: 8 }), (patches) => {
        const bytes = Buffer.from(IMPACKET)
        for (const [at, value] of patches) bytes[at] = value
        check(bytes)
      }),
      { numRuns: 2_000, seed: 1 },
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), check), { numRuns: 500, seed: 1 })
  })

  test('an answer says how long its parts are', () => {
    const blob = Buffer.from(
      encodeReply({
        interfaces: [
          { iid: '5b1c1f0e-8a77-4f37-9a3d-2f5f4f6d1c01', hresult: 0, objref: Uint8Array.of(1, 2, 3) },
          { iid: '5b1c1f0e-8a77-4f37-9a3d-2f5f4f6d1cff', hresult: 0x8000_4002, objref: undefined },
        ],
        oxid: 1n,
        bindings: bindingsOf('127.0.0.1[135]'),
        remUnknown: '5b1c1f0e-8a77-4f37-9a3d-2f5f4f6d1c00',
        authnHint: 1,
        version: { MajorVersion: 5, MinorVersion: 7 },
      }),
    )
    const [size, total, headerSize] = [48, 72, 76].map((at) => blob.readUInt32LE(at))
    assert.equal(size, blob.length - 56)
    assert.equal(total, size)
    const sizes = [0, 4].map((at) => blob.readUInt32LE(56 + (headerSize ?? 0) - 8 + at))
    assert.equal((headerSize ?? 0) + (sizes[0] ?? 0) + (sizes[1] ?? 0), total)
  })
})

describe('bindings', () => {
  test('one address over TCP, no security', () => {
    const { wNumEntries, wSecurityOffset, aStringArray } = bindingsOf('a[1]')
    assert.deepEqual([wNumEntries, wSecurityOffset], [8, 7])
    assert.deepEqual(aStringArray, [7, 0x61, 0x5b, 0x31, 0x5d, 0, 0, 0])
  })

  for (const address of ['', 'a\0b', 'x'.repeat(265)]) {
    test(`refuses ${JSON.stringify(address.slice(0, 10))} of ${address.length}`, () => {
      assert.throws(() => bindingsOf(address), { code: 'INVALID_ARGUMENT' })
    })
  }
})
