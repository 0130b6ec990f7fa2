import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Client, contract, method, type Stream, t } from '../rpc/index.ts'
import { ClassTable } from './classes.ts'
import { code, counts, end, settle, world } from './harness.test.ts'
import { NO_HOOKS, type ServeInterceptor } from './hooks.ts'
import { same } from './same.ts'

const Item = contract('test.Item', { version: '1.0' }, { value: method({}, t.uint32) })
type Item = Client<typeof Item>
const Keeper = contract(
  'test.Keeper',
  { version: '1.0' },
  {
    make: method({ count: t.uint32 }, t.array(t.ref(Item))),
    one: method({}, t.ref(Item)),
    sum: method({ items: t.array(t.ref(Item)) }, t.uint32),
    keep: method({ item: t.ref(Item) }, t.void),
    kept: method({}, t.ref(Item)),
    each: method({ items: t.array(t.ref(Item)) }, t.stream(t.uint32)),
    fail: method({ item: t.ref(Item) }, t.ref(Item)),
    up: method({ to: t.uint32 }, t.stream(t.uint32)),
  },
)
const Gate = contract('test.Gate', { version: '1.0' }, { keeper: method({}, t.ref(Keeper)) })

class Thing {
  static disposed = 0
  readonly #value: number
  constructor(value: number) {
    this.#value = value
  }
  value(): number {
    return this.#value
  }
  [Symbol.dispose](): void {
    Thing.disposed++
  }
}

/** The first has objects, the second passes one of them on, the third calls it. `serves` stands around what the second serves. */
async function three(serves: readonly ServeInterceptor[] = []) {
  let kept: Item | undefined
  const sum = async (items: readonly Item[]): Promise<number> => {
    let all = 0
    for (const item of items) all += await item.value()
    return all
  }
  const classes = new ClassTable()
  classes.offer(Keeper, {
    make: ({ count }) => Array.from({ length: count }, (_, i) => new Thing(i)),
    one: () => new Thing(7),
    sum: async ({ items }) => {
      const all = await sum(items)
      for (const item of items) item[Symbol.dispose]()
      return all
    },
    keep: ({ item }) => {
      kept = item
    },
    kept: () => kept as Item,
    each: async function* ({ items }) {
      try {
        for (const item of items) yield await item.value()
      } finally {
        for (const item of items) item[Symbol.dispose]()
      }
    },
    fail: ({ item }) => {
      item[Symbol.dispose]()
      throw new Error('no')
    },
    up: function* ({ to }) {
      for (let i = 1; i <= to; i++) yield i
    },
  })
  const near = world({ classes })
  const keeper = await near.client.activate(Keeper)
  const gates = new ClassTable()
  gates.offer(Gate, { keeper: () => keeper })
  const far = world({ classes: gates, env: near.env, serverHooks: { ...NO_HOOKS, serves } })
  const gate = await far.client.activate(Gate)
  const passedOn: Client<typeof Keeper> = await gate.keeper()
  // Nothing has to be agreed on any more before a release leaves.
  for (const each of [await gate.keeper(), await keeper.one()]) await each[Symbol.asyncDispose]()
  Thing.disposed = 0
  const finish = async (): Promise<void> => {
    await end(far)
    await end(near)
  }
  /** What the second has of the first and of the third, and what each of those holds of it. */
  const middle = (): unknown[] => [near.client.inspect().imports, far.server.inspect().imports]
  return { near, far, keeper, passedOn, middle, finish, letGo: () => kept?.[Symbol.dispose]() }
}

const ONLY_KEEPER = [{ 'test.Keeper': 1 }, {}]

describe('what passes through a reference that was passed on is released without the garbage collector', () => {
  test('references in results, when the third party releases them', async () => {
    const all = await three()
    const items = await all.passedOn.make({ count: 3 })
    const one = await all.passedOn.one()
    assert.deepEqual(await Promise.all([...items, one].map((item) => item.value())), [0, 1, 2, 7])
    await settle()
    assert.equal(Thing.disposed, 0)
    for (const item of [...items, one]) item[Symbol.dispose]()
    await settle()
    assert.equal(Thing.disposed, 4)
    assert.deepEqual(all.middle(), ONLY_KEEPER)
    await all.finish()
  })

  test('references in arguments, when the call is over and whoever was called has released them', async () => {
    const all = await three()
    const things = [1, 2, 3].map((value) => new Thing(value))
    assert.equal(await all.passedOn.sum({ items: things }), 6)
    await settle()
    assert.deepEqual(all.middle(), ONLY_KEEPER)
    assert.deepEqual(all.far.client.inspect().exports, {})
    await assert.rejects(all.passedOn.fail({ item: things[0]! }), code('FAULT'))
    await settle()
    assert.deepEqual(all.middle(), ONLY_KEEPER)
    assert.deepEqual([all.far.client.inspect().exports, Thing.disposed], [{}, 0])
    await all.finish()
  })

  test('the same of a call that gives a stream, when that is over', async () => {
    const all = await three()
    const things = [1, 2, 3].map((value) => new Thing(value))
    const seen: number[] = []
    for await (const value of all.passedOn.each({ items: things })) seen.push(value)
    assert.deepEqual(seen, [1, 2, 3])
    const left = all.passedOn.each({ items: things })
    await left.next()
    await left.return()
    await settle()
    assert.deepEqual([(all.middle()[1], all.far.server.inspect().imports)], [{}])
    await all.finish()
  })

  test('what is kept at the other end stays callable, comes back as itself, and is released by its keeper', async () => {
    const all = await three()
    const thing = new Thing(5)
    await all.passedOn.keep({ item: thing })
    await settle()
    const back = await all.passedOn.kept()
    assert.equal(back, thing)
    const beside = await all.keeper.kept()
    assert.equal(await beside.value(), 5)
    beside[Symbol.dispose]()
    await settle()
    all.letGo()
    await settle()
    assert.deepEqual(all.far.client.inspect().exports, {})
    await all.finish()
  })

  test('one that comes home to the program in the middle, which has released it, with arguments that cannot be read', async () => {
    const all = await three()
    const methods = { own: method({}, t.ref(Item)), look: method({ item: t.ref(Item) }, t.void) }
    const Passing = contract('test.Passing', { version: '1.0' }, methods)
    const more = { ...methods, look: method({ item: t.ref(Item), more: t.uint32 }, t.void) }
    const Wrong = contract('test.Passing', { version: '1.0' }, more)
    const own = await all.keeper.one()
    const gates = new ClassTable()
    gates.offer(Passing, { own: () => own, look: () => assert.fail('the arguments were read') })
    const far = world({ classes: gates, env: all.near.env })
    const wrong = await far.client.activate(Wrong)
    const item = await wrong.own()
    own[Symbol.dispose]()
    await assert.rejects(wrong.look({ item, more: 1 }), code('BAD_VALUE'))
    item[Symbol.dispose]()
    await settle()
    assert.deepEqual([Thing.disposed, all.near.client.inspect().imports], [1, ONLY_KEEPER[0]])
    await end(far)
    await all.finish()
  })

  test('the same in an answer that cannot be read', async () => {
    const all = await three()
    const methods = { keep: method({ item: t.ref(Item) }, t.void), drop: method({}, t.void) }
    const wrong = t.struct({ item: t.ref(Item), more: t.ref(Gate) })
    const right = t.struct({ item: t.ref(Item), more: t.ref(Item) })
    const Wrong = contract('test.Box', { version: '1.0' }, { ...methods, kept: method({}, wrong) })
    const Box = contract('test.Box', { version: '1.0' }, { ...methods, kept: method({}, right) })
    let kept: Item | undefined
    const boxes = new ClassTable()
    boxes.offer(Wrong, {
      keep: ({ item }) => {
        kept = item
      },
      kept: () => ({ item: kept as Item, more: { keeper: () => assert.fail('it is called') } }),
      drop: () => kept?.[Symbol.dispose](),
    })
    const far = world({ classes: boxes, env: all.near.env })
    const box = await far.client.activate(Box)
    const own = await all.keeper.one()
    await box.keep({ item: own })
    own[Symbol.dispose]()
    await assert.rejects(box.kept(), code('NO_SUCH_INTERFACE'))
    await box.drop()
    await settle()
    assert.equal(counts(far).given, 1)
    assert.deepEqual([Thing.disposed, all.near.client.inspect().imports], [1, ONLY_KEEPER[0]])
    await end(far)
    await all.finish()
  })

  test('a proxy that the program in the middle has is not released with a call that names it', async () => {
    const all = await three()
    const own = await all.keeper.one()
    const gates = new ClassTable()
    const Passing = contract(
      'test.Passing',
      { version: '1.0' },
      { own: method({}, t.ref(Item)), keeper: method({}, t.ref(Keeper)) },
    )
    gates.offer(Passing, { own: () => own, keeper: () => all.keeper })
    const far = world({ classes: gates, env: all.near.env })
    const passing = await far.client.activate(Passing)
    const [item, keeper] = [await passing.own(), await passing.keeper()]
    await keeper.keep({ item })
    item[Symbol.dispose]()
    await settle()
    assert.equal(await own.value(), 7)
    assert.ok(!same(own, await all.keeper.one()))
    assert.equal(counts(far).given, 2)
    await end(far)
    await all.finish()
  })
})

describe('a stream of an object that was passed on, which whoever asked for it releases before anybody reads', () => {
  const asked: Record<string, (keeper: Client<typeof Keeper>) => Stream<number>> = {
    'with references among its arguments': (keeper) =>
      keeper.each({ items: [1, 2, 3].map((value) => new Thing(value)) }),
    'without any': (keeper) => keeper.up({ to: 3 }),
  }
  for (const [how, ask] of Object.entries(asked)) {
    for (const keeps of [true, false]) {
      test(`is read to its end, ${how}, ${keeps ? 'while' : 'when'} the program in the middle ${keeps ? 'has' : 'has released'} its own`, async () => {
        const all = await three()
        if (!keeps) all.keeper[Symbol.dispose]()
        const stream = ask(all.passedOn)
        const seen = [stream.next(), stream.next(), stream.next(), stream.next()]
        all.passedOn[Symbol.dispose]()
        assert.deepEqual(
          (await Promise.all(seen)).map(({ value }) => value),
          [1, 2, 3, undefined],
        )
        await settle()
        assert.deepEqual(all.middle(), keeps ? ONLY_KEEPER : [{}, {}])
        await all.finish()
      })
    }

    test(`keeps nothing when nobody reads it, ${how}`, async () => {
      const all = await three()
      all.keeper[Symbol.dispose]()
      const stream = ask(all.passedOn)
      void stream.next()
      all.passedOn[Symbol.dispose]()
      await stream.return()
      await settle()
      assert.deepEqual(all.middle(), [{}, {}])
      await all.finish()
    })
  }

  const around: Record<string, ServeInterceptor> = {
    'gives it another context': (call, next) => {
      const { caller, chain, signal, deadline, trace } = call.context
      return next({ ...call, context: { caller, chain, signal, deadline, trace, recycle() {} } })
    },
    'drops it and fails': (call, next) => {
      const made = next(call)
      if (call.method !== 'up') return made
      throw new Error('no')
    },
    'waits before it': async (call, next) => {
      await settle()
      return next(call)
    },
  }
  for (const [what, serve] of Object.entries(around)) {
    test(`keeps nothing when nobody reads it, and what stands around the call ${what}`, async () => {
      const all = await three([serve])
      all.keeper[Symbol.dispose]()
      const stream = all.passedOn.up({ to: 3 })
      stream.next().catch(code('FAULT'))
      all.passedOn[Symbol.dispose]()
      await settle()
      await stream.return()
      await settle()
      await settle()
      assert.deepEqual(all.middle(), [{}, {}])
      await all.finish()
    })
  }

  test('keeps the object no longer than it takes to ask for the stream', async () => {
    const all = await three()
    all.keeper[Symbol.dispose]()
    const stream = all.passedOn.up({ to: 1_000_000 })
    const first = stream.next()
    all.passedOn[Symbol.dispose]()
    assert.equal((await first).value, 1)
    await settle()
    assert.deepEqual(all.near.client.inspect().imports, { 'test.Keeper.up': 1 })
    await stream.return()
    await all.finish()
  })
})

test('an object that was passed on and released stays until the calls that came before have gone on', async () => {
  const all = await three([
    async (call, next) => {
      await settle()
      return next(call)
    },
  ])
  all.keeper[Symbol.dispose]()
  const one = all.passedOn.one()
  const stream = all.passedOn.up({ to: 1 })
  const first = stream.next()
  all.passedOn[Symbol.dispose]()
  assert.equal(await (await one).value(), 7)
  assert.deepEqual(await first, { done: false, value: 1 })
  await one.then((item) => item[Symbol.asyncDispose]())
  await stream.return()
  await settle()
  assert.deepEqual([Thing.disposed, ...all.middle()], [1, {}, {}])
  await all.finish()
})
