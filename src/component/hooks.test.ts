import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type CallContext, type Client, contract, method, t } from '../rpc/index.ts'
import { ClassTable } from './classes.ts'
import { code, counts, end, settle, world } from './harness.test.ts'
import { type Authorize, type CalledMethod, type Hooks, NO_HOOKS } from './hooks.ts'

const Ear = contract('test.Ear', { version: '1.0' }, { hear: method({ text: t.string }, t.string) })
const Desk = contract(
  'test.Desk',
  { version: '1.0' },
  {
    add: method({ a: t.uint32, b: t.uint32 }, t.uint32),
    ear: method({}, t.ref(Ear)),
    lend: method({ ear: t.ref(Ear) }, t.string),
    items: method({ count: t.uint32 }, t.stream(t.uint32)),
    fail: method({}, t.void),
  },
)
type Ear = Client<typeof Ear>

const ear = { hear: ({ text }: { text: string }) => text.toUpperCase() }

function desk({ near = {}, far = {} }: { near?: Partial<Hooks>; far?: Partial<Hooks> } = {}) {
  const classes = new ClassTable()
  const served: string[] = []
  classes.offer(Desk, {
    add: ({ a, b }) => {
      served.push('add')
      return a + b
    },
    ear: () => ear,
    lend: async ({ ear: lent }) => {
      served.push('lend')
      using here: Ear = lent
      return here.hear({ text: 'back' })
    },
    async *items({ count }) {
      served.push('items')
      for (let i = 0; i < count; i++) yield i
    },
    fail: () => {
      throw Object.assign(new Error('no'), { code: 'ENO' })
    },
  })
  const all = world({
    classes,
    clientHooks: { ...NO_HOOKS, ...near },
    serverHooks: { ...NO_HOOKS, ...far },
  })
  return { ...all, served }
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

describe('interceptors of the caller', () => {
  test('stand around each call of a proxy, the outermost first, and see what it is', async () => {
    const seen: string[] = []
    const place = desk({
      near: {
        calls: [
          async (call, next) => {
            seen.push(`> ${call.path} ${JSON.stringify(call.args)} ${call.options?.deadline}`)
            const result = await next(call)
            seen.push(`< ${call.contract} ${call.method}`)
            return result
          },
          (call, next) => {
            seen.push('inner')
            return next(call)
          },
        ],
      },
    })
    const proxy = await place.client.activate(Desk)
    assert.equal(await proxy.add({ a: 1, b: 2 }, { deadline: 70 }), 3)
    assert.deepEqual(seen.splice(0), ['> test.Desk.add {"a":1,"b":2} 70', 'inner', '< test.Desk add'])
    const given = await proxy.ear()
    assert.equal(await given.hear({ text: 'x' }), 'X')
    assert.equal(seen.filter((line) => line.startsWith('> test.Ear.hear')).length, 1)
    await end(place)
  })

  test('change arguments and options, answer in place of the component, and call again', async () => {
    let how = 'change'
    const place = desk({
      near: {
        calls: [
          async (call, next) => {
            if (how === 'change') return next({ ...call, args: { a: 10, b: 20 }, options: { deadline: 5 } })
            if (how === 'answer') return 99
            if (how === 'throw') throw new RangeError('not now')
            await next(call)
            return next(call)
          },
        ],
      },
    })
    const proxy = await place.client.activate(Desk)
    assert.equal(await proxy.add({ a: 1, b: 2 }), 30)
    how = 'answer'
    assert.equal(await proxy.add({ a: 1, b: 2 }), 99)
    how = 'twice'
    assert.equal(await proxy.add({ a: 1, b: 2 }), 3)
    assert.equal(place.served.length, 3)
    how = 'throw'
    await assert.rejects(proxy.add({ a: 1, b: 2 }), /not now/)
    await assert.rejects(all(proxy.items({ count: 3 })), /not now/)
    await end(place)
  })

  test('stand around streams, async or not', async () => {
    for (const calls of [[(call, next) => next(call)], [async (call, next) => next(call)]] satisfies Hooks['calls'][]) {
      const place = desk({ near: { calls } })
      const proxy = await place.client.activate(Desk)
      assert.deepEqual(await all(proxy.items({ count: 4 })), [0, 1, 2, 3])
      for await (const item of proxy.items({ count: 5000 })) if (item === 3) break
      await settle()
      assert.equal(counts(place)['streams'], 0)
      await end(place)
    }
  })

  test('that throw at once reject the call', async () => {
    const place = desk({
      near: {
        calls: [
          () => {
            throw new Error('sync')
          },
        ],
      },
    })
    const proxy = await place.client.activate(Desk)
    await assert.rejects(proxy.add({ a: 1, b: 2 }), /sync/)
    await assert.rejects(proxy.items({ count: 1 }).next(), /sync/)
    await end(place)
  })
})

describe('interceptors of the server', () => {
  test('stand around each call that is served, with its context; also around callbacks', async () => {
    const seen: string[] = []
    const log =
      (side: string): Hooks['serves'][number] =>
      async (call, next) => {
        const { caller } = call.context
        try {
          const result = await next(call)
          seen.push(`${side} ${caller.partition} ${call.path}`)
          return result
        } catch (thrown) {
          seen.push(`${side} ${call.path} failed: ${(thrown as { code: string }).code}`)
          throw thrown
        }
      }
    const place = desk({ near: { serves: [log('near')] }, far: { serves: [log('far')] } })
    const proxy = await place.client.activate(Desk)
    assert.equal(await proxy.add({ a: 1, b: 2 }), 3)
    assert.equal(await proxy.lend({ ear }), 'BACK')
    assert.equal(await (await proxy.ear()).hear({ text: 'x' }), 'X')
    assert.deepEqual(await all(proxy.items({ count: 2 })), [0, 1])
    await assert.rejects(proxy.fail(), code('FAULT'))
    assert.deepEqual(seen, [
      'far web test.Desk.add',
      'near storage test.Ear.hear',
      'far web test.Desk.lend',
      'far web test.Desk.ear',
      'far web test.Ear.hear',
      'far web test.Desk.items',
      'far test.Desk.fail failed: ENO',
    ])
    await end(place)
  })

  test('change arguments and results', async () => {
    const place = desk({
      far: { serves: [(call, next) => (call.method === 'add' ? 7 : next({ ...call, args: { text: 'other' } }))] },
    })
    const proxy = await place.client.activate(Desk)
    assert.equal(await proxy.add({ a: 1, b: 2 }), 7)
    assert.equal(await (await proxy.ear()).hear({ text: 'x' }), 'OTHER')
    assert.deepEqual(place.served, [])
    await end(place)
  })
})

describe('authorization', () => {
  for (const [how, authorize] of [
    ['says no', () => false],
    ['says no later', async () => false],
    ['says something else', () => 'yes' as unknown as boolean],
    ['gives nothing', () => undefined as unknown as boolean],
    [
      'throws',
      () => {
        throw new Error('broken')
      },
    ],
    ['rejects', () => Promise.reject(new Error('broken'))],
  ] satisfies [string, Authorize][]) {
    test(`that ${how} is DENIED, and nothing reaches the component`, async () => {
      const place = desk({ far: { authorize: [() => true, authorize, () => true] } })
      const proxy = await place.client.activate(Desk)
      await assert.rejects(proxy.add({ a: 1, b: 2 }), code('DENIED'))
      await assert.rejects(proxy.items({ count: 1 }).next(), code('DENIED'))
      // What was lent in its arguments is not kept by anybody.
      await assert.rejects(proxy.lend({ ear }), code('DENIED'))
      assert.deepEqual([place.served, place.client.inspect().objects], [[], 0])
      await end(place)
    })
  }

  for (const how of ['at once', 'later'] as const) {
    test(`that looked at the signal and says no ${how} leaves nothing that fires`, async () => {
      const signals: AbortSignal[] = []
      const authorize: Authorize = ({ signal }) => {
        signals.push(signal)
        return how === 'at once' ? false : Promise.resolve(false)
      }
      const place = desk({ far: { authorize: [authorize] } })
      const proxy = await place.client.activate(Desk)
      await assert.rejects(proxy.add({ a: 1, b: 2 }, { deadline: 1_000 }), code('DENIED'))
      assert.deepEqual([signals.length, place.env.timers], [1, 0])
      await end(place)
    })
  }

  test('knows who calls, how they came, and what: method by method, on all objects', async () => {
    const asked: [CallContext, CalledMethod][] = []
    const place = desk({
      far: {
        authorize: [
          async (context, called) => {
            asked.push([context, called])
            await settle()
            return called.path !== 'test.Ear.hear'
          },
        ],
      },
    })
    const proxy = await place.client.activate(Desk)
    assert.equal(await proxy.add({ a: 1, b: 2 }), 3)
    assert.deepEqual(
      await all(proxy.items({ count: 3000 })),
      Array.from({ length: 3000 }, (_, i) => i),
    )
    assert.equal(await proxy.lend({ ear }), 'BACK')
    const given = await proxy.ear()
    await assert.rejects(given.hear({ text: 'x' }), code('DENIED'))
    assert.deepEqual(
      asked.map(([{ caller }, { path }]) => `${caller.partition} ${path}`),
      ['web test.Desk.add', 'web test.Desk.items', 'web test.Desk.lend', 'web test.Desk.ear', 'web test.Ear.hear'],
    )
    await end(place)
  })

  test("of a callback is its owner's", async () => {
    const place = desk({ near: { authorize: [({ caller }) => caller.partition !== 'storage'] } })
    const proxy = await place.client.activate(Desk)
    await assert.rejects(proxy.lend({ ear }), code('DENIED', /test\.Ear\.hear/))
    await end(place)
  })

  test('that comes when the caller is gone runs nothing; the object stays until then', async () => {
    const decisions: ((yes: boolean) => void)[] = []
    const place = desk({ far: { authorize: [() => new Promise((resolve) => decisions.push(resolve))] } })
    const proxy = await place.client.activate(Desk)
    const released = proxy.add({ a: 1, b: 2 })
    const lost = proxy.add({ a: 3, b: 4 })
    lost.catch(() => {})
    await settle()
    proxy[Symbol.dispose]()
    await settle()
    decisions[0]?.(true)
    assert.equal(await released, 3)
    place.links[0].close()
    await settle()
    decisions[1]?.(true)
    await assert.rejects(lost)
    await settle()
    assert.deepEqual(place.served, ['add'])
    await end(place)
  })
})
