import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Client, contract, type Implementation, method, t } from '../rpc/index.ts'
import { ClassTable } from './classes.ts'
import { code, counts, end, settle, world } from './harness.test.ts'
import { same } from './same.ts'

const Listener = contract('test.Listener', { version: '1.0' }, { notify: method({ text: t.string }, t.uint32) })
type Listener = Client<typeof Listener>

const Part = t.struct({ name: t.string, listener: t.optional(t.ref(Listener)) })
const Wherever = t.union('kind', { one: { listener: t.ref(Listener) }, none: {} })

const Hub = contract(
  'test.Hub',
  { version: '1.0' },
  {
    tell: method({ listener: t.ref(Listener), text: t.string }, t.uint32),
    keep: method({ listener: t.ref(Listener) }, t.void),
    kept: method({}, t.array(t.ref(Listener))),
    isKept: method({ listener: t.ref(Listener) }, t.bool),
    drop: method({}, t.void),
    echo: method({ listener: t.ref(Listener) }, t.ref(Listener)),
    own: method({}, t.ref(Listener)),
    isOwn: method({ listener: t.ref(Listener) }, t.bool),
    everywhere: method(
      { parts: t.array(Part), map: t.map(t.string, t.ref(Listener)), wherever: Wherever },
      t.struct({ map: t.map(t.string, t.ref(Listener)), wherever: Wherever }),
    ),
    stream: method({ listener: t.ref(Listener) }, t.stream(t.uint32)),
    wrong: method({ listener: t.ref(Listener), n: t.uint8 }, t.void),
  },
)

/** Remembers what it was told. */
class Ear {
  readonly heard: string[] = []
  notify({ text }: { text: string }): number {
    this.heard.push(text)
    return this.heard.length
  }
}

class HubComponent implements Implementation<typeof Hub> {
  readonly listeners: Listener[] = []
  readonly mine = new Ear()

  tell({ listener, text }: { listener: Listener; text: string }): Promise<number> {
    using heard = listener
    return heard.notify({ text })
  }
  keep({ listener }: { listener: Listener }): void {
    this.listeners.push(listener)
  }
  kept(): Listener[] {
    return this.listeners
  }
  isKept({ listener }: { listener: Listener }): boolean {
    using one = listener
    return this.listeners.some((each) => same(each, one))
  }
  drop(): void {
    for (const listener of this.listeners.splice(0)) listener[Symbol.dispose]()
  }
  echo({ listener }: { listener: Listener }): Listener {
    this.listeners.push(listener)
    return listener
  }
  own(): Ear {
    return this.mine
  }
  isOwn({ listener }: { listener: Listener }): boolean {
    return same(listener, this.mine)
  }
  everywhere({ parts, map, wherever }: Parameters<Implementation<typeof Hub>['everywhere']>[0]) {
    for (const { listener } of parts) if (listener !== undefined) this.listeners.push(listener)
    this.listeners.push(...map.values())
    if (wherever.kind === 'one') this.listeners.push(wherever.listener)
    return { map, wherever }
  }
  async *stream({ listener }: { listener: Listener }): AsyncGenerator<number> {
    using heard = listener
    for (let i = 0; i < 3; i++) yield await heard.notify({ text: String(i) })
  }
  wrong({ listener }: { listener: Listener }): void {
    listener[Symbol.dispose]()
  }
}

async function hub(settings: Parameters<typeof world>[0] = {}) {
  const component = new HubComponent()
  const classes = new ClassTable()
  classes.offer(Hub, component)
  const all = world({ classes, ...settings })
  return { ...all, component, proxy: await all.client.activate(Hub) }
}

describe('references in arguments', () => {
  test('a callback is a reference, called over the return channel', async () => {
    const all = await hub()
    const ear = new Ear()
    assert.equal(all.returned.length, 0)
    assert.equal(await all.proxy.tell({ listener: ear, text: 'one' }), 1)
    assert.equal(await all.proxy.tell({ listener: ear, text: 'two' }), 2)
    assert.deepEqual(ear.heard, ['one', 'two'])
    assert.equal(all.returned.length, 1)
    await settle()
    assert.deepEqual([all.client.inspect().objects, all.server.inspect().imports], [0, {}])
    await end(all)
  })

  test('who calls back is told as the caller', async () => {
    const all = await hub()
    let told: unknown
    const listener: Implementation<typeof Listener> = {
      notify: (_, { caller, signal, deadline }) => {
        told = [caller.partition, signal.aborted, deadline]
        return 0
      },
    }
    await all.proxy.tell({ listener, text: '' })
    assert.deepEqual(told, ['storage', false, undefined])
    await end(all)
  })

  test('in structs, arrays, optionals, maps and unions, both ways', async () => {
    const all = await hub()
    const ears = Array.from({ length: 5 }, () => new Ear())
    const [a, b, c, d, e] = ears as [Ear, Ear, Ear, Ear, Ear]
    const back = await all.proxy.everywhere({
      parts: [{ name: 'a', listener: a }, { name: 'none' }, { name: 'b', listener: b }],
      map: new Map([
        ['c', c],
        ['d', d],
      ]),
      wherever: { kind: 'one', listener: e },
    })
    assert.equal(all.component.listeners.length, 5)
    for (const listener of all.component.listeners) await listener.notify({ text: 'x' })
    assert.deepEqual(
      ears.map(({ heard }) => heard.length),
      [1, 1, 1, 1, 1],
    )
    // They came home as themselves.
    assert.deepEqual([...back.map.values()], [c, d])
    assert.ok(back.wherever.kind === 'one' && (back.wherever.listener as unknown) === e)
    assert.equal(all.client.inspect().exports['test.Listener']?.objects, 5)
    await all.proxy.drop()
    await settle()
    assert.equal(all.client.inspect().objects, 0)
    await end(all)
  })

  test('to a method that returns a stream', async () => {
    const all = await hub()
    const ear = new Ear()
    const numbers: number[] = []
    for await (const number of all.proxy.stream({ listener: ear })) numbers.push(number)
    assert.deepEqual(
      [numbers, ear.heard],
      [
        [1, 2, 3],
        ['0', '1', '2'],
      ],
    )
    await settle()
    assert.deepEqual([all.client.inspect().objects, counts(all)['held']], [0, 1])
    await end(all)
  })

  test('what does not implement the contract is refused before anything is sent', async () => {
    const all = await hub()
    await assert.rejects(all.proxy.tell({ listener: {} as Ear, text: '' }), code('BAD_VALUE', /"notify" is missing/))
    await assert.rejects(all.proxy.tell({ listener: 5 as unknown as Ear, text: '' }), code('BAD_VALUE'))
    await assert.rejects(all.proxy.wrong({ listener: new Ear(), n: 300 }), code('BAD_VALUE'))
    await assert.rejects(
      all.proxy.tell({ listener: all.proxy as unknown as Ear, text: '' }),
      code('BAD_VALUE', /query/),
    )
    assert.deepEqual([all.client.inspect().objects, all.returned.length], [0, 0])
    await end(all)
  })
})

describe('home-coming', () => {
  test('a proxy that is passed back arrives as the original object, from both sides', async () => {
    const all = await hub()
    const ear = new Ear()
    assert.equal((await all.proxy.echo({ listener: ear })) as unknown, ear)
    const own = await all.proxy.own()
    assert.equal(await own.notify({ text: 'x' }), 1)
    assert.equal(await all.proxy.isOwn({ listener: own }), true)
    assert.equal(await all.proxy.isOwn({ listener: ear }), false)
    await end(all)
  })

  test('in an answer it arrives even when the other side releases it at once', async () => {
    const all = await hub()
    const ear = new Ear()
    const { echo } = all.component
    all.component.echo = function (given) {
      const back = echo.call(this, given)
      queueMicrotask(() => this.drop())
      return back
    }
    // The answer waits while everything on the return channel gets through.
    all.proxy.drop().catch(() => {})
    await all.proxy.tell({ listener: ear, text: '' })
    all.links[1].fence()
    const back = all.proxy.echo({ listener: ear })
    await settle()
    assert.equal(all.component.listeners.length, 0)
    all.links[1].release()
    assert.equal((await back) as unknown, ear)
    await settle()
    assert.deepEqual([all.client.inspect().objects, all.server.inspect().imports], [0, {}])
    await end(all)
  })
})

describe('same', () => {
  test('two proxies of one object, an original and itself, and nothing else', async () => {
    const all = await hub()
    const [one, two] = [await all.proxy.own(), await all.proxy.own()]
    assert.ok(same(one, two) && same(one, one) && !same(one, all.proxy))
    const ear = new Ear()
    assert.ok(same(ear, ear) && !same(ear, new Ear()) && !same(ear, one))
    await all.proxy.keep({ listener: ear })
    assert.equal(await all.proxy.isKept({ listener: ear }), true)
    assert.equal(await all.proxy.isKept({ listener: new Ear() }), false)
    const other = await hub()
    assert.ok(!same(one, await other.proxy.own()))
    await end(other)
    await end(all)
  })
})
