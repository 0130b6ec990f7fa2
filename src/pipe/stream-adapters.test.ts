import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { BusbarError } from '../errors/index.ts'
import { toNode, toWeb } from './stream-adapters.ts'

/** Chunks, the number of those that were taken, and whether it was left. */
function source(
  count: number,
  failure?: BusbarError,
): AsyncGenerator<Uint8Array, undefined> & { taken: number; left: boolean } {
  async function* chunks(): AsyncGenerator<Uint8Array, undefined> {
    try {
      for (let i = 0; i < count; i++) {
        made.taken++
        yield new Uint8Array(i % 5 === 3 ? 0 : 1000).fill(i)
      }
      if (failure !== undefined) throw failure
    } finally {
      made.left = true
    }
    return undefined
  }
  const made = Object.assign(chunks(), { taken: 0, left: false })
  return made
}

const items = (from: ReturnType<typeof source>) => ({ next: () => from.next(), return: () => from.return(undefined) })

describe('a stream as a WHATWG stream', () => {
  test('gives every item, and nothing before it is read', async () => {
    const from = source(10)
    const web = toWeb(items(from))
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(from.taken, 0)
    const sizes: number[] = []
    for await (const chunk of web) sizes.push(chunk.length)
    assert.deepEqual(sizes, [1000, 1000, 1000, 0, 1000, 1000, 1000, 1000, 0, 1000])
  })

  test('cancelling releases the producer, and a failure arrives as it is', async () => {
    const from = source(1_000_000)
    const web = toWeb(items(from))
    const reader = web.getReader()
    await reader.read()
    await reader.cancel()
    assert.deepEqual([from.left, from.taken], [true, 1])
    const failing = toWeb(items(source(1, new BusbarError('DENIED', 'no more')))).getReader()
    await failing.read()
    await assert.rejects(failing.read(), { code: 'DENIED' })
  })
})

describe('a stream as a Node stream', () => {
  test('gives all bytes as Buffers, empty chunks in between', async () => {
    let size = 0
    for await (const chunk of toNode(items(source(100)))) {
      assert.ok(Buffer.isBuffer(chunk))
      size += chunk.length
    }
    assert.equal(size, 80_000)
  })

  test('destroying releases the producer; a reader that stops stops it', async () => {
    const from = source(1_000_000)
    const node = toNode(items(from))
    await once(node, 'readable')
    await new Promise((resolve) => setImmediate(resolve))
    const { taken } = from
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(from.taken, taken)
    assert.ok(taken < 200)
    node.destroy()
    await once(node, 'close')
    assert.ok(from.left)
  })

  test('a failure is its error', async () => {
    const node = toNode(items(source(2, new BusbarError('DENIED', 'no more'))))
    await assert.rejects(
      async () => {
        for await (const _ of node) void _
      },
      { code: 'DENIED' },
    )
  })
})
