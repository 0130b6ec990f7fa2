import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BusbarError } from '../errors/index.ts'
import { type Client, contract, method, t } from '../rpc/index.ts'
import { ClassTable } from './classes.ts'
import { code, counts, end, settle, type World, world } from './harness.test.ts'

const Ear = contract('test.Ear', { version: '1.0' }, { hear: method({}, t.void) })
const Shelf = contract('test.Shelf', { version: '1.0' }, { put: method({ ear: t.ref(Ear) }, t.void) })
const Desk = contract(
  'test.Desk',
  { version: '1.0' },
  {
    hang: method({}, t.void),
    lend: method({ ear: t.ref(Ear) }, t.uint32),
    // Where a whole result is a reference, its interface is agreed on before it is there.
    other: method({}, t.struct({ shelf: t.ref(Shelf) })),
  },
)
type Desk = Client<typeof Desk>
const Passing = contract('test.Passing', { version: '1.0' }, { desk: method({}, t.ref(Desk)) })

const ear = { hear: () => {} }

function desk(settings: Parameters<typeof world>[0] = {}) {
  const classes = new ClassTable()
  const served: string[] = []
  const signals: AbortSignal[] = []
  const go: (() => void)[] = []
  classes.offer(Desk, {
    hang: (_, { signal }) => {
      served.push('hang')
      signals.push(signal)
      return new Promise((resolve) => go.push(resolve))
    },
    lend: ({ ear: lent }) => {
      lent[Symbol.dispose]()
      return served.push('lend')
    },
    other: () => ({
      shelf: {
        put: ({ ear: lent }) => {
          lent[Symbol.dispose]()
          served.push('put')
        },
      },
    }),
  })
  return { ...world({ classes, ...settings }), served, signals, go }
}

/** At most two calls at a time, both taken by calls that hang. */
async function full() {
  const all = desk({ client: { rpc: { calls: 2 } } })
  const proxy = await all.client.activate(Desk)
  // The return channel is there from now on.
  await proxy.lend({ ear })
  await settle()
  const hanging = [proxy.hang(), proxy.hang()]
  for (const each of hanging) each.catch(() => {})
  await settle()
  assert.deepEqual([all.served.splice(0), all.client.inspect().objects], [['lend', 'hang', 'hang'], 0])
  return { all, proxy, hanging }
}

describe('a call that waits for its turn', () => {
  for (const how of ['is cancelled', 'runs out of time'] as const) {
    test(`and ${how} gives none of its references, and is never made`, async () => {
      const { all, proxy, hanging } = await full()
      const stop = new AbortController()
      const waiting = proxy.lend({ ear }, { signal: stop.signal, deadline: 50 })
      waiting.catch(() => {})
      await settle()
      assert.deepEqual([all.client.inspect().objects, all.client.inspect().rpc.calls.queued], [1, 1])
      if (how === 'is cancelled') stop.abort()
      else all.env.advance(50)
      await assert.rejects(waiting, code(how === 'is cancelled' ? 'CANCELLED' : 'DEADLINE'))
      assert.equal(all.client.inspect().objects, 0)
      for (const each of all.go) each()
      await Promise.all(hanging)
      await settle()
      assert.deepEqual(all.served, [])
      assert.equal(await proxy.lend({ ear }), 1)
      await end(all)
    })
  }

  test('settles with the reason when the pipe dies, at once, and gives nothing', async () => {
    const { all, proxy, hanging } = await full()
    const waiting = [proxy.hang(), proxy.lend({ ear }), proxy.hang({}, { deadline: 500 })]
    for (const each of waiting) each.catch(() => {})
    await settle()
    assert.equal(all.client.inspect().rpc.calls.queued, 3)
    all.links[0].close(new BusbarError('PEER_DIED', 'partition killed'))
    for (const each of [...hanging, ...waiting]) await assert.rejects(each, code('PEER_DIED', /partition killed/))
    assert.deepEqual([all.client.inspect().objects, all.env.timers], [0, 0])
    await end(all)
  })

  test('for its interface to be agreed on gives none of its references when it is cancelled', async () => {
    const all = desk()
    const proxy = await all.client.activate(Desk)
    await proxy.lend({ ear })
    const { shelf: other } = await proxy.other()
    await settle()
    all.links[1].fence()
    const stop = new AbortController()
    const waiting = other.put({ ear }, { signal: stop.signal })
    waiting.catch(() => {})
    await settle()
    assert.equal(all.client.inspect().objects, 1)
    stop.abort()
    await assert.rejects(waiting, code('CANCELLED'))
    assert.equal(all.client.inspect().objects, 0)
    all.links[1].release()
    await settle()
    assert.deepEqual(all.served, ['lend'])
    await end(all)
  })
})

describe('calls that go on through others', () => {
  /** The first holds a reference to an object of the last, through the one in the middle. */
  async function chain(): Promise<{ last: ReturnType<typeof desk>; middle: World; passed: Desk }> {
    const last = desk()
    const held = await last.client.activate(Desk)
    const classes = new ClassTable()
    classes.offer(Passing, { desk: () => held })
    const middle = world({ classes, env: last.env })
    return { last, middle, passed: await (await middle.client.activate(Passing)).desk() }
  }

  test('settle at once when the last dies', async () => {
    const { last, middle, passed } = await chain()
    const hanging = Array.from({ length: 20 }, () => passed.hang())
    for (const each of hanging) each.catch(() => {})
    await settle()
    last.links[0].close(new BusbarError('PEER_DIED', 'partition killed'))
    for (const each of hanging) await assert.rejects(each, code('PEER_DIED', /partition killed/))
    await assert.rejects(passed.hang(), code('PEER_DIED'))
    await end(middle)
    await end(last)
  })

  test('settle at once when the middle dies, and end at the last', async () => {
    const { last, middle, passed } = await chain()
    const hanging = [passed.hang(), passed.hang({}, { deadline: 10_000 })]
    for (const each of hanging) each.catch(() => {})
    await settle()
    middle.links[0].close(new BusbarError('PEER_DIED', 'partition killed'))
    for (const each of hanging) await assert.rejects(each, code('PEER_DIED'))
    await settle()
    assert.deepEqual(
      last.signals.map(({ aborted }) => aborted),
      [true, true],
    )
    for (const each of last.go) each()
    await settle()
    assert.equal(counts(last)['running'], 0)
    await end(middle)
    await end(last)
  })
})
