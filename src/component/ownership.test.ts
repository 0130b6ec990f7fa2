import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Client, contract, method, t } from '../rpc/index.ts'
import { ClassTable } from './classes.ts'
import { code, counts, end, settle, world } from './harness.test.ts'
import { same } from './same.ts'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

const Item = contract('test.Item', { version: '1.0' }, { value: method({}, t.uint32), slow: method({}, t.uint32) })
type Item = Client<typeof Item>
const Keeper = contract(
  'test.Keeper',
  { version: '1.0' },
  {
    make: method({ count: t.uint32 }, t.array(t.ref(Item))),
    lend: method({ items: t.array(t.ref(Item)) }, t.uint32),
    swap: method({ items: t.array(t.ref(Item)) }, t.array(t.ref(Item))),
    drop: method({}, t.void),
  },
)

class Thing {
  static disposed = 0
  readonly #value: number
  release: (() => void) | undefined
  constructor(value: number) {
    this.#value = value
  }
  value(): number {
    return this.#value
  }
  slow(): Promise<number> {
    return new Promise((resolve) => {
      this.release = () => resolve(this.#value)
    })
  }
  [Symbol.dispose](): void {
    Thing.disposed++
  }
}

function keeper(settings: Parameters<typeof world>[0] = {}) {
  Thing.disposed = 0
  const classes = new ClassTable()
  const kept: Item[] = []
  const made: Thing[] = []
  classes.offer(Keeper, {
    make: ({ count }) => {
      for (let i = 0; i < count; i++) made.push(new Thing(i))
      return made.slice(-count)
    },
    lend: ({ items }) => kept.push(...items),
    swap: ({ items }) => {
      queueMicrotask(() => {
        for (const item of items) if (!(item instanceof Thing)) item[Symbol.dispose]()
      })
      return items.toReversed()
    },
    drop: () => {
      for (const item of kept.splice(0)) item[Symbol.dispose]()
    },
  })
  return { ...world({ classes, ...settings }), kept, made }
}

describe('who releases what', () => {
  test('a callback lives on after the call, until the callee releases it; its owner keeps it', async () => {
    const all = keeper()
    const proxy = await all.client.activate(Keeper)
    const thing = new Thing(7)
    await proxy.lend({ items: [thing] })
    await proxy.lend({ items: [thing] })
    assert.ok(same(all.kept[0]!, all.kept[1]!))
    assert.equal(await all.kept[0]!.value(), 7)
    all.kept[0]![Symbol.dispose]()
    await settle()
    assert.equal(await all.kept[1]!.value(), 7)
    await assert.rejects(all.kept[0]!.value(), code('RELEASED'))
    assert.deepEqual(all.client.inspect().exports, { 'test.Item': { objects: 1, references: 1, running: 0 } })
    await proxy.drop()
    await settle()
    assert.deepEqual([all.client.inspect().exports, Thing.disposed], [{}, 0])
    await end(all)
    assert.equal(Thing.disposed, 0)
  })

  test('what a method returns is given: its disposer runs once, when the caller has released it', async () => {
    const all = keeper()
    const proxy = await all.client.activate(Keeper)
    {
      const [a, b] = await proxy.make({ count: 2 })
      await using one = a!
      using other = b!
      assert.equal((await one.value()) + (await other.value()), 1)
      assert.equal(Thing.disposed, 0)
    }
    await settle()
    assert.equal(Thing.disposed, 2)
    await end(all)
    assert.equal(Thing.disposed, 2)
  })

  test('who holds what is shown on both sides', async () => {
    const all = keeper()
    const proxy = await all.client.activate(Keeper)
    const items = await proxy.make({ count: 3 })
    await proxy.lend({ items: [new Thing(1), new Thing(2)] })
    assert.equal(await all.kept[1]!.value(), 2)
    const [ours, theirs] = [all.client.inspect(), all.server.inspect()]
    assert.deepEqual(ours.imports, { 'test.Keeper': 1, 'test.Item': 3 })
    assert.deepEqual(ours.exports, { 'test.Item': { objects: 2, references: 2, running: 0 } })
    assert.deepEqual(theirs.imports, { 'test.Item': 2 })
    assert.equal(theirs.caller.partition, 'web')
    assert.deepEqual(theirs.exports, {
      'test.Keeper': { objects: 1, references: 1, running: 0 },
      'test.Item': { objects: 3, references: 3, running: 0 },
    })
    assert.ok(ours.returning?.state === 'bound' && theirs.returning?.state === 'bound')
    for (const item of items) item[Symbol.dispose]()
    await end(all)
  })

  test('everything that both sides hold ends at once with the pipe', async () => {
    const all = keeper()
    const proxy = await all.client.activate(Keeper)
    await proxy.make({ count: 50 })
    await proxy.lend({ items: Array.from({ length: 50 }, (_, i) => new Thing(i)) })
    assert.deepEqual([counts(all)['given'], all.client.inspect().objects], [51, 50])
    all.returned[0]![0].close()
    await Promise.all([all.client.closed, all.server.closed])
    await settle()
    assert.deepEqual(
      [counts(all)['given'], counts(all)['held'], all.client.inspect().objects, Thing.disposed],
      [0, 0, 0, 50],
    )
    await assert.rejects(all.kept[0]!.value())
    await end(all)
  })
})

test('use after release says where it was released', async () => {
  const all = keeper()
  const proxy = await all.client.activate(Keeper)
  const [item] = await proxy.make({ count: 1 })
  function releaseItHere(): void {
    item?.[Symbol.dispose]()
  }
  releaseItHere()
  await assert.rejects(item!.value(), (thrown: Error) => {
    assert.match((thrown.cause as Error).stack ?? '', /released here[\s\S]*releaseItHere/)
    return code('RELEASED')(thrown)
  })
  await end(all)
})

describe('the safety net', () => {
  test('never releases while a call on the proxy is pending', async () => {
    const nets = new Map<object, () => void>()
    const all = keeper({ onProxy: (proxy, release) => nets.set(proxy, release) })
    const proxy = await all.client.activate(Keeper)
    const [item] = await proxy.make({ count: 1 })
    const pending = item!.slow()
    await settle()
    nets.get(item!)?.()
    await settle()
    assert.equal(counts(all)['given'], 2)
    all.made[0]!.release?.()
    assert.equal(await pending, 0)
    await settle()
    assert.deepEqual([counts(all)['given'], Thing.disposed], [1, 1])
    await end(all)
  })

  test('never releases what was passed on, or what is on its way home', async () => {
    const nets: (() => void)[] = []
    const all = keeper({ onBorrowed: (_, release) => nets.push(release) })
    const proxy = await all.client.activate(Keeper)
    await proxy.lend({ items: [new Thing(3)] })
    // The server passes on what it borrowed, to a caller of its own.
    const other = keeper({ env: all.env })
    const onwards = await other.client.activate(Keeper)
    await onwards.lend({ items: [all.kept[0]!] })
    for (const net of nets) net()
    await settle()
    assert.equal(await other.kept[0]!.value(), 3)
    other.kept[0]![Symbol.dispose]()
    await settle()
    assert.deepEqual([all.server.inspect().imports, all.client.inspect().exports], [{}, {}])
    await end(other)
    await end(all)
  })

  test('releases what the collector finds, on both sides', async () => {
    const forgotten = new FinalizationRegistry<() => void>((release) => release())
    const onProxy = (proxy: object, release: () => void): void => forgotten.register(proxy, release)
    const all = keeper({ onProxy, onBorrowed: onProxy })
    const proxy = await all.client.activate(Keeper)
    const use = async (): Promise<void> => {
      await proxy.make({ count: 100 })
      await proxy.lend({ items: Array.from({ length: 100 }, (_, i) => new Thing(i)) })
      all.kept.length = 0
    }
    await use()
    // The collector promises nothing, so this asks until it did: the time-out of the test is the only limit.
    while (counts(all)['given'] !== 1 || all.client.inspect().objects > 0) {
      gc()
      await settle()
    }
    assert.equal(Thing.disposed, 100)
    await end(all)
  })
})
