import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Awaitable, ByteLink } from '../link/index.ts'
import { memoryPair } from '../link/index.ts'
import { Arrivals } from './arrivals.ts'
import {
  closesClean,
  drain,
  FLAG,
  header,
  pattern,
  Peer,
  readAll,
  readExactly,
  same,
  sessionPair,
  slowDecode,
  TestEnv,
  TYPE,
  turns,
  writeAll,
} from './harness.test.ts'
import { MuxSession, type MuxStream } from './index.ts'
import { ReceiveWindow, WindowBudget } from './window.ts'

/** A link that takes what it is given one write at a time, when the test says so. */
class SlowLink implements ByteLink {
  readonly taken: Uint8Array[] = []
  readonly waiting: { chunk: Uint8Array; resolve: () => void }[] = []
  readonly closed = new Promise<undefined>(() => {})

  read(): Promise<Uint8Array | undefined> {
    return new Promise(() => {})
  }

  write(chunk: Uint8Array): Awaitable<void> {
    return new Promise((resolve) => this.waiting.push({ chunk, resolve }))
  }

  end(): void {}

  close(): void {}

  get bytesWaiting(): number {
    return this.waiting.reduce((sum, { chunk }) => sum + chunk.length, 0)
  }

  async take(): Promise<void> {
    const next = this.waiting.shift()
    if (next === undefined) return
    this.taken.push(next.chunk)
    next.resolve()
    await turns(1)
  }
}

describe('yamux: back-pressure', () => {
  test('a reader that never reads bounds what the writer queues and what arrives', async () => {
    const pair = sessionPair()
    const stream = pair.client.open()
    let accepted = 0
    let waits: Awaitable<void>
    do {
      waits = stream.write(pattern(10_000, accepted))
      accepted += 10_000
      await turns(1)
    } while (!(waits instanceof Promise))
    const near = pair.client.inspect().streams[0]
    const far = pair.server.inspect().streams[0]
    assert.equal(far?.unread, 262_144, 'one window at the reader')
    assert.equal(far?.receiveCredit, 0)
    assert.ok((near?.queued ?? 0) <= 262_144 + 10_000, 'one queue at the writer')
    assert.equal(accepted, (near?.queued ?? 0) + (far?.unread ?? 0))
    assert.equal(pair.links[0].inFlight, 0, 'nothing in the link')
    let open = false
    void waits.then(() => {
      open = true
    })
    await turns()
    assert.equal(open, false)
    const [reader] = pair.accepted
    assert.ok(reader !== undefined)
    await readExactly(reader, 262_144)
    await turns()
    assert.equal(open, true, 'reading lets the writer go on')
    pair.client.close()
  })

  test('a stream that is not read stops no other', async () => {
    const pair = sessionPair()
    const stuck = pair.client.open()
    void stuck.write(pattern(1_000_000))
    await turns()
    const stream = pair.client.open()
    const sent = pattern(3_000_000)
    const writing = writeAll(stream, sent).then(() => stream.end())
    await turns()
    const far = pair.accepted[1]
    assert.ok(far !== undefined)
    same(await readAll(far), sent)
    await writing
    assert.equal(pair.server.inspect().streams.find(({ id }) => id === stuck.id)?.unread, 262_144)
    pair.client.close()
  })

  test('the link gets at most its queue limit and one frame, whatever waits above', async () => {
    const link = new SlowLink()
    const session = new MuxSession(link, { role: 'client', env: new TestEnv() })
    const streams = Array.from({ length: 5 }, () => session.open())
    for (const stream of streams) void stream.write(pattern(250_000))
    await turns()
    assert.ok(link.bytesWaiting <= 131_072 + 65_536 + 12, `${link.bytesWaiting} bytes`)
    for (let i = 0; i < 100; i++) {
      await link.take()
      assert.ok(link.bytesWaiting <= 131_072 + 65_536 + 12, `${link.bytesWaiting} bytes`)
    }
    const frames = slowDecode(new Uint8Array(Buffer.concat(link.taken)))
    const bytes = new Map<number, number>()
    for (const { type, id, length } of frames) if (type === 0) bytes.set(id, (bytes.get(id) ?? 0) + length)
    assert.deepEqual(
      streams.map(({ id }) => bytes.get(id)),
      [250_000, 250_000, 250_000, 250_000, 250_000],
    )
  })

  test('streams take turns, and a small frame overtakes bulk', async () => {
    const link = new SlowLink()
    const session = new MuxSession(link, { role: 'client', env: new TestEnv() })
    const bulk = [session.open(), session.open()]
    const small = session.open()
    await turns()
    while (link.waiting.length > 0) await link.take()
    link.taken.length = 0
    for (const stream of bulk) void stream.write(pattern(262_144))
    await turns()
    const before = link.bytesWaiting
    void small.write(pattern(10))
    await turns()
    assert.equal(link.bytesWaiting, before, 'the link is full')
    while (link.waiting.length > 0) await link.take()
    const ids = slowDecode(new Uint8Array(Buffer.concat(link.taken))).map(({ id }) => id)
    const ahead = ids.indexOf(small.id)
    assert.ok(ahead <= 5, `behind ${ahead} frames of ${ids.length}`)
    // The first two frames filled the link before the second stream had anything.
    assert.deepEqual(ids.toSpliced(ahead, 1), [1, 1, 1, 3, 1, 3, 3, 3], 'in turn')
  })

  test('nothing is left behind when the link has next to no room', async () => {
    const pair = sessionPair({ client: { limits: { linkQueue: 1 } } })
    const streams = Array.from({ length: 20 }, () => pair.client.open())
    const sent = pattern(20_000)
    const writing = streams.map((stream) => writeAll(stream, sent, 700).then(() => stream.end()))
    await turns()
    for (const stream of pair.accepted) same(await readAll(stream), sent)
    await Promise.all(writing)
    assert.equal(pair.accepted.length, 20)
    pair.client.close()
  })

  test('under a fence too', async () => {
    const pair = sessionPair()
    const bulk = pair.client.open()
    const small = pair.client.open()
    await turns()
    const arrived: number[] = []
    for (const stream of pair.accepted) void drain(stream).then(() => arrived.push(stream.id))
    pair.links[0].fence()
    const writing = writeAll(bulk, pattern(4_000_000)).then(() => bulk.end())
    await turns()
    void small.write(pattern(10))
    await small.end()
    for (let i = 0; i < 2000 && arrived.length < 2; i++) {
      pair.links[0].release(1)
      pair.links[0].fence()
      await turns(1)
    }
    pair.links[0].release()
    await writing
    await turns()
    assert.deepEqual(arrived, [small.id, bulk.id])
    pair.client.close()
  })

  test('control frames go before data', async () => {
    const link = new SlowLink()
    const session = new MuxSession(link, { role: 'client', env: new TestEnv() })
    const [bulk, victim] = [session.open(), session.open()]
    await turns()
    while (link.waiting.length > 0) await link.take()
    void bulk.write(pattern(260_000))
    await turns()
    link.taken.length = 0
    void session.ping().catch(() => {})
    victim.close()
    while (link.waiting.length > 0) await link.take()
    const frames = slowDecode(new Uint8Array(Buffer.concat(link.taken)))
    const order = frames.map(({ type, id }) => `${type}/${id}`)
    assert.deepEqual(order.slice(0, 5), ['0/1', '0/1', '2/0', '1/3', '0/1'])
  })
})

describe('yamux: windows', () => {
  test('a window grows for a fast reader and gives the growth back', async () => {
    const pair = sessionPair()
    const stream = pair.client.open()
    const writing = writeAll(stream, pattern(4_000_000)).then(() => stream.end())
    await turns(1)
    const [far] = pair.accepted
    assert.ok(far !== undefined)
    await readExactly(far, 2_000_000)
    assert.equal(pair.server.inspect().streams[0]?.receiveWindow, 1_048_576)
    assert.equal(pair.server.inspect().windowBudget, 8_388_608 - (1_048_576 - 262_144))
    await drain(far)
    await writing
    await far.end()
    await drain(stream)
    await closesClean(pair)
  })

  test('not for a slow reader, not beyond the budget, not beyond the maximum', () => {
    const budget = new WindowBudget(500_000)
    const feed = (window: ReceiveWindow, now: number): number => {
      window.receive(131_072)
      return window.consume(131_072) ? window.take(now) : 0
    }
    const fast = new ReceiveWindow(budget, 1_048_576, 250, 0)
    assert.equal(feed(fast, 10), 131_072 + 262_144)
    assert.equal(fast.size, 524_288)
    assert.equal(feed(fast, 20) + feed(fast, 20), 262_144, 'the budget is used up')
    fast.release()
    assert.equal(budget.left, 500_000)
    const slow = new ReceiveWindow(budget, 1_048_576, 250, 0)
    assert.equal(feed(slow, 251), 131_072, 'took too long')
    const behind = new ReceiveWindow(budget, 1_048_576, 250, 0)
    behind.receive(131_072)
    assert.equal(feed(behind, 10), 131_072, 'half the window is unread')
    const capped = new ReceiveWindow(budget, 300_000, 250, 0)
    assert.equal(feed(capped, 1), 131_072 + 300_000 - 262_144)
    assert.throws(() => capped.receive(300_001), { code: 'LIMIT' })
  })

  test('whatever the peer and the reader do, unread and credit never pass the size', () => {
    const step = fc.record({ send: fc.nat(200_000), read: fc.nat(200_000), later: fc.nat(300) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const budget = new WindowBudget(1_000_000)
        const window = new ReceiveWindow(budget, 1_048_576, 250, 0)
        let now = 0
        let unread = 0
        let credit = 262_144
        for (const { send, read, later } of steps) {
          now += later
          const sent = Math.min(send, credit)
          window.receive(sent)
          credit -= sent
          unread += sent
          const got = Math.min(read, unread)
          unread -= got
          if (got > 0 && window.consume(got)) credit += window.take(now)
          assert.equal(window.credit, credit)
          assert.ok(unread + credit <= window.size)
          assert.ok(window.size <= 1_048_576)
          assert.throws(() => window.receive(credit + 1), { code: 'LIMIT' })
        }
        window.release()
        assert.equal(budget.left, 1_000_000)
      }),
      { seed: 20_240_601, numRuns: 300 },
    )
  })
})

describe('yamux: what waits to be read', () => {
  test('pieces in any order of pushes and reads come out as they went in', async () => {
    const step = fc.oneof(fc.constant('read' as const), fc.constantFrom(1, 5, 100, 1000, 2000, 20_000))
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
        let consumed = 0
        let pushed = 0
        const arrivals = new Arrivals((bytes) => {
          consumed += bytes
        })
        const sent: Uint8Array[] = []
        const got: Uint8Array[] = []
        for (const each of steps) {
          if (each === 'read') {
            if (arrivals.unread === 0) continue
            got.push((await arrivals.read()) as Uint8Array)
          } else {
            const piece = pattern(65_536, pushed).subarray(7, 7 + each)
            sent.push(piece)
            pushed += each
            arrivals.push(piece)
          }
          assert.equal(arrivals.unread, pushed - consumed)
        }
        arrivals.end()
        for (let chunk = await arrivals.read(); chunk !== undefined; chunk = await arrivals.read()) got.push(chunk)
        same(new Uint8Array(Buffer.concat(got)), new Uint8Array(Buffer.concat(sent)))
        assert.equal(consumed, pushed)
      }),
      { seed: 20_240_601, numRuns: 200 },
    )
  })

  test('a waiting reader gets the very bytes; small pieces behind others do not keep their chunks', async () => {
    const arrivals = new Arrivals(() => {})
    const chunk = pattern(65_536)
    const read = arrivals.read()
    arrivals.push(chunk.subarray(10, 20))
    assert.equal(((await read) as Uint8Array).buffer, chunk.buffer)
    arrivals.push(chunk.subarray(20, 30))
    for (let i = 0; i < 100; i++) arrivals.push(chunk.subarray(30, 40))
    await arrivals.read()
    const rest = (await arrivals.read()) as Uint8Array
    assert.equal(rest.length, 1000, 'gathered')
    assert.notEqual(rest.buffer, chunk.buffer)
    assert.ok(rest.buffer.byteLength <= 16_384)
    arrivals.push(chunk.subarray(0, 10))
    arrivals.push(chunk)
    await arrivals.read()
    assert.equal(await arrivals.read(), chunk, 'large pieces are never copied')
  })

  test('a window of one-byte frames costs few objects and little memory', async () => {
    const peer = new Peer()
    const frame = header(TYPE.DATA, FLAG.NONE, 1, 1) + '61'
    await peer.send(header(TYPE.WINDOW, FLAG.SYN, 1, 0))
    const burst = frame.repeat(4096)
    for (let i = 0; i < 64; i++) await peer.send(burst)
    assert.equal(peer.session.inspect().streams[0]?.unread, 262_144)
    const [stream] = peer.accepted
    assert.ok(stream !== undefined)
    let reads = 0
    for (let got = 0; got < 262_144; reads++) got += (await stream.read())?.length ?? 0
    assert.ok(reads < 40, `${reads} reads`)
    peer.session.close()
  })
})

describe('yamux: any split of the link', () => {
  test('the same bytes arrive whatever the chunks of the link are', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 12 }),
        async (cuts, writes) => {
          const [near, middle] = memoryPair()
          const [other, far] = memoryPair()
          void resplit(middle, other, cuts)
          void resplit(other, middle, cuts)
          const env = new TestEnv()
          const client = new MuxSession(near, { role: 'client', env })
          const done: Promise<void>[] = []
          const server = new MuxSession(far, {
            role: 'server',
            env,
            onStream: (stream) => done.push(echo(stream)),
          })
          const results = writes.map(async (size, seed) => {
            const stream = client.open()
            const sent = pattern(size * 13, seed)
            const got = readAll(stream)
            await writeAll(stream, sent, size)
            await stream.end()
            same(await got, sent)
          })
          await Promise.all(results)
          await Promise.all(done)
          client.close()
          assert.equal(await server.closed, undefined)
        },
      ),
      { seed: 20_240_601, numRuns: 25 },
    )
  })
})

async function echo(stream: MuxStream): Promise<void> {
  for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read()) await stream.write(chunk)
  await stream.end()
}

async function resplit(from: ByteLink, to: ByteLink, cuts: readonly number[]): Promise<void> {
  let turn = 0
  for (let chunk = await from.read(); chunk !== undefined; chunk = await from.read()) {
    for (let at = 0; at < chunk.length; ) {
      const size = cuts[turn++ % cuts.length] as number
      await to.write(chunk.subarray(at, at + size))
      at += size
    }
  }
  await to.end()
}
