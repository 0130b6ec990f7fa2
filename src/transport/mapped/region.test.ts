import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CELLS, FEATURES, PAGE_BYTES } from '../../ring/index.ts'
import { formatRegion, openRegion, regionBytes } from './region.ts'

const KEY = new Uint8Array(16).map((_, index) => index)
const RING = 2 * PAGE_BYTES

function region(): Uint8Array {
  const bytes = new Uint8Array(regionBytes(RING))
  formatRegion(bytes, RING, KEY)
  return bytes
}

describe('a region', () => {
  test('says what it is, by known bytes', () => {
    const bytes = region()
    const head = Buffer.from(bytes.subarray(0, 32)).toString('hex')
    assert.equal(head, `${'42425231'}01000000${'00200000'}00000000${'000102030405060708090a0b0c0d0e0f'}`)
    const [first, second] = openRegion(bytes, KEY)
    for (const ring of [first, second]) assert.equal(ring.load(CELLS.FEATURE_BITS), FEATURES.PENDING_SEND)
  })

  test('has two rings that do not overlap', () => {
    const [first, second] = openRegion(region(), KEY)
    first.put(RING - 8, 1, 2)
    second.put(0, 3, 4)
    assert.deepEqual([first.get(RING - 8), first.get(RING - 4), second.get(0), second.get(4)], [1, 2, 3, 4])
    assert.equal(second.load(CELLS.WRITE_INDEX), 0)
  })

  for (const [what, code, spoil] of [
    ['another magic', 'MALFORMED', (bytes) => bytes.fill(1, 0, 4)],
    ['a foreign version', 'VERSION', (bytes) => bytes.fill(2, 4, 5)],
    ['rings of no page', 'MALFORMED', (bytes) => bytes.fill(0, 8, 12)],
    ['rings that are no pages', 'MALFORMED', (bytes) => bytes.fill(1, 8, 9)],
    ['rings larger than itself', 'MALFORMED', (bytes) => bytes.fill(0x30, 9, 10)],
    ['rings larger than anything', 'MALFORMED', (bytes) => bytes.fill(0xf0, 8, 12)],
    ['the key of another channel', 'STALE_EPOCH', (bytes) => bytes.fill(9, 31, 32)],
  ] as readonly [string, string, (bytes: Uint8Array) => void][]) {
    test(`with ${what} is refused as ${code}`, () => {
      const bytes = region()
      spoil(bytes)
      assert.throws(() => openRegion(bytes, KEY), { code })
    })
  }

  test('that is too small is refused, at any length', () => {
    const bytes = region()
    for (const length of [
      0,
      31,
      PAGE_BYTES,
      regionBytes(PAGE_BYTES) - 1,
      regionBytes(PAGE_BYTES),
      bytes.length - PAGE_BYTES,
    ]) {
      assert.throws(() => openRegion(bytes.subarray(0, length), KEY), { code: 'MALFORMED' }, `${length} bytes`)
    }
  })
})
