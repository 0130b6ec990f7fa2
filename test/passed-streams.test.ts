/** Streams that a partition got as an argument, or as a result, and passes on to a third in a call of its own. */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { BusbarError } from '../src/errors/index.ts'
import { type CallContext, type Client, contract, method, type Stream, t } from '../src/rpc/index.ts'
import { code, MemoryBus, type Partition, until } from './memory-bus.ts'

const Sink = contract(
  'test.Sink',
  { version: '1.0' },
  {
    sum: method({ numbers: t.stream(t.uint32), most: t.uint32 }, t.uint53),
    double: method({ numbers: t.stream(t.uint32) }, t.stream(t.uint32)),
    hang: method({ numbers: t.stream(t.uint32) }, t.void),
    size: method({ data: t.stream(t.bytes) }, t.uint53),
    ping: method({}, t.void),
  },
)
type Sink = Client<typeof Sink>
type Numbers = { numbers: Stream<number> }

/** In the last partition: reads the streams. */
class Reader {
  failure: unknown

  async sum({ numbers, most }: Numbers & { most: number }): Promise<number> {
    let [sum, count] = [0, 0]
    for await (const number of numbers) {
      sum += number
      if (++count === most) break
    }
    return sum
  }
  async *double({ numbers }: Numbers): AsyncGenerator<number> {
    for await (const number of numbers) yield number * 2
  }
  async hang({ numbers }: Numbers): Promise<void> {
    try {
      for await (const _ of numbers) void _
    } catch (thrown) {
      this.failure = thrown
      throw thrown
    }
  }
  async size({ data }: { data: Stream<Uint8Array> }): Promise<number> {
    let size = 0
    for await (const chunk of data) size += chunk.length
    return size
  }
  ping(): void {}
}

/** In the partition between: hands everything on, the streams unread. */
class Middle {
  readonly #onwards: Sink
  constructor(onwards: Sink) {
    this.#onwards = onwards
  }
  sum = (args: Numbers & { most: number }, within: CallContext) => this.#onwards.sum(args, { within })
  double = (args: Numbers, within: CallContext) => this.#onwards.double(args, { within })
  hang = (args: Numbers, within: CallContext) => this.#onwards.hang(args, { within })
  size = (args: { data: Stream<Uint8Array> }, within: CallContext) => this.#onwards.size(args, { within })
  ping = () => this.#onwards.ping()
}

/** Numbers from 0 on; how many were taken, and how often it was left. */
class Source {
  taken = 0
  left = 0
  async *numbers(count: number, failure?: Error): AsyncGenerator<number> {
    try {
      for (let i = 0; i < count; i++) {
        this.taken++
        yield i
      }
      if (failure !== undefined) throw failure
    } finally {
      this.left++
    }
  }
  /** Three, then nothing until it is left. */
  stuck(): AsyncIterable<number> {
    const numbers = this.numbers(1000)
    let count = 0
    return {
      [Symbol.asyncIterator]: () => ({
        next: () => (count++ < 3 ? numbers.next() : new Promise<never>(() => {})),
        return: () => numbers.return(undefined),
      }),
    }
  }
}

/** Three partitions; the first calls the second, which passes on to the third. */
interface Stage {
  readonly first: Partition
  readonly second: Partition
  readonly third: Partition
  readonly sink: Sink
  readonly reader: Reader
  readonly source: Source
  close(): void
}

async function stage(): Promise<Stage> {
  // Nobody but the next may be called: what the third reads of the first comes through the second.
  const allowed = ['first second', 'second third']
  const all = new MemoryBus((from, to) => allowed.includes(`${from} ${to}`))
  const [first, second, third] = [
    await all.partition('first'),
    await all.partition('second'),
    await all.partition('third'),
  ]
  const reader = new Reader()
  await third.bus.offer(Sink, reader)
  await second.bus.offer(Sink, new Middle(await second.bus.activate(Sink, { in: 'third' })))
  const sink = await first.bus.activate(Sink, { in: 'second' })
  return { first, second, third, sink, reader, source: new Source(), close: () => all.close() }
}

/** Neither side of any pipe holds a stream of the other's: the activated sink is the one object left. */
async function released({ first, second, third }: Stage): Promise<void> {
  const streams = (): number => {
    let count = 0
    for (const { bus } of [first, second, third]) {
      const { components, proxies } = bus.inspect() as {
        components: readonly { streams: number; imports: object }[]
        proxies: readonly { references: number; objects: number }[]
      }
      for (const { streams, imports } of components) count += streams + Object.keys(imports).length
      for (const { references, objects } of proxies) count += references - 1 + objects
    }
    return count
  }
  await until(() => streams() === 0)
}

describe('a stream that is passed on', { timeout: 60_000 }, () => {
  // The bus's own timers do not keep a process alive, and here everything is in memory.
  const alive = setInterval(() => {}, 1000)
  after(() => clearInterval(alive))

  test('arrives whole and in order', async () => {
    const all = await stage()
    const { sink, source } = all
    assert.equal(await sink.sum({ numbers: source.numbers(3000), most: 0 }), 4_498_500)
    assert.deepEqual([source.taken, source.left], [3000, 1])
    assert.equal(await sink.size({ data: [new Uint8Array(300_000), new Uint8Array(5)] }), 300_005)
    await released(all)
    all.close()
  })

  test('comes back as a result made of it, and ends with that', async () => {
    const all = await stage()
    const { sink, source } = all
    const doubled: number[] = []
    for await (const number of sink.double({ numbers: source.numbers(2500) })) doubled.push(number)
    assert.deepEqual([doubled.length, doubled.at(-1)], [2500, 4998])
    for await (const _ of sink.double({ numbers: source.numbers(1_000_000) })) break
    await until(() => source.left === 2)
    assert.ok(source.taken < 100_000, `${source.taken} were taken for one that was read`)
    await released(all)
    all.close()
  })

  test('a reader at the far end who leaves the loop releases the producer', async () => {
    const all = await stage()
    const { sink, source } = all
    assert.equal(await sink.sum({ numbers: source.numbers(1_000_000), most: 3 }), 3)
    await until(() => source.left === 1)
    assert.ok(source.taken < 100_000, `${source.taken} were taken for three that were read`)
    await released(all)
    all.close()
  })

  test('an error in the middle arrives typed at the far end, and ends the call', async () => {
    const all = await stage()
    const { sink, source, reader } = all
    const failure = Object.assign(new RangeError('no more numbers'), { code: 'ENOMORE' })
    await assert.rejects(sink.hang({ numbers: source.numbers(5, failure) }), code('FAULT'))
    assert.ok(reader.failure instanceof BusbarError)
    assert.deepEqual(reader.failure.remote, { name: 'RangeError', code: 'ENOMORE', message: 'no more numbers' })
    await released(all)
    all.close()
  })

  test('a caller that cancels leaves its producer, and the far end is told', async () => {
    const all = await stage()
    const { sink, source, reader } = all
    const controller = new AbortController()
    const call = sink.hang({ numbers: source.stuck() }, { signal: controller.signal })
    await until(() => source.taken === 3)
    controller.abort()
    await assert.rejects(call, code('CANCELLED'))
    await until(() => source.left === 1 && reader.failure !== undefined)
    assert.ok(code('CANCELLED')(reader.failure))
    await sink.ping()
    await released(all)
    all.close()
  })

  for (const who of ['first', 'second', 'third'] as const) {
    test(`when the ${who} dies, everybody else hears it`, async () => {
      const all = await stage()
      const call = all.sink.hang({ numbers: all.source.stuck() })
      call.catch(() => {})
      await until(() => all.source.taken === 3)
      all[who].die()
      // What the second's own call fails with is an error of the second's to its caller.
      await assert.rejects(call, code(({ first: 'LINK_LOST', second: 'PEER_DIED', third: 'FAULT' } as const)[who]))
      await until(() => all.source.left === 1)
      if (who !== 'third') {
        await until(() => all.reader.failure !== undefined)
        assert.ok(all.reader.failure instanceof BusbarError)
      }
      all.close()
    })
  }
})
