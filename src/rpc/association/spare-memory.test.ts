import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { nodeEnv } from '../../transport/index.ts'
import { AssociationGroups } from './groups.ts'
import { TestEnv } from './harness.test.ts'
import { sentFrom, SpareMemory } from './spare-memory.ts'

/** Time that stands still, and memory that can be taken away. */
class Reclaiming extends TestEnv {
  readonly reclaim = nodeEnv().reclaim as (memory: Uint8Array) => Uint8Array
}

describe('memory that requests were done with', () => {
  test('is taken away from everybody who had it, and given for what is not much shorter', () => {
    const spare = new SpareMemory(new Reclaiming(), 10_000)
    const buffer = new Uint8Array(4_000).fill(7)
    const seen = buffer.subarray(100, 200)
    spare.keep(seen)
    assert.deepEqual([buffer.length, seen.length, seen.buffer.byteLength, spare.bytes], [0, 0, 0, 4_000])
    assert.equal(spare.take(4_001), undefined)
    assert.equal(spare.take(1_999), undefined)
    const again = spare.take(2_000)
    assert.equal(again?.length, 4_000)
    assert.equal(spare.bytes, 0)
    assert.equal(spare.take(2_000), undefined)
  })

  test('the oldest goes first, and what is too long is not kept at all', () => {
    const spare = new SpareMemory(new Reclaiming(), 10_000)
    for (const length of [4_000, 3_000, 5_000]) spare.keep(new Uint8Array(length))
    assert.equal(spare.bytes, 8_000)
    assert.equal(spare.take(4_000)?.length, 5_000)
    const long = new Uint8Array(10_001)
    spare.keep(long)
    assert.deepEqual([spare.bytes, long.length], [3_000, 10_001])
  })

  test('none is kept that a request was sent from, or that was given to somebody else', () => {
    const env = new Reclaiming()
    const spare = new SpareMemory(env, 100_000)
    const long = new Uint8Array(40_000)
    const short = new Uint8Array(4_000)
    sentFrom([short.subarray(0, 100), long.subarray(1, 20_001)])
    spare.keep(long.subarray(10))
    assert.deepEqual([spare.bytes, long.length], [0, 40_000])
    const given = new Uint8Array(1_000)
    structuredClone(given.buffer, { transfer: [given.buffer] })
    spare.keep(given)
    assert.equal(env.timers, 0)
    // What is short was copied.
    spare.keep(short)
    assert.equal(spare.bytes, 4_000)
  })

  test('what nobody used for a second goes', () => {
    const env = new Reclaiming()
    const spare = new SpareMemory(env, 10_000)
    spare.keep(new Uint8Array(1_000))
    spare.keep(new Uint8Array(1_000))
    spare.take(1_000)
    env.advance(1_000)
    assert.equal(spare.bytes, 1_000)
    env.advance(1_000)
    assert.equal(spare.bytes, 0)
    assert.equal(env.timers, 0)
  })

  test('without a way to take it away, none is kept', () => {
    const spare = new SpareMemory(new TestEnv(), 10_000)
    const memory = new Uint8Array(1_000)
    spare.keep(memory)
    assert.deepEqual([spare.bytes, memory.length], [0, 1_000])
  })

  test('counts as held by the caller, gives way to requests, and goes with the last link', () => {
    const groups = new AssociationGroups(new Reclaiming(), { reassembly: 10_000, spare: 8_000 })
    const group = groups.open()
    groups.keep(new Uint8Array(3_000))
    assert.equal(groups.held, 3_000)
    assert.equal(groups.hold(7_000), true)
    assert.equal(groups.held, 10_000)
    // There is no room for more, and none is made by what cannot have it.
    groups.keep(new Uint8Array(1))
    assert.equal(groups.hold(3_001), false)
    assert.equal(groups.held, 10_000)
    assert.equal(groups.hold(3_000), true)
    assert.equal(groups.held, 10_000)
    groups.release(10_000)
    groups.keep(new Uint8Array(3_000))
    groups.leave(group)
    assert.equal(groups.held, 0)
  })
})
