import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { contract, method, t } from '../rpc/index.ts'
import { ClassTable } from './classes.ts'
import { code, counts, end, File, FileStore, MemoryFile, settle, Store, world } from './harness.test.ts'
import { StillEnv } from '../testing/index.ts'

const text = new TextDecoder()

describe('references', () => {
  test('an object is returned, called and released', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    const file = await store.open({ path: '/a' })
    assert.equal(text.decode(await file.read({ offset: 1, length: 9 })), 'a')
    assert.deepEqual([counts(all)['given'], all.store.open_], [2, 1])
    await file[Symbol.asyncDispose]()
    assert.deepEqual([counts(all)['given'], all.store.open_], [1, 0])
    await assert.rejects(file.read({ offset: 0, length: 1 }), code('RELEASED'))
    await file[Symbol.asyncDispose]()
    assert.deepEqual(all.store.disposed, ['/a'])
    await end(all)
  })

  test('using and await using', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    {
      await using file = await store.open({ path: '/a' })
      using other = await store.open({ path: '/b' })
      assert.equal(all.store.open_, 2)
      await Promise.all([file.close(), other.close()])
    }
    await settle()
    assert.equal(all.store.open_, 0)
    await end(all)
  })

  test('an object that is given twice keeps its identity, and each reference counts', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    const one = await store.open({ path: '/shared' })
    const two = await store.open({ path: '/shared' })
    assert.deepEqual([counts(all)['given'], counts(all)['held']], [2, 3])
    await one[Symbol.asyncDispose]()
    assert.equal(text.decode(await two.read({ offset: 0, length: 9 })), '/shared')
    assert.equal(all.store.open_, 1)
    await two[Symbol.asyncDispose]()
    assert.deepEqual([counts(all)['given'], all.store.open_], [1, 0])
    await end(all)
  })

  test('a component that returns itself does not end when that reference does', async () => {
    const Self = contract(
      'test.Self',
      { version: '1.0' },
      { self: method({}, t.ref(FileStore)), n: method({}, t.uint8) },
    )
    const classes = new ClassTable()
    const store = Object.assign(new Store(), {
      [Symbol.dispose]: () => assert.fail('the offered component was disposed of'),
    })
    classes.offer(FileStore, store)
    classes.offer(Self, { self: () => store, n: () => 1 })
    const all = world({ classes })
    const proxy = await all.client.activate(Self)
    const self = await proxy.self()
    assert.equal((await self.stat({ path: 'abc' })).size, 3)
    await self[Symbol.asyncDispose]()
    assert.equal(await proxy.n(), 1)
    await end(all)
  })

  test('10,000 objects leave nothing', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    for (let round = 0; round < 10; round++) {
      const files = await store.openMany({ count: 1000 })
      assert.equal(counts(all)['given'], 1001)
      assert.equal(text.decode(await files[7]!.file.read({ offset: 0, length: 9 })), 'f7')
      await Promise.all(files.map(({ file }) => file[Symbol.asyncDispose]()))
      assert.deepEqual([counts(all)['given'], counts(all)['held'], all.store.open_], [1, 1, 0])
    }
    assert.equal(all.server.inspect().given, 10_001)
    assert.equal(all.client.inspect().taken, 10_001)
    // Releases of a turn leave together: far fewer calls than references.
    assert.ok(all.client.inspect().rpc.calls.made < 60)
    await end(all)
  })

  test('an object that is released while a call runs on it ends after the call', async () => {
    const Slow = contract('test.Slow', { version: '1.0' }, { wait: method({}, t.uint8) })
    const events: string[] = []
    let finish = (): void => {}
    const classes = new ClassTable()
    classes.offer(Slow, () => ({
      wait: async () => {
        await new Promise<void>((resolve) => {
          finish = resolve
        })
        events.push('finished')
        return 5
      },
      [Symbol.asyncDispose]: () => {
        events.push('disposed')
        return Promise.reject(new Error('a disposer that fails'))
      },
    }))
    const all = world({ classes })
    const slow = await all.client.activate(Slow)
    const pending = slow.wait()
    await settle()
    await slow[Symbol.asyncDispose]()
    assert.deepEqual(events, [])
    finish()
    assert.equal(await pending, 5)
    assert.deepEqual(events, ['finished', 'disposed'])
    await settle()
    assert.equal(all.server.inspect().disposeFailures, 1)
    await end(all)
  })

  test('the safety net is told of every proxy and can release it', async () => {
    const nets: (() => void)[] = []
    const all = world({ onProxy: (_, release) => nets.push(release) })
    const store = await all.client.activate(FileStore)
    await store.open({ path: '/forgotten' })
    assert.equal(nets.length, 2)
    nets[1]!()
    nets[1]!()
    await settle()
    assert.deepEqual([all.store.disposed, counts(all)['given']], [['/forgotten'], 1])
    await end(all)
  })

  test('an answer that does not fit lets go of all that it was to give', async () => {
    const result = t.struct({ files: t.array(t.optional(t.ref(File))), n: t.uint8 })
    const Odd = contract('test.Odd', { version: '1.0' }, { both: method({ n: t.uint32 }, result) })
    const classes = new ClassTable()
    const store = new Store()
    const file = (): MemoryFile => new MemoryFile('f', store)
    classes.offer(Odd, {
      both: ({ n }) => ({ files: [file(), undefined, file(), ...(n === 1 ? [{} as MemoryFile] : [])], n }),
    })
    const all = world({ classes })
    const odd = await all.client.activate(Odd)
    await assert.rejects(odd.both({ n: 999 }), code('BAD_VALUE', /result\.n/))
    assert.deepEqual([counts(all)['given'], store.open_], [1, 0])
    await assert.rejects(odd.both({ n: 1 }), code('BAD_VALUE', /"read" is missing/))
    assert.deepEqual([counts(all)['given'], store.open_], [1, 0])
    assert.equal((await odd.both({ n: 2 })).files.length, 3)
    assert.equal(store.open_, 2)
    await end(all)
  })

  test('an object that does not implement the contract is refused as a result', async () => {
    const all = world()
    all.store.open = () => ({ read: () => new Uint8Array() }) as unknown as MemoryFile
    const store = await all.client.activate(FileStore)
    await assert.rejects(store.open({ path: '/x' }), code('BAD_VALUE', /"close" is missing/))
    await end(all)
  })
})

describe('limits', () => {
  test('objects per pipe, on the side that gives', async () => {
    const all = world({ server: { objects: 12 } })
    const store = await all.client.activate(FileStore)
    await assert.rejects(store.openMany({ count: 20 }), code('LIMIT', /12 objects/))
    assert.deepEqual([counts(all)['given'], all.store.open_], [1, 0])
    const few = await store.openMany({ count: 5 })
    assert.equal(few.length, 5)
    await end(all)
  })

  test('references per pipe, on the side that takes', async () => {
    const all = world({ client: { objects: 10 } })
    const store = await all.client.activate(FileStore)
    await assert.rejects(store.openMany({ count: 20 }), code('LIMIT', /10 references/))
    await settle()
    // Nor is anything held over there: not what was taken before, and not what was not even looked at.
    assert.deepEqual([counts(all)['held'], counts(all)['given'], all.store.open_], [1, 1, 0])
    const few = await store.openMany({ count: 9 })
    assert.deepEqual([few.length, counts(all)['given']], [9, 10])
    await end(all)
  })

  test('a limit that cannot be is refused', () => {
    assert.throws(() => world({ client: { objects: 0 } }), code('INVALID_ARGUMENT', /objects/))
    assert.throws(() => world({ server: { pageBytes: 0.5 } }), code('INVALID_ARGUMENT', /pageBytes/))
  })
})

test('the end of the pipe ends everything that the caller held, at once', async () => {
  const all = world()
  const store = await all.client.activate(FileStore)
  await store.openMany({ count: 50 })
  assert.equal(all.store.open_, 50)
  all.links[0].close()
  await all.server.closed
  await settle()
  assert.equal(all.store.open_, 0)
  await assert.rejects(store.stat({ path: '' }))
  using released = store
  void released
  await end(all)
})

test('an identity is good on its own pipe only', async () => {
  const env = new StillEnv()
  const classes = new ClassTable()
  const component = new Store()
  classes.offer(FileStore, component)
  const one = world({ env, classes })
  const two = world({ env, classes })
  const file = await (await one.client.activate(FileStore)).open({ path: '/mine' })
  const other = await (await two.client.activate(FileStore)).open({ path: '/theirs' })
  // The same seed runs on, so the identities differ; a peer that learns one gets nothing for it.
  assert.notDeepEqual(one.server.inspect().given, 0)
  await file.close()
  await other.close()
  await end(one)
  await end(two)
})
