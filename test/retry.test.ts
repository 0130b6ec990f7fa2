/** Calls whose partition dies under them: those that may be repeated are, once, on a component activated anew; all others fail. */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import type { Bus } from '../src/agent/index.ts'
import { BusbarError } from '../src/errors/index.ts'
import { contract, method, t } from '../src/rpc/index.ts'
import { code, MemoryBus, until } from './memory-bus.ts'

const Ear = contract('test.Ear', { version: '1.0' }, { hear: method({}, t.string, { idempotent: true }) })
const Work = contract(
  'test.Work',
  { version: '1.0' },
  {
    read: method({ what: t.string }, t.string, { idempotent: true }),
    write: method({ what: t.string }, t.string),
    items: method({}, t.stream(t.string), { idempotent: true }),
    lend: method({ ear: t.ref(Ear) }, t.string, { idempotent: true }),
    ear: method({}, t.ref(Ear), { idempotent: true }),
  },
)

/** One life of the partition that is called. Calls wait until they are let go; `fail` throws at once. */
class Worker {
  readonly served: string[] = []
  readonly go: (() => void)[] = []
  failure: Error | undefined
  readonly #answers: boolean
  constructor(answers: boolean) {
    this.#answers = answers
  }
  read({ what }: { what: string }): Promise<string> {
    return this.#serve(`read ${what}`)
  }
  write({ what }: { what: string }): Promise<string> {
    return this.#serve(`write ${what}`)
  }
  async *items(): AsyncGenerator<string> {
    yield await this.#serve('items')
  }
  lend(): Promise<string> {
    return this.#serve('lend')
  }
  ear(): { hear: () => Promise<string> } {
    this.served.push('ear')
    return { hear: () => this.#serve('hear') }
  }
  async #serve(what: string): Promise<string> {
    this.served.push(what)
    if (this.failure !== undefined) throw this.failure
    if (!this.#answers) await new Promise<void>((resolve) => this.go.push(resolve))
    return what
  }
}

async function world() {
  const all = new MemoryBus()
  const { bus } = await all.partition('web')
  return {
    all,
    bus,
    /** The partition lives, or lives again. */
    async live(answers: boolean): Promise<{ worker: Worker; bus: Bus; die: () => void }> {
      const life = await all.partition('storage')
      const worker = new Worker(answers)
      await life.bus.offer(Work, worker)
      return { worker, ...life }
    },
    proxies: () => (bus.inspect() as { proxies: unknown[] }).proxies.length,
  }
}

describe('calls whose partition dies', { timeout: 60_000 }, () => {
  // The bus's own timers do not keep a process alive, and here everything is in memory.
  const alive = setInterval(() => {}, 1000)
  after(() => clearInterval(alive))

  test('idempotent ones are made once more, when it is back; others are not', async () => {
    const { all, bus, live, proxies } = await world()
    const first = await live(false)
    const work = await bus.activate(Work, { in: 'storage', wait: true })
    const repeated = [work.read({ what: 'a' }), work.read({ what: 'b' }, { deadline: 30_000 })]
    const lost = work.write({ what: 'c' })
    lost.catch(() => {})
    await until(() => first.worker.served.length === 3)
    first.die()
    await assert.rejects(lost, code('PEER_DIED'))
    const second = await live(true)
    assert.deepEqual(await Promise.all(repeated), ['read a', 'read b'])
    assert.deepEqual(second.worker.served.toSorted(), ['read a', 'read b'])
    // Later ones too: idempotent ones go where the last went, others know only the first.
    assert.equal(await work.read({ what: 'd' }), 'read d')
    await assert.rejects(work.write({ what: 'e' }), code('PEER_DIED'))
    assert.equal(second.worker.served.length, 3)
    assert.equal(proxies(), 1)
    // What was activated anew goes with the proxy.
    await work[Symbol.asyncDispose]()
    await until(() => proxies() === 0)
    await assert.rejects(work.read({ what: 'f' }))
    assert.equal(second.worker.served.length, 3)
    all.close()
  })

  test('one that is made after it died finds the new one', async () => {
    const { all, bus, live, proxies } = await world()
    const first = await live(true)
    const work = await bus.activate(Work, { in: 'storage' })
    await work.read({ what: 'a' })
    first.die()
    await until(() => proxies() === 0)
    const second = await live(true)
    assert.equal(await work.read({ what: 'b' }), 'read b')
    await assert.rejects(work.write({ what: 'c' }), code('PEER_DIED'))
    // A result that is a reference belongs to the new pipe.
    const ear = await work.ear()
    assert.equal(await ear.hear(), 'hear')
    assert.deepEqual(second.worker.served, ['read b', 'ear', 'hear'])
    all.close()
  })

  test('that does not come back: the call fails as its pipe did, or when its time is over', async () => {
    const { all, bus, live } = await world()
    const first = await live(false)
    const [here, waiting] = [
      await bus.activate(Work, { in: 'storage' }),
      await bus.activate(Work, { in: 'storage', wait: true }),
    ]
    const stop = new AbortController()
    const calls = [
      here.read({ what: 'a' }),
      waiting.read({ what: 'b' }, { deadline: 500 }),
      waiting.read({ what: 'c' }, { signal: stop.signal }),
    ]
    for (const each of calls) each.catch(() => {})
    await until(() => first.worker.served.length === 3)
    first.die()
    await assert.rejects(calls[0] as Promise<unknown>, code('PEER_DIED'))
    stop.abort()
    await assert.rejects(calls[2] as Promise<unknown>, code('CANCELLED'))
    await assert.rejects(calls[1] as Promise<unknown>, code('DEADLINE'))
    all.close()
  })

  test('and whose next one dies too are not made a third time', async () => {
    const { all, bus, live } = await world()
    const first = await live(false)
    const work = await bus.activate(Work, { in: 'storage', wait: true })
    const lost = work.read({ what: 'a' })
    lost.catch(() => {})
    await until(() => first.worker.served.length === 1)
    first.die()
    const second = await live(false)
    await until(() => second.worker.served.length === 1)
    second.die()
    const third = await live(true)
    await assert.rejects(lost, code('PEER_DIED'))
    assert.deepEqual(third.worker.served, [])
    all.close()
  })

  test('what a component answers is an answer, whatever its code', async () => {
    const { all, bus, live } = await world()
    const { worker } = await live(true)
    const work = await bus.activate(Work, { in: 'storage', wait: true })
    for (const [thrown, expected] of [
      ['NOT_READY', 'NOT_READY'],
      ['UNAVAILABLE', 'UNAVAILABLE'],
      ['PEER_DIED', 'FAULT'],
      ['BUSY', 'BUSY'],
    ] as const) {
      worker.failure = new BusbarError(thrown, 'says the component')
      await assert.rejects(work.read({ what: thrown }), code(expected))
    }
    assert.equal(worker.served.length, 4)
    all.close()
  })

  test('streams, calls that lend references, and objects that were given are not repeated', async () => {
    const { all, bus, live } = await world()
    const first = await live(false)
    const work = await bus.activate(Work, { in: 'storage', wait: true })
    const ear = await work.ear()
    const lost = [work.items().next(), work.lend({ ear: { hear: () => 'x' } }), ear.hear()]
    for (const each of lost) (each as Promise<unknown>).catch(() => {})
    await until(() => first.worker.served.length === 4)
    first.die()
    const second = await live(true)
    for (const each of lost) await assert.rejects(each as Promise<unknown>, code('PEER_DIED'))
    assert.equal(await work.read({ what: 'still' }), 'read still')
    assert.deepEqual(second.worker.served, ['read still'])
    all.close()
  })

  test('a call that this side gave up is not made again', async () => {
    const { all, bus, live } = await world()
    const first = await live(false)
    const work = await bus.activate(Work, { in: 'storage', wait: true })
    const stop = new AbortController()
    const lost = [work.read({ what: 'a' }, { signal: stop.signal }), work.read({ what: 'b' })]
    for (const each of lost) each.catch(() => {})
    await until(() => first.worker.served.length === 2)
    stop.abort()
    await assert.rejects(lost[0] as Promise<unknown>, code('CANCELLED'))
    work[Symbol.dispose]()
    first.die()
    const second = await live(true)
    await assert.rejects(lost[1] as Promise<unknown>)
    assert.deepEqual(second.worker.served, [])
    all.close()
  })
})
