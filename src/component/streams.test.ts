import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BusbarError } from '../errors/index.ts'
import { contract, method, t } from '../rpc/index.ts'
import { ClassTable } from './classes.ts'
import { code, counts, end, FileStore, settle, world } from './harness.test.ts'

describe('streams', () => {
  test('all items arrive, in order', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    let count = 0
    for await (const { name, size } of store.list({ path: '/' })) {
      assert.deepEqual([name, size], [`file-${count}`, count])
      count++
    }
    assert.equal(count, 2500)
    await settle()
    assert.deepEqual(all.store.ended, ['returned', 'finally'])
    assert.equal(counts(all)['streams'], 0)
    await end(all)
  })

  test('nothing happens before somebody reads', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    const made = all.client.inspect().rpc.calls.made
    const stream = store.list({ path: '/' })
    await settle()
    assert.equal(all.client.inspect().rpc.calls.made, made)
    assert.deepEqual(await stream.return(), { done: true, value: undefined })
    assert.deepEqual(await stream.next(), { done: true, value: undefined })
    assert.equal(all.client.inspect().rpc.calls.made, made)
    await end(all)
  })

  test('arguments are packaged when the stream is asked for', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    const args = { path: '/broken' }
    const stream = store.list(args)
    args.path = '/endless'
    await assert.rejects(async () => {
      for await (const _ of stream) void _
    }, code('FAULT'))
    const bad = store.list({ path: 5 as unknown as string })
    await assert.rejects(bad.next(), code('BAD_VALUE', /path/))
    await settle()
    await end(all)
  })

  test('leaving the loop releases the producer at once', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    for await (const { size } of store.list({ path: '/endless' })) if (size === 5) break
    await settle()
    assert.deepEqual(all.store.ended, ['aborted'])
    assert.deepEqual([counts(all)['streams'], counts(all)['held']], [0, 1])
    assert.ok(all.store.contexts.at(-1)?.signal.aborted)
    await end(all)
  })

  test('leaving while the producer is stuck ends it through its signal', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    const stream = store.list({ path: '/stuck' })
    for (let i = 0; i < 3; i++) assert.equal((await stream.next()).value?.size, i)
    const pending = stream.next()
    await settle()
    await stream.return()
    assert.deepEqual(await pending, { done: true, value: undefined })
    await settle()
    assert.deepEqual(all.store.ended, ['aborted'])
    await end(all)
  })

  test('items that are ready arrive although the producer is stuck afterwards', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    const stream = store.list({ path: '/stuck' })
    assert.equal((await stream.next()).value?.size, 0)
    await stream[Symbol.asyncDispose]()
    await end(all)
  })

  test('a slow reader stops the producer', async () => {
    const all = world({ client: { pageItems: 10 } })
    const store = await all.client.activate(FileStore)
    const stream = store.list({ path: '/endless' })
    await stream.next()
    await settle()
    // The page that is read and the two after it: the reader waited once.
    assert.equal(all.store.produced, 30)
    for (let i = 0; i < 9; i++) await stream.next()
    await settle()
    assert.equal(all.store.produced, 40)
    // However often it waits, there are no more than four.
    for (let i = 0; i < 500; i++) {
      await stream.next()
      if (i % 10 === 0) await Promise.all(Array.from({ length: 60 }, () => stream.next()))
    }
    const read = 1 + 9 + 500 + 50 * 60
    await settle()
    assert.ok(all.store.produced - read <= 50 && all.store.produced - read > 30, `${all.store.produced - read} ahead`)
    await stream.return()
    await end(all)
  })

  test('pages keep to their size; a larger item travels alone', async () => {
    const all = world({ client: { pageBytes: 10_000 } })
    const store = await all.client.activate(FileStore)
    const made = all.client.inspect().rpc.calls.made
    const sizes: number[] = []
    for await (const chunk of store.chunks({ count: 6, size: 4000 })) sizes.push(chunk.length)
    assert.deepEqual(sizes, [4000, 4000, 4000, 4000, 4000, 4000])
    // Opening, three pages of two chunks each, and what was asked for before the third said that it was the last.
    assert.equal(all.client.inspect().rpc.calls.made - made, 7)
    sizes.length = 0
    for await (const chunk of store.chunks({ count: 3, size: 50_000 })) sizes.push(chunk.length)
    assert.deepEqual(sizes, [50_000, 50_000, 50_000])
    await settle()
    await end(all)
  })

  test('pages get larger for a reader that has to wait, up to a bound', async () => {
    const length = 65_536
    const classes = new ClassTable()
    const Bulk = contract('files.Bulk', { version: '1.0' }, { all: method({ count: t.uint32 }, t.stream(t.bytes)) })
    let made = 0
    classes.offer(Bulk, {
      *all({ count }) {
        for (; made < count; made++) yield new Uint8Array(length)
      },
    })
    const all = world({ classes })
    const bulk = await all.client.activate(Bulk)
    const stream = bulk.all({ count: 1_000 })
    await stream.next()
    await settle()
    // The page that is read and the two after it, four items in each.
    assert.equal(made, 12)
    let [read, most] = [1, 0]
    while (read < 900) {
      const waiting = [stream.next(), ...Array.from({ length: 90 }, () => stream.next())]
      read += waiting.length
      await Promise.all(waiting)
      await settle()
      most = Math.max(most, made - read)
    }
    // Twelve items in each of four pages, and in the one that is read.
    assert.ok(most > 20 && most <= 60, `${most} ahead`)
    await stream.return()
    await end(all)
  })

  test('a source may end its stream, fail, and give promises of its own kind while it is asked', async () => {
    const Odd = contract('files.Odd', { version: '1.0' }, { items: method({ how: t.string }, t.stream(t.uint32)) })
    const classes = new ClassTable()
    const leaving: (() => void)[] = []
    classes.offer(Odd, {
      items: ({ how }) => {
        let next = 0
        return {
          [Symbol.asyncIterator]: () => ({
            next: () => {
              const step = { done: false, value: next++ } as IteratorResult<number>
              if (next === 3 && how === 'leaves') leaving.pop()?.()
              if (next === 3 && how === 'throws') throw new BusbarError('NOT_READY', 'thrown, not rejected')
              if (next === 3 && how === 'nonsense') return 7 as unknown as Promise<IteratorResult<number>>
              if (next === 3) return Promise.resolve({ done: true, value: undefined } as IteratorResult<number>)
              const then = (resolve: (value: IteratorResult<number>) => void): void => {
                resolve(step)
                resolve({ done: false, value: 99 })
              }
              // oxlint-disable-next-line unicorn/no-thenable -- what is tested is a promise that is none of JavaScript's own
              return { then } as unknown as Promise<IteratorResult<number>>
            },
          }),
        }
      },
    })
    const all = world({ classes })
    const odd = await all.client.activate(Odd)
    const read = async (how: string): Promise<number[]> => {
      const got: number[] = []
      for await (const item of odd.items({ how })) got.push(item)
      return got
    }
    assert.deepEqual(await read('ends'), [0, 1])
    await assert.rejects(read('throws'), code('NOT_READY', /thrown/))
    await assert.rejects(read('nonsense'))
    const stream = odd.items({ how: 'leaves' })
    leaving.push(() => void stream.return())
    const items = [stream.next(), stream.next(), stream.next()]
    await Promise.all(items)
    await settle()
    assert.equal(counts(all)['streams'], 0)
    await end(all)
  })

  test('while long items are all that is answered their link may have more under way, and no more with the next small answer', async () => {
    const Bulk = contract(
      'files.Bulk',
      { version: '1.0' },
      { all: method({}, t.stream(t.bytes)), small: method({}, t.uint32) },
    )
    const classes = new ClassTable()
    const item = new Uint8Array(65_536)
    classes.offer(Bulk, {
      *all() {
        for (;;) yield item
      },
      small: () => 1,
    })
    const all = world({ classes })
    const bulk = await all.client.activate(Bulk)
    const told: (boolean | undefined)[] = []
    Object.assign(all.links[1], { favourBulk: (alone?: boolean) => told.push(alone) })
    const stream = bulk.all({})
    const read = async (bytes: number): Promise<void> => {
      for (let got = 0; got < bytes; got += item.length) await stream.next()
    }
    await read(4 * 1024 * 1024)
    assert.deepEqual(told, [])
    await read(12 * 1024 * 1024)
    assert.deepEqual(told, [true])
    await bulk.small()
    assert.deepEqual(told, [true, false])
    await read(16 * 1024 * 1024)
    assert.deepEqual(told, [true, false, true])
    await stream.return()
    await settle()
    await bulk.small()
    assert.deepEqual(told, [true, false, true, false])
    await end(all)
  })

  test('items of any length arrive as they are, and long ones are sent from where they lie', async () => {
    const lengths = [300_000, 0, 16_384, 16_383, 1, 65_536, 65_536, 7, 70_000, 65_504, 65_528, 3, 20_000]
    const given = lengths.map((length, at) => new Uint8Array(length).map((_, i) => i * 7 + at))
    const Pieces = contract('files.Pieces', { version: '1.0' }, { all: method({}, t.stream(t.bytes)) })
    const classes = new ClassTable()
    classes.offer(Pieces, { all: () => given })
    const all = world({ classes })
    const pieces = await all.client.activate(Pieces)
    const [, link] = all.links
    const write = link.write.bind(link)
    const sent = new Set<ArrayBufferLike>()
    link.write = (chunk) => {
      sent.add(chunk.buffer)
      return write(chunk)
    }
    const taken: Uint8Array[] = []
    for await (const piece of pieces.all({})) taken.push(piece)
    assert.deepEqual(
      taken.map((piece) => Buffer.from(piece)),
      given.map((piece) => Buffer.from(piece)),
    )
    const lying = given.filter(({ buffer }) => sent.has(buffer)).map(({ length }) => length)
    assert.ok(lying.includes(300_000) && lying.every((length) => length >= 16_384), lying.join())
    await end(all)
  })

  test('a reader that waits asks for several pages in one write', async () => {
    const all = world({ client: { pageItems: 1 } })
    const store = await all.client.activate(FileStore)
    const [link] = all.links
    const write = link.write.bind(link)
    let writes = 0
    link.write = (chunk) => {
      writes++
      return write(chunk)
    }
    const made = all.client.inspect().rpc.calls.made
    for await (const chunk of store.chunks({ count: 100, size: 10 })) assert.equal(chunk.length, 10)
    const calls = all.client.inspect().rpc.calls.made - made
    assert.ok(calls >= 101 && writes < 0.7 * calls, `${writes} writes for ${calls} calls`)
    await settle()
    await end(all)
  })

  test('an error and an end behind pages that were asked for at once come after their items', async () => {
    const all = world({ client: { pageItems: 3 } })
    const store = await all.client.activate(FileStore)
    const seen: unknown[] = []
    await assert.rejects(
      async () => {
        for await (const { size } of store.list({ path: '/broken' })) seen.push(size)
      },
      code('FAULT', /broken entry/),
    )
    assert.deepEqual(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    let count = 0
    for await (const { size } of store.list({ path: '/' })) assert.equal(size, count++)
    assert.equal(count, 2500)
    await settle()
    await end(all)
  })

  test('leaving while several pages are asked for', async () => {
    const all = world({ client: { pageItems: 2 } })
    const store = await all.client.activate(FileStore)
    const stream = store.list({ path: '/stuck' })
    for (let i = 0; i < 3; i++) assert.equal((await stream.next()).value?.size, i)
    const pending = stream.next()
    await settle()
    assert.ok(counts(all)['running']! > 1)
    await stream.return()
    assert.deepEqual(await pending, { done: true, value: undefined })
    await settle()
    assert.deepEqual(all.store.ended, ['aborted'])
    assert.equal(counts(all)['running'], 0)
    await end(all)
  })

  test('an error in the middle arrives typed, after the items before it', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    const sizes: number[] = []
    await assert.rejects(
      async () => {
        for await (const { size } of store.list({ path: '/broken' })) sizes.push(size)
      },
      (thrown: BusbarError) => {
        assert.ok(code('FAULT', /broken entry/)(thrown))
        assert.deepEqual(thrown.remote, { name: 'TypeError', code: 'EBROKEN', message: 'broken entry' })
        return true
      },
    )
    assert.deepEqual(sizes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    await settle()
    assert.equal(counts(all)['streams'], 0)
    await end(all)
  })

  test('an item that does not fit, and a result that cannot be iterated', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    all.store.list = async function* () {
      yield { name: 'good', size: 1 }
      yield { name: 'bad', size: -1 }
    }
    await assert.rejects(
      async () => {
        for await (const _ of store.list({ path: '/' })) void _
      },
      code('BAD_VALUE', /size/),
    )
    all.store.list = () => 7 as never
    await assert.rejects(store.list({ path: '/' }).next(), code('BAD_VALUE', /iterated/))
    await settle()
    await end(all)
  })

  test('an error before the first item', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    all.store.list = () => {
      throw new BusbarError('DENIED', 'not here')
    }
    const stream = store.list({ path: '/' })
    await assert.rejects(stream.next(), code('DENIED', /not here/))
    assert.deepEqual(await stream.next(), { done: true, value: undefined })
    await end(all)
  })

  test('several readers of one stream share its items', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    const stream = store.list({ path: '/' })
    const results = await Promise.all(Array.from({ length: 2510 }, () => stream.next()))
    assert.deepEqual(
      results.filter(({ done }) => done !== true).map(({ value }) => value?.size),
      Array.from({ length: 2500 }, (_, i) => i),
    )
    await settle()
    await end(all)
  })

  test('a signal that fires in the middle', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    const controller = new AbortController()
    await assert.rejects(async () => {
      for await (const { size } of store.list({ path: '/endless' }, { signal: controller.signal })) {
        if (size === 7) controller.abort()
      }
    }, code('CANCELLED'))
    await settle()
    assert.deepEqual(all.store.ended, ['aborted'])
    await assert.rejects(store.list({ path: '/' }, { signal: AbortSignal.abort() }).next(), code('CANCELLED'))
    await end(all)
  })

  test('a deadline is for the whole stream', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    const stream = store.list({ path: '/stuck' }, { deadline: 100 })
    for (let i = 0; i < 3; i++) await stream.next()
    const pending = stream.next()
    await settle()
    assert.ok((all.store.contexts.at(-1)?.deadline ?? 0) <= 100)
    all.env.advance(101)
    await assert.rejects(pending, code('DEADLINE'))
    await settle()
    assert.deepEqual(all.store.ended, ['aborted'])
    await end(all)
  })

  test('a pipe that dies in the middle', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    const stream = store.list({ path: '/stuck' })
    for (let i = 0; i < 3; i++) await stream.next()
    const pending = stream.next()
    await settle()
    all.links[0].close(new BusbarError('PEER_DIED', 'killed'))
    await assert.rejects(pending, code('PEER_DIED'))
    await settle()
    assert.deepEqual(all.store.ended, ['aborted'])
    await end(all)
  })

  test('a limit on streams', async () => {
    const all = world({ server: { streams: 2 } })
    const store = await all.client.activate(FileStore)
    const streams = [1, 2, 3].map(() => store.list({ path: '/endless' }))
    await streams[0]!.next()
    await streams[1]!.next()
    await assert.rejects(streams[2]!.next(), code('LIMIT', /2 streams/))
    await Promise.all(streams.map((stream) => stream.return()))
    await settle()
    for await (const _ of store.list({ path: '/' })) break
    await settle()
    await end(all)
  })
})
