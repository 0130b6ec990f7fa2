import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { ReadableStream } from 'node:stream/web'
import { describe, test } from 'node:test'
import { BusbarError } from '../errors/index.ts'
import { type Client, contract, method, type Stream, t } from '../rpc/index.ts'
import { ClassTable } from './classes.ts'
import { code, counts, end, settle, type World, world } from './harness.test.ts'

const Sink = contract(
  'tests.Sink',
  { version: '1.0' },
  {
    sum: method({ numbers: t.stream(t.uint32), most: t.uint32 }, t.uint53),
    double: method({ numbers: t.stream(t.uint32) }, t.stream(t.uint32)),
    size: method({ data: t.stream(t.bytes) }, t.uint53),
    both: method({ left: t.stream(t.string), right: t.stream(t.string) }, t.array(t.string)),
    keep: method({ numbers: t.stream(t.uint32) }, t.void),
    hang: method({ numbers: t.stream(t.uint32) }, t.void),
    picky: method({ numbers: t.stream(t.uint32), small: t.uint8 }, t.void),
  },
)

class Reader {
  kept: Stream<number> | undefined
  failure: unknown
  signal: AbortSignal | undefined

  async sum({ numbers, most }: { numbers: Stream<number>; most: number }): Promise<number> {
    let [sum, count] = [0, 0]
    try {
      for await (const number of numbers) {
        sum += number
        if (++count === most) break
      }
    } catch (thrown) {
      this.failure = thrown
      throw thrown
    }
    return sum
  }

  async *double({ numbers }: { numbers: Stream<number> }): AsyncGenerator<number> {
    for await (const number of numbers) yield number * 2
  }

  async size({ data }: { data: Stream<Uint8Array> }): Promise<number> {
    let size = 0
    for await (const chunk of data) size += chunk.length
    return size
  }

  async both({ left, right }: { left: Stream<string>; right: Stream<string> }): Promise<string[]> {
    const all: string[] = []
    for await (const each of left) {
      const other = await right.next()
      all.push(`${each}${other.value ?? '-'}`)
    }
    return all
  }

  keep({ numbers }: { numbers: Stream<number> }): void {
    this.kept = numbers
  }

  async hang({ numbers }: { numbers: Stream<number> }): Promise<void> {
    try {
      for await (const _ of numbers) void _
    } catch (thrown) {
      this.failure = thrown
      throw thrown
    }
  }

  picky(): void {}
}

/** Numbers from 0 on, and how many were taken, and that it was left. */
class Numbers {
  taken = 0
  left = 0
  async *from(count: number, failure?: unknown): AsyncGenerator<number> {
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
}

interface Stage {
  all: World
  reader: Reader
  sink: Client<typeof Sink>
  numbers: Numbers
}

async function stage(settings: Parameters<typeof world>[0] = {}): Promise<Stage> {
  const classes = new ClassTable()
  const reader = new Reader()
  classes.offer(Sink, reader)
  const all = world({ ...settings, classes })
  return { all, reader, sink: await all.client.activate(Sink), numbers: new Numbers() }
}

/** Nothing of a stream is left on either side; then the world ends. */
async function over({ all }: Stage): Promise<void> {
  await settle()
  const [ours, theirs] = [all.client.inspect(), all.server.inspect()]
  assert.deepEqual([ours.objects, theirs.imports], [0, {}])
  await end(all)
}

describe('streams in arguments', () => {
  test('arrive whole and in order, from whatever can be iterated', async () => {
    const it = await stage()
    assert.equal(await it.sink.sum({ numbers: it.numbers.from(3000), most: 0 }), 4_498_500)
    assert.deepEqual([it.numbers.taken, it.numbers.left], [3000, 1])
    assert.equal(await it.sink.sum({ numbers: [1, 2, 3], most: 0 }), 6)
    assert.equal(await it.sink.sum({ numbers: new Set<number>(), most: 0 }), 0)
    assert.equal(await it.sink.sum({ numbers: ReadableStream.from([4, 5]), most: 0 }), 9)
    assert.equal(await it.sink.sum({ numbers: Readable.from([6, 7]), most: 0 }), 13)
    assert.equal(await it.sink.size({ data: [new Uint8Array(300_000), new Uint8Array(5)] }), 300_005)
    assert.deepEqual(await it.sink.both({ left: ['a', 'b', 'c'], right: ['1', '2'] }), ['a1', 'b2', 'c-'])
    await over(it)
  })

  test('a slow reader stops the caller', async () => {
    const it = await stage({ server: { pageItems: 10 } })
    await it.sink.keep({ numbers: it.numbers.from(1000) })
    const pending = it.sink.double({ numbers: it.numbers.from(1_000_000) })
    assert.equal((await pending.next()).value, 0)
    await settle()
    // What is read here and there, and what each reader asked for ahead.
    assert.ok(it.numbers.taken > 1 && it.numbers.taken < 8000, `${it.numbers.taken}`)
    const { taken } = it.numbers
    await settle()
    assert.equal(it.numbers.taken, taken)
    await pending.return()
    await settle()
    assert.equal(it.numbers.left, 1)
    await over(it)
  })

  test('a reader that leaves the loop releases the producer at once', async () => {
    const it = await stage({ server: { pageItems: 4 } })
    assert.equal(await it.sink.sum({ numbers: it.numbers.from(1_000_000), most: 3 }), 3)
    await settle()
    assert.equal(it.numbers.left, 1)
    assert.ok(it.numbers.taken < 100)
    await over(it)
  })

  test('what was not read when the method returned is released; whoever kept it finds it over', async () => {
    const it = await stage()
    await it.sink.keep({ numbers: it.numbers.from(10) })
    assert.deepEqual(await it.reader.kept?.next(), { done: true, value: undefined })
    // It was never begun, so there was nothing to leave.
    assert.deepEqual([it.numbers.taken, it.numbers.left], [0, 0])
    await over(it)
  })

  test('stays open as long as the stream that was made of it', async () => {
    const it = await stage()
    const doubled: number[] = []
    for await (const number of it.sink.double({ numbers: it.numbers.from(2500) })) doubled.push(number)
    assert.deepEqual([doubled.length, doubled.at(-1)], [2500, 4998])
    for await (const _ of it.sink.double({ numbers: it.numbers.from(1_000_000) })) break
    await settle()
    assert.equal(it.numbers.left, 2)
    await over(it)
  })

  test('an error in the middle arrives typed there, and ends the call', async () => {
    const it = await stage()
    const failure = Object.assign(new RangeError('no more numbers'), { code: 'ENOMORE' })
    await assert.rejects(it.sink.sum({ numbers: it.numbers.from(5, failure), most: 0 }), code('FAULT'))
    assert.ok(it.reader.failure instanceof BusbarError)
    assert.deepEqual(it.reader.failure.remote, { name: 'RangeError', code: 'ENOMORE', message: 'no more numbers' })
    const denied = new BusbarError('DENIED', 'not these')
    await assert.rejects(it.sink.sum({ numbers: it.numbers.from(5, denied), most: 0 }), code('DENIED'))
    await over(it)
  })

  test('an item that does not fit, and what cannot be iterated', async () => {
    const it = await stage()
    await assert.rejects(it.sink.sum({ numbers: [1, -1], most: 0 }), code('BAD_VALUE'))
    assert.ok(code('BAD_VALUE', /tests\.Sink\.sum\.numbers/)(it.reader.failure))
    await assert.rejects(it.sink.sum({ numbers: 7 as never, most: 0 }), code('BAD_VALUE', /iterated/))
    await over(it)
  })

  test('a caller that cancels leaves its own producer at once, and its reader is told', async () => {
    const it = await stage()
    const controller = new AbortController()
    let left = false
    const stuck: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<never>(() => {}),
        return: async () => {
          left = true
          return { done: true, value: undefined }
        },
      }),
    }
    const call = it.sink.hang({ numbers: stuck }, { signal: controller.signal })
    await settle()
    controller.abort()
    await assert.rejects(call, code('CANCELLED'))
    assert.ok(left)
    await settle()
    assert.ok(code('CANCELLED', /call that the stream was lent to/)(it.reader.failure))
    await over(it)
  })

  test('a deadline ends it on both sides', async () => {
    const it = await stage()
    const call = it.sink.hang({ numbers: stuckAfter(it.numbers) }, { deadline: 100 })
    await settle()
    it.all.env.advance(101)
    await assert.rejects(call, code('DEADLINE'))
    await settle()
    assert.equal(it.numbers.left, 1)
    await over(it)
  })

  test('a call that never left gives nothing', async () => {
    const it = await stage()
    await assert.rejects(it.sink.picky({ numbers: it.numbers.from(3), small: 256 }), code('BAD_VALUE', /small/))
    await assert.rejects(
      it.sink.hang({ numbers: it.numbers.from(3) }, { signal: AbortSignal.abort() }),
      code('CANCELLED'),
    )
    assert.equal(it.all.client.inspect().objects, 0)
    await over(it)
  })

  test('a pipe that dies settles both sides', async () => {
    const it = await stage()
    const call = it.sink.hang({ numbers: stuckAfter(it.numbers) })
    await settle()
    it.all.links[0].close(new BusbarError('PEER_DIED', 'killed'))
    await assert.rejects(call, code('PEER_DIED'))
    await settle()
    assert.equal(it.numbers.left, 1)
    assert.ok(it.reader.failure instanceof BusbarError)
    await end(it.all)
  })

  test('more of them than there may be streams', async () => {
    const it = await stage({ client: { streams: 1 } })
    await assert.rejects(it.sink.both({ left: ['a'], right: ['b'] }), code('LIMIT', /1 streams/))
    assert.equal(await it.sink.sum({ numbers: [1], most: 0 }), 1)
    assert.equal(counts(it.all)['held'], 1)
    await over(it)
  })

  test('only as whole arguments', () => {
    for (const wrong of [t.optional(t.stream(t.bool)), t.array(t.stream(t.bool)), t.struct({ a: t.stream(t.bool) })]) {
      assert.throws(
        () => contract('tests.Wrong', { version: '1.0' }, { a: method({ wrong }, t.void) }),
        code('INVALID_ARGUMENT', /t\.stream/),
      )
    }
  })
})

/** Three numbers, then nothing more until it is left. */
function stuckAfter(numbers: Numbers): AsyncIterable<number> {
  const from = numbers.from(1_000_000)
  let count = 0
  return {
    [Symbol.asyncIterator]: () => ({
      next: () => (count++ < 3 ? from.next() : new Promise<never>(() => {})),
      return: () => from.return(undefined),
    }),
  }
}
