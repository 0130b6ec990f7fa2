/** Two programs that were built with different versions of one contract, and one that has no contract at all. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ClassTable, ObjectClient, ObjectServer, query } from '../src/component/index.ts'
import { memoryPair } from '../src/link/index.ts'
import { type Client, type Contract, contract, contractsOf, Described, method, RpcAccess, t } from '../src/rpc/index.ts'
import { RingPairs } from '../src/testing/index.ts'
import { nodeEnv } from '../src/transport/index.ts'
import { MemoryBus } from './memory-bus.ts'

/** `rings-objects.test.ts` runs these tests once more. */
const rings = process.env['BUSBAR_TEST_RINGS'] === 'on' ? new RingPairs() : undefined

const File = contract('files.File', { version: '1.0' }, { read: method({ length: t.uint32 }, t.bytes) })
const old = {
  stat: method({ path: t.string }, t.struct({ size: t.uint53 })),
  list: method({ path: t.string }, t.stream(t.string)),
}
const Store10 = contract('files.Store', { version: '1.0' }, old)
const Store11 = contract('files.Store', { version: '1.1' }, { ...old, open: method({ path: t.string }, t.ref(File)) })
const Store20 = contract('files.Store', { version: '2.0' }, { stat: method({ path: t.string }, t.uint53) })

const store = {
  stat: ({ path }: { path: string }) => ({ size: path.length }),
  async *list({ path }: { path: string }) {
    yield `${path}a`
    yield `${path}b`
  },
  open: ({ path }: { path: string }) => ({
    read: ({ length }: { length: number }) => Buffer.from(path).subarray(0, length),
  }),
}

/** A caller of one side's classes. */
function caller(offer: (classes: ClassTable) => void): ObjectClient {
  const classes = new ClassTable()
  offer(classes)
  const [near, far] = rings?.pair() ?? memoryPair()
  const env = nodeEnv()
  new ObjectServer(new RpcAccess(far), { env, classes, caller: { partition: 'client', epoch: 1 } })
  return new ObjectClient(new RpcAccess(near), { env })
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

describe('old guest, new host: versions of a contract', () => {
  test('an old client keeps working against a new server', async () => {
    const client = caller((classes) => classes.offer(Store11, store))
    const proxy = await client.activate(Store10)
    assert.deepEqual(await proxy.stat({ path: '/abc' }), { size: 4 })
    assert.deepEqual(await all(proxy.list({ path: '/' })), ['/a', '/b'])
    client.close()
  })

  test('a new client uses an old server, and is refused what that has not', async () => {
    const client = caller((classes) => classes.offer(Store10, store))
    const proxy = await client.activate(Store11)
    await assert.rejects(proxy.open({ path: '/abc' }), {
      code: 'NOT_IN_CONTRACT',
      message: 'files.Store.open is in version 1.1 here, and version 1.0 of the other side has not that',
    })
    assert.deepEqual(await proxy.stat({ path: '/abc' }), { size: 4 })
    client.close()
  })

  test('another major version is another class; one side may offer several', async () => {
    const one = caller((classes) => classes.offer(Store11, store))
    await assert.rejects(one.activate(Store20), { code: 'NO_SUCH_CLASS' })
    one.close()
    const both = caller((classes) => {
      classes.offer(Store11, store)
      classes.offer(Store20, { stat: ({ path }) => path.length })
    })
    assert.deepEqual(await (await both.activate(Store10)).stat({ path: '/abc' }), { size: 4 })
    assert.equal(await (await both.activate(Store20)).stat({ path: '/abc' }), 4)
    both.close()
  })

  test('an optional argument or field more is another wire, also at the end: both sides refuse it', async () => {
    const args = { path: t.string, follow: t.optional(t.bool) }
    const wider = contract('files.Store', { version: '1.1' }, { ...old, stat: method(args, old.stat.result) })
    const longer = contract(
      'files.Store',
      { version: '1.1' },
      { ...old, stat: method({ path: t.string }, t.struct({ size: t.uint53, owner: t.optional(t.string) })) },
    )
    // The server says that arguments do not fit, the client sees that a result does not.
    for (const [theirs, ours, code] of [
      [Store10, wider, 'BAD_VALUE'],
      [wider, Store10, 'BAD_VALUE'],
      [Store10, longer, 'MALFORMED'],
      [longer, Store10, 'MALFORMED'],
    ] as const) {
      const client = caller((classes) => classes.offer(theirs as typeof Store10, store))
      const proxy = await client.activate(ours as typeof Store10)
      await assert.rejects(proxy.stat({ path: '/abc' }), { code })
      client.close()
    }
  })
})

describe('a program without the contract', () => {
  type AnyProxy = Record<string, (args: unknown) => Promise<unknown>>

  test('calls an object with what the object says of itself', async () => {
    const client = caller((classes) => classes.offer(Store11, store))
    const [found] = await contractsOf(await client.activate(Described))
    assert.deepEqual([found?.name, found?.version, found?.uuid], ['files.Store', '1.1', Store11.uuid])
    const proxy = (await client.activate(found as Contract)) as unknown as AnyProxy & Client<typeof Store11>
    assert.deepEqual(await proxy['stat']?.({ path: '/abc' }), { size: 4 })
    assert.deepEqual(await all(proxy.list({ path: '/' })), ['/a', '/b'])
    const file = (await proxy['open']?.({ path: '/abc' })) as unknown as AnyProxy
    // Every object answers for itself, also one that came in a result.
    const [itself] = await contractsOf(await query(file, Described))
    assert.deepEqual([itself?.name, itself?.uuid], ['files.File', File.uuid])
    assert.deepEqual(Buffer.from((await file['read']?.({ length: 2 })) as Uint8Array).toString(), '/a')
    client.close()
  })

  test('is told when the description is none', async () => {
    // One that calls something else by the same identifier.
    const odd = { ...Described, uuid: File.uuid } as typeof Described
    const client = caller((classes) => classes.offer(odd, { describe: () => ({ schemaVersion: 1, contracts: 7 }) }))
    await assert.rejects(contractsOf(await client.activate(odd)), {
      code: 'MALFORMED',
      message: /contracts: number/,
    })
    client.close()
  })
})

describe('several versions', () => {
  test('the best common one is chosen', async () => {
    const all = new MemoryBus()
    const [{ bus: client }, { bus: older }, { bus: both }] = [
      await all.partition('client'),
      await all.partition('older'),
      await all.partition('both'),
    ]
    await older.offer(Store11, store)
    await both.offer(Store11, store)
    await both.offer(Store20, { stat: ({ path }) => path.length })
    const versions = { v2: Store20, v1: Store10 }
    const found = await client.activateFirst(versions, { in: 'both' })
    assert.equal(found.is, 'v2')
    assert.equal(await found.proxy.stat({ path: '/abc' }), 4)
    const old = await client.activateFirst(versions, { in: 'older' })
    assert.equal(old.is, 'v1')
    assert.deepEqual(old.is === 'v1' && (await old.proxy.stat({ path: '/abc' })), { size: 4 })
    const newest = { v3: contract('files.Store', { version: '3.0' }, { a: method({}, t.void) }) }
    await assert.rejects(client.activateFirst(newest, { in: 'both' }), {
      code: 'NO_SUCH_CLASS',
      message: /none of the versions 3\.0/,
    })
    await assert.rejects(client.activateFirst({ a: Store10, b: File }, { in: 'both' }), { code: 'INVALID_ARGUMENT' })
    all.close()
  })
})
