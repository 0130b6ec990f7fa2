import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runInNewContext } from 'node:vm'
import { BulkMemory } from './bulk-memory.ts'

const MIB = 1_048_576

function taken(memory: BulkMemory, bytes: number, total: number): void {
  for (let done = 0; done < total; done += bytes) memory.take(bytes)
}

test('the young part of the heap is collected behind every 6 MiB of bulk, and for nothing shorter', () => {
  let found = 0
  let collected = 0
  const memory = new BulkMemory(() => {
    found++
    return () => collected++
  })
  taken(memory, 1024, 64 * MIB)
  assert.equal(found, 0)
  taken(memory, 65_536, 6 * MIB - 65_536)
  assert.equal(found, 0)
  memory.take(65_536)
  assert.deepEqual([found, collected], [1, 1])
  taken(memory, MIB, 12 * MIB)
  assert.deepEqual([found, collected], [1, 3])
})

test('without a way to collect, memory is given all the same, and asked for no more', () => {
  let found = 0
  const memory = new BulkMemory(() => {
    found++
    return undefined
  })
  for (let i = 0; i < 32; i++) assert.equal(memory.take(MIB).length, MIB)
  assert.equal(found, 1)
})

test('each has memory of its own', () => {
  const memory = new BulkMemory()
  const [a, b] = [memory.take(100), memory.take(100)]
  assert.notEqual(a?.buffer, b?.buffer)
  assert.equal(a?.buffer.byteLength, 100)
})

test('what dies young is given back long before V8 would, and programs see nothing of it', () => {
  const seen = (): unknown[] => [typeof globalThis.gc, runInNewContext('typeof gc')]
  const before = seen()
  const memory = new BulkMemory()
  // What the allocator learns from is collected with the first of it.
  taken(memory, 65_536, 12 * MIB)
  const start = process.memoryUsage().arrayBuffers
  let most = 0
  for (let i = 0; i < 2048; i++) {
    memory.take(65_536)
    if (i % 16 === 0) most = Math.max(most, process.memoryUsage().arrayBuffers - start)
  }
  // V8 waits for 32 MiB by itself.
  assert.ok(most < 24 * MIB, `${most} bytes`)
  assert.deepEqual(seen(), before)
})
