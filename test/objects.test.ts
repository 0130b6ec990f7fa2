/** Objects between partitions of one bus: callbacks, passing on to a third, and what becomes of all that when one dies. */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { encodeReturn, type ObjectClient, same } from '../src/component/index.ts'
import { type Client, contract, method, t } from '../src/rpc/index.ts'
import { code, MemoryBus, type Partition, until } from './memory-bus.ts'

const Listener = contract(
  'test.Listener',
  { version: '1.0' },
  { notify: method({ text: t.string }, t.string), hang: method({}, t.void), count: method({}, t.stream(t.uint32)) },
)
type Listener = Client<typeof Listener>

const Board = contract(
  'test.Board',
  { version: '1.0' },
  {
    put: method({ listener: t.ref(Listener) }, t.void),
    get: method({}, t.ref(Listener)),
    isIt: method({ listener: t.ref(Listener) }, t.bool),
    clear: method({}, t.void),
  },
)

/** Keeps what is put on it, in whatever partition it is. */
class BoardComponent {
  listener: Listener | undefined
  released = false

  put({ listener }: { listener: Listener }): void {
    this.listener = listener
  }
  get(): Listener {
    if (this.listener === undefined) throw new Error('there is none')
    return this.listener
  }
  isIt({ listener }: { listener: Listener }): boolean {
    return same(listener, this.get())
  }
  clear(): void {
    this.listener?.[Symbol.dispose]()
    this.listener = undefined
  }
}

const ear = {
  notify: ({ text }: { text: string }, { caller }: { caller: { partition: string } }) =>
    `${text} for ${caller.partition}`,
  hang: () => new Promise<void>(() => {}),
  *count() {
    for (let i = 0; i < 2000; i++) yield i
  },
}

describe('objects across partitions', { timeout: 60_000 }, () => {
  // The bus's own timers do not keep a process alive, and here everything is in memory.
  const alive = setInterval(() => {}, 1000)
  after(() => clearInterval(alive))
  /** A proxy that nobody has any more may be released, and then its pipe closes. */
  const kept: unknown[] = []

  test('a callback needs no permission but the one to open the service', async () => {
    const all = new MemoryBus((from) => from === 'web')
    const [storage, web] = [await all.partition('storage'), await all.partition('web')]
    const component = new BoardComponent()
    await storage.bus.offer(Board, component)
    const board = await web.bus.activate(Board, { in: 'storage' })
    await board.put({ listener: ear })
    kept.push(board)
    assert.equal(await component.get().notify({ text: 'hello' }), 'hello for storage')
    assert.equal((await board.get()) as unknown, ear)
    // Two channels: the pipe and its return channel. They end together.
    board[Symbol.dispose]()
    const { components } = storage.bus.inspect() as { components: unknown[] }
    assert.equal(components.length, 1)
    await until(() => (storage.bus.inspect() as { components: unknown[] }).components.length === 0)
    await assert.rejects(component.get().notify({ text: 'late' }), (thrown: { code: string }) =>
      ['PEER_DIED', 'RESET', 'CLOSED'].includes(thrown.code),
    )
    all.close()
  })

  test('a return channel without a token that waits for its caller is closed', async () => {
    const all = new MemoryBus()
    const [storage, web] = [await all.partition('storage'), await all.partition('web')]
    await storage.bus.offer(Board, new BoardComponent())
    for (const bytes of [
      encodeReturn('12345678-1234-4234-8234-123456789012'),
      // Begins as one and goes on as nothing.
      Uint8Array.from({ length: 40 }, (_, at) => [5, 0, 20][at] ?? 0xff),
    ]) {
      const channel = await web.bus.openPipe('storage/test.Board')
      await channel.write(bytes)
      const reason = await channel.closed
      assert.ok(reason?.code === 'DENIED' || reason?.code === 'MALFORMED', String(reason))
    }
    all.close()
  })

  for (const order of ['as an argument', 'as a result'] as const) {
    test(`a reference goes from one through a second to a third, ${order}, and the third calls the first`, async () => {
      const all = new MemoryBus((from, to) => `${from} ${to}` !== 'third first')
      const [first, second, third] = [
        await all.partition('first'),
        await all.partition('second'),
        await all.partition('third'),
      ]
      const [atSecond, atThird] = [new BoardComponent(), new BoardComponent()]
      await second.bus.offer(Board, atSecond)
      await third.bus.offer(Board, atThird)
      const board = await first.bus.activate(Board, { in: 'second' })
      await board.put({ listener: ear })
      kept.push(board)
      let held: Listener
      if (order === 'as an argument') {
        const onwards = await second.bus.activate(Board, { in: 'third' })
        await onwards.put({ listener: atSecond.get() })
        held = atThird.get()
        assert.equal(await onwards.isIt({ listener: atSecond.get() }), true)
        assert.equal((await onwards.get()) as unknown, atSecond.get())
      } else {
        const back = await third.bus.activate(Board, { in: 'second' })
        held = await back.get()
        assert.ok(same(held, await back.get()))
        assert.equal(await back.isIt({ listener: held }), true)
      }
      // The first knows the second, which passed it on, and nobody else.
      assert.equal(await held.notify({ text: 'hello' }), 'hello for second')
      const numbers: number[] = []
      for await (const number of held.count()) {
        numbers.push(number)
        if (number === 1500) break
      }
      assert.equal(numbers.length, 1501)
      // The second may let go of its own proxy: what it passed on lives on.
      atSecond.clear()
      assert.equal(await held.notify({ text: 'again' }), 'again for second')
      await assert.rejects(held.hang(undefined, { deadline: 20 }), code('DEADLINE'))
      await assert.rejects(held.hang({}, { signal: AbortSignal.timeout(20) }), code('CANCELLED'))

      const hanging = held.hang()
      hanging.catch(() => {})
      await held.notify({ text: 'the other call is there' })
      first.die()
      await assert.rejects(hanging, code('PEER_DIED'))
      await assert.rejects(held.notify({ text: 'home is gone' }), code('PEER_DIED'))
      second.die()
      await assert.rejects(held.notify({ text: 'the way is gone' }))
      all.close()
    })
  }

  test('a pipe that is opened by hand joins the association group of another, if it is to the same partition', async () => {
    const all = new MemoryBus()
    const [storage, web, other] = [
      await all.partition('storage'),
      await all.partition('web'),
      await all.partition('other'),
    ]
    await storage.bus.offer(Board, new BoardComponent())
    const open = async ({ bus }: Partition, group?: number): Promise<ObjectClient> =>
      bus.objects(await bus.openPipe('storage/test.Board'), group === undefined ? {} : { group })
    const first = await open(web)
    const board = await first.activate(Board)
    await board.put({ listener: ear })
    kept.push(board)
    const { group } = first.inspect().rpc
    const second = await open(web, group)
    assert.equal(await (await (await second.activate(Board)).get()).notify({ text: 'hello' }), 'hello for storage')
    assert.equal(second.inspect().rpc.group, group)
    const stranger = await open(other, group)
    await assert.rejects(stranger.activate(Board), code('DENIED'))
    for (const client of [first, second]) client.close()
    await until(() => (storage.bus.inspect() as { components: unknown[] }).components.length === 0)
    await assert.rejects((await open(web, group)).activate(Board), code('DENIED'))
    all.close()
  })

  test('when the middle dies, the holder hears it at once', async () => {
    const all = new MemoryBus()
    const [first, second, third] = [
      await all.partition('first'),
      await all.partition('second'),
      await all.partition('third'),
    ]
    await second.bus.offer(Board, new BoardComponent())
    const board = await first.bus.activate(Board, { in: 'second' })
    await board.put({ listener: ear })
    kept.push(board)
    const held = await (await third.bus.activate(Board, { in: 'second' })).get()
    const hanging = held.hang()
    hanging.catch(() => {})
    await held.notify({ text: 'x' })
    second.die()
    await assert.rejects(hanging, code('PEER_DIED'))
    await assert.rejects(held.notify({ text: 'x' }), code('PEER_DIED'))
    await until(() => (first.bus.inspect() as { proxies: unknown[] }).proxies.length === 0)
    all.close()
  })
})
