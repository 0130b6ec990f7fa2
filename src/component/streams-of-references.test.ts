import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Client, contract, method, t } from '../rpc/index.ts'
import { ClassTable } from './classes.ts'
import { counts, end, settle, world } from './harness.test.ts'

const Item = contract('test.Item', { version: '1.0' }, { value: method({}, t.uint32) })
const Many = contract(
  'test.Many',
  { version: '1.0' },
  {
    all: method({ count: t.uint32, turns: t.uint32 }, t.stream(t.struct({ item: t.ref(Item) }))),
    first: method({ items: t.stream(t.ref(Item)) }, t.uint32),
    some: method({ items: t.stream(t.ref(Item)) }, t.stream(t.ref(Item))),
  },
)
const Gate = contract('test.Gate', { version: '1.0' }, { many: method({}, t.ref(Many)) })

/** An object of which it is known how many there are. */
class Thing {
  static open = 0
  readonly #value: number
  constructor(value: number) {
    this.#value = value
    Thing.open++
  }
  value(): number {
    return this.#value
  }
  [Symbol.dispose](): void {
    Thing.open--
  }
}

async function* things(count: number, turns = 0): AsyncGenerator<Thing> {
  for (let i = 0; i < count; i++) {
    for (let turn = 0; turn < turns; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
    yield new Thing(i)
  }
}

async function many(settings: Parameters<typeof world>[0] = {}) {
  Thing.open = 0
  const classes = new ClassTable()
  classes.offer(Many, {
    async *all({ count, turns }) {
      for await (const item of things(count, turns)) yield { item }
    },
    first: async ({ items }) => {
      const { value } = await items.next()
      using item = value as Client<typeof Item>
      return item.value()
    },
    some: ({ items }) => items as never,
  })
  const all = world({ classes, ...settings })
  return { ...all, proxy: await all.client.activate(Many) }
}

/** The same behind a program that passes it on. */
async function passedOn() {
  const near = await many()
  const gates = new ClassTable()
  gates.offer(Gate, { many: () => near.proxy })
  const far = world({ classes: gates, env: near.env })
  const gate = await far.client.activate(Gate)
  const finish = async (): Promise<void> => {
    await end(far)
    await end(near)
  }
  return { near, far, proxy: await gate.many(), finish }
}

describe('references among the items of a stream', () => {
  for (const [how, turns, limits] of [
    ['all at once', 0, {}],
    ['one after the other', 1, {}],
    ['in small pages', 0, { pageItems: 3, pageBytes: 300 }],
    ['in small pages, one after the other', 1, { pageItems: 3, pageBytes: 300 }],
  ] as const) {
    test(`that nobody reads go back when the reader leaves, and what was not sent is disposed of: ${how}`, async () => {
      for (let read = 1; read < 12; read++) {
        const all = await many({ server: limits })
        const stream = all.proxy.all({ count: 100, turns })
        for (let i = 0; i < read; i++) {
          const { value } = await stream.next()
          value?.item[Symbol.dispose]()
        }
        await stream.return()
        await settle()
        assert.deepEqual([counts(all).held, counts(all).given, Thing.open], [1, 1, 0])
        await end(all)
      }
    })
  }

  test('that were read are their reader’s, also when the stream is over', async () => {
    const all = await many()
    const items: Client<typeof Item>[] = []
    for await (const { item } of all.proxy.all({ count: 10, turns: 0 })) items.push(item)
    assert.deepEqual(await Promise.all(items.map((item) => item.value())), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    for (const item of items) item[Symbol.dispose]()
    await settle()
    assert.equal(Thing.open, 0)
    await end(all)
  })

  test('that was lent go back when their call is over', async () => {
    const all = await many()
    assert.equal(await all.proxy.first({ items: things(20) }), 0)
    await settle()
    assert.deepEqual([all.client.inspect().exports, all.server.inspect().imports], [{}, {}])
    await end(all)
  })

  for (const read of [1, 5, 20]) {
    test(`that was passed on are not kept in the middle, when ${read} of 20 are read`, async () => {
      const all = await passedOn()
      const stream = all.proxy.all({ count: 20, turns: 0 })
      for (let i = 0; i < read; i++) {
        const { value } = await stream.next()
        assert.equal(await value?.item.value(), i)
        value?.item[Symbol.dispose]()
      }
      await stream.return()
      await settle()
      assert.deepEqual([all.near.client.inspect().imports, Thing.open], [{ 'test.Many': 1 }, 0])
      await all.finish()
    })
  }

  test('that was lent, and given back as a stream of the answer, are not kept on the way', async () => {
    const all = await many()
    const seen: number[] = []
    for await (const item of all.proxy.some({ items: things(5) })) {
      seen.push((item as unknown as Thing).value())
    }
    await settle()
    assert.deepEqual(seen, [0, 1, 2, 3, 4])
    assert.deepEqual([all.client.inspect().exports, all.server.inspect().imports], [{}, {}])
    await end(all)
  })
})
