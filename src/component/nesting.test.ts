import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Client, contract, method, t } from '../rpc/index.ts'
import { ClassTable } from './classes.ts'
import { code, counts, end, settle, world } from './harness.test.ts'

const Back = contract('test.Back', { version: '1.0' }, { up: method({ depth: t.uint32 }, t.uint32) })
const Nest = contract(
  'test.Nest',
  { version: '1.0' },
  { down: method({ depth: t.uint32, back: t.ref(Back) }, t.uint32), hang: method({ back: t.ref(Back) }, t.void) },
)

function nest(events: string[] = []) {
  const classes = new ClassTable()
  let deepest = 0
  classes.offer(Nest, {
    down: async ({ depth, back }) => {
      using here: Client<typeof Back> = back
      deepest = Math.max(deepest, depth)
      return 1 + (await here.up({ depth }))
    },
    hang: async ({ back }, { signal }) => {
      signal.addEventListener('abort', () => events.push('called side'))
      await back.up({ depth: 0 }).catch((thrown: { code: string }) => events.push(`calling back: ${thrown.code}`))
    },
  })
  return { ...world({ classes }), deepest: () => deepest }
}

/** At each step the caller calls, is called back within that call, and calls again within that one. */
test('calls within calls within calls, 50 deep in each direction, do not wait for one another', async () => {
  const all = nest()
  const proxy = await all.client.activate(Nest)
  const back = {
    up: async ({ depth }: { depth: number }): Promise<number> =>
      depth === 50 ? 0 : 1 + (await proxy.down({ depth: depth + 1, back })),
  }
  assert.equal(await proxy.down({ depth: 1, back }), 99)
  assert.equal(all.deepest(), 50)
  await settle()
  assert.deepEqual([counts(all)['given'], all.client.inspect().objects, all.server.inspect().imports], [1, 0, {}])
  await end(all)
})

test('several such towers at the same time', async () => {
  const all = nest()
  const proxy = await all.client.activate(Nest)
  const tower = (height: number): Promise<number> => {
    const back = {
      up: async ({ depth }: { depth: number }): Promise<number> =>
        depth === height ? 0 : 1 + (await proxy.down({ depth: depth + 1, back })),
    }
    return proxy.down({ depth: 1, back })
  }
  const heights = [1, 2, 5, 20, 40, 7]
  assert.deepEqual(
    await Promise.all(heights.map(tower)),
    heights.map((height) => 2 * height - 1),
  )
  await end(all)
})

for (const [what, cut] of [
  ['the pipe', ({ links }) => links[0].close()],
  ['the return channel', ({ returned }) => returned[0]?.[1].close()],
  ['the pipe, from the other side', ({ links }) => links[1].close()],
] as [string, (all: ReturnType<typeof nest>) => void][]) {
  test(`calls that wait in both directions end at once when ${what} closes`, async () => {
    const events: string[] = []
    const all = nest(events)
    const proxy = await all.client.activate(Nest)
    const back = {
      up: (_: unknown, { signal }: { signal: AbortSignal }): Promise<number> => {
        signal.addEventListener('abort', () => events.push('called back'))
        return new Promise(() => {})
      },
    }
    const hanging = proxy.hang({ back })
    hanging.catch(() => {})
    await settle()
    cut(all)
    await assert.rejects(hanging, (thrown: { code: string }) => ['CLOSED', 'RESET', 'PEER_DIED'].includes(thrown.code))
    await settle()
    assert.equal(events.length, 3, events.join())
    assert.deepEqual(
      [...events].sort().map((event) => event.split(':')[0]),
      ['called back', 'called side', 'calling back'],
    )
    await assert.rejects(proxy.hang({ back }), (thrown: { code: string }) => thrown.code !== 'INTERNAL')
    await end(all)
  })
}

test('a nested call that is cancelled at the top is cancelled at the bottom, and the deadline shrinks on the way', async () => {
  const all = nest()
  const proxy = await all.client.activate(Nest)
  let left: number | undefined
  const classes = new ClassTable()
  classes.offer(Nest, {
    down: async ({ back }, context) => back.up({ depth: 0 }, context),
    hang: () => {},
  })
  const other = world({ classes, env: all.env })
  const passing = await other.client.activate(Nest)
  const back = {
    up: (_: unknown, context: { signal: AbortSignal; deadline: number | undefined }): Promise<number> => {
      left = context.deadline
      return new Promise((_resolve, reject) => {
        context.signal.addEventListener('abort', () => reject(new Error('heard')))
      })
    },
  }
  const pending = passing.down({ depth: 0, back }, { deadline: 100 })
  pending.catch(() => {})
  await settle()
  assert.equal(left, 100)
  all.env.advance(101)
  await assert.rejects(pending, code('DEADLINE'))
  await settle()
  assert.equal(counts(other)['running'], 0)
  await end(other)
  await proxy[Symbol.asyncDispose]()
  await end(all)
})
