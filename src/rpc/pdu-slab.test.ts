import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PduSlab } from './pdu-slab.ts'

/** Gathers one PDU of four equal bytes, which leaves; what left. */
function leaving(slab: PduSlab, value: number): Uint8Array {
  const at = slab.reserve(4)
  slab.bytes.fill(value, at, at + 4)
  return slab.leave() ?? assert.fail('nothing was gathered')
}

test('what was copied on its way is written over, and what the link keeps is not', () => {
  const slab = new PduSlab(() => assert.fail('the slab has room'))
  const kept = leaving(slab, 1)
  const copied = leaving(slab, 2)
  slab.again(copied.length)
  const next = leaving(slab, 3)
  assert.equal(next.byteOffset, copied.byteOffset)
  assert.deepEqual([...kept, ...next], [1, 1, 1, 1, 3, 3, 3, 3])
})

test('nothing is written over while more is gathered behind it, or a writer is at work', () => {
  const slab = new PduSlab(() => {})
  const left = leaving(slab, 1)
  slab.reserve(4)
  slab.again(left.length)
  assert.equal(slab.gathered, 4)
  slab.leave()
  slab.begin(0)
  const at = slab.take(4)
  slab.again(4)
  assert.equal(slab.add(at + 4), at)
  assert.deepEqual(left, new Uint8Array(4).fill(1))
})
