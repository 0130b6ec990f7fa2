import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BusbarError } from '../errors/index.ts'
import { memoryPair } from '../link/index.ts'
import {
  closesClean,
  failsWith,
  FLAG,
  header,
  pattern,
  Peer,
  readAll,
  same,
  sessionPair,
  TYPE,
  turns,
  writeAll,
} from './harness.test.ts'
import { MuxSession } from './index.ts'

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))
const hex = (text: string): string => Buffer.from(text).toString('hex')

describe('yamux session: what goes over the wire', () => {
  test('a call, transcript of both sides', async () => {
    const peer = new Peer({ role: 'client' })
    const stream = peer.session.open()
    assert.equal(stream.id, 1)
    void stream.write(bytes('ping'))
    assert.equal(await peer.sent(), '000000010000000100000004' + hex('ping'))
    await peer.send('000000020000000100000005' + hex('reply'))
    assert.deepEqual(await stream.read(), bytes('reply'))
    await stream.end()
    assert.equal(await peer.sent(), '000100040000000100000000')
    await peer.send('000100040000000100000000')
    assert.equal(await stream.read(), undefined)
    assert.equal(await stream.closed, undefined)
    peer.session.close()
    assert.equal(await peer.sent(), '000300000000000000000000')
    assert.equal(await peer.session.closed, undefined)
  })

  test('a call to us: ACK travels with the answer', async () => {
    const peer = new Peer()
    await peer.send('000000010000000100000002' + hex('hi') + '000100040000000100000000')
    const [stream] = peer.accepted
    assert.ok(stream !== undefined)
    // The answer came after the macrotask: ACK went alone.
    assert.equal(await peer.sent(), '000100020000000100000000')
    same(await readAll(stream), bytes('hi'))
    void stream.write(bytes('ho'))
    await stream.end()
    assert.equal(await peer.sent(), '000000000000000100000002' + hex('ho') + '000100040000000100000000')
    assert.equal(await stream.closed, undefined)
    assert.equal(peer.session.streams, 0)

    const quick = new Peer({
      onStream: (stream) => {
        void stream.write(bytes('ho'))
      },
    })
    await quick.send('000000010000000100000002' + hex('hi'))
    assert.equal(await quick.sent(), '000000020000000100000002' + hex('ho'))
  })

  test('SYN goes out alone when nothing is written, in the order of opening', async () => {
    const peer = new Peer({ role: 'client' })
    const [first, second, third] = [peer.session.open(), peer.session.open(), peer.session.open()]
    assert.deepEqual([first.id, second.id, third.id], [1, 3, 5])
    void third.write(bytes('x'))
    const frames = await peer.frames()
    assert.deepEqual(
      frames.map(({ type, flags, id }) => [type, flags, id]),
      [
        [TYPE.WINDOW, FLAG.SYN, 1],
        [TYPE.WINDOW, FLAG.SYN, 3],
        [TYPE.DATA, FLAG.SYN, 5],
      ],
    )
  })

  test('the server opens even ids', () => {
    const peer = new Peer()
    assert.deepEqual([peer.session.open().id, peer.session.open().id], [2, 4])
  })

  test('writes of one moment share one chunk of the link, the first goes at once', async () => {
    const [near, far] = memoryPair()
    const session = new MuxSession(near, { role: 'client', env: new Peer().env })
    const stream = session.open()
    for (let i = 0; i < 20; i++) void stream.write(bytes('0123456789'))
    const first = await far.read()
    assert.equal(first?.length, 22)
    const rest = await far.read()
    assert.equal(rest?.length, 12 + 190, 'one frame with the nineteen others')
    session.close(new BusbarError('CANCELLED', 'done'))
  })

  test('bytes that are there before the session: no stream arrives inside the constructor', async () => {
    const [near, far] = memoryPair()
    await far.write(new Uint8Array(Buffer.from(header(TYPE.WINDOW, FLAG.SYN, 1, 0), 'hex')))
    let arrived = false
    const onStream = (): void => {
      arrived = true
    }
    const session = new MuxSession(near, { role: 'server', env: new Peer().env, onStream })
    assert.equal(arrived, false)
    await turns()
    assert.equal(arrived, true)
    session.close()
  })

  test('large payloads are not copied and never above 64 KiB a frame', async () => {
    const [near, far] = memoryPair(10_000_000)
    const session = new MuxSession(near, { role: 'client', env: new Peer().env })
    const stream = session.open()
    const large = pattern(200_000)
    void stream.write(large)
    await turns()
    const chunks: Uint8Array[] = []
    for (let got = 0; got < large.length + 5 * 12; ) {
      const chunk = (await far.read()) as Uint8Array
      got += chunk.length
      chunks.push(chunk)
    }
    const payloads = chunks.filter((chunk) => chunk.buffer === large.buffer)
    assert.deepEqual(
      payloads.map((payload) => payload.length),
      [65_536, 65_536, 65_536, 3392].slice(0, 3),
    )
    session.close(new BusbarError('CANCELLED', 'done'))
  })

  test('ping both ways', async () => {
    const peer = new Peer()
    const ping = peer.session.ping()
    assert.equal(await peer.sent(), '000200010000000000000000')
    peer.env.advance(17)
    await peer.send('000200020000000000000000')
    assert.equal(await ping, 17)
    await peer.send('0002000100000000deadbeef')
    assert.equal(await peer.sent(), '0002000200000000deadbeef')
    // A reply that nobody waits for is no crime.
    await peer.send('000200020000000000000063')
    assert.equal(peer.session.inspect().state, 'live')
  })

  test('reset: RST for the peer, the reason here', async () => {
    const peer = new Peer({ role: 'client' })
    const stream = peer.session.open()
    void stream.write(bytes('x'))
    await peer.sent()
    const read = stream.read()
    stream.close(new BusbarError('DEADLINE', 'too late'))
    await failsWith(read, 'DEADLINE')
    assert.equal(await peer.sent(), '000100080000000100000000')
    assert.equal((await stream.closed)?.code, 'DEADLINE')
    assert.equal(peer.session.streams, 0)
  })

  test('a stream closed before its SYN went out was never there', async () => {
    const peer = new Peer({ role: 'client' })
    peer.session.open().close()
    assert.equal(await peer.sent(), '')
    const next = peer.session.open()
    void next.write(bytes('x'))
    assert.equal((await peer.frames())[0]?.id, 3)
  })

  test('the peer resets', async () => {
    const peer = new Peer({ role: 'client' })
    const stream = peer.session.open()
    void stream.write(bytes('x'))
    await peer.sent()
    const failed = failsWith(stream.read(), 'RESET')
    await peer.send('000100080000000100000000')
    await failed
    await failsWith(stream.write(bytes('y')), 'RESET')
    assert.equal((await stream.closed)?.code, 'RESET')
    assert.equal(await peer.sent(), '', 'a reset is not answered')
  })

  test('refused streams: by close in onStream, by throwing, without onStream, above the limit', async () => {
    const refusal = '000100080000000100000000'
    const open = header(TYPE.DATA, FLAG.SYN, 1, 3) + hex('abc')
    const refusers: Partial<ConstructorParameters<typeof MuxSession>[1]>[] = [
      { onStream: (stream) => stream.close() },
      {
        onStream: () => {
          throw new Error('no')
        },
      },
      { limits: { streams: 0 } },
    ]
    for (const refuser of refusers) {
      const peer = new Peer(refuser)
      await peer.send(open)
      assert.equal(await peer.sent(), refusal)
      assert.equal(peer.session.streams, 0)
      assert.equal(peer.session.inspect().dropped, 3)
      assert.equal(peer.session.inspect().state, 'live')
    }
    const [near, far] = memoryPair()
    const session = new MuxSession(near, { role: 'server', env: new Peer().env })
    void far.write(new Uint8Array(Buffer.from(open, 'hex')))
    assert.equal(Buffer.from((await far.read()) ?? []).toString('hex'), refusal)
    session.close()
  })

  test('FIN with data ends after the data, also when the frame is split', async () => {
    const peer = new Peer()
    await peer.send(header(TYPE.DATA, FLAG.SYN | FLAG.FIN, 1, 4) + hex('ab'), hex('c'), hex('d'))
    same(await readAll(peer.accepted[0] as never), bytes('abcd'))
  })

  test('credit comes back when the reader reads, in halves of the window', async () => {
    const peer = new Peer({ limits: { windowBudget: 0 } })
    await peer.send(header(TYPE.DATA, FLAG.SYN, 1, 65_536) + '00'.repeat(65_536))
    for (let i = 0; i < 3; i++) await peer.send(header(TYPE.DATA, 0, 1, 65_536) + '00'.repeat(65_536))
    const [stream] = peer.accepted
    assert.ok(stream !== undefined)
    assert.deepEqual(await peer.frames(), [{ type: 1, flags: 2, id: 1, length: 0, payload: '' }])
    assert.equal(peer.session.inspect().streams[0]?.receiveCredit, 0)
    const updates: number[] = []
    for (let read = 0; read < 262_144; ) {
      read += (await stream.read())?.length ?? 0
      for (const frame of await peer.frames()) updates.push(frame.length)
    }
    assert.ok(updates.length <= 2, `${updates.length} updates`)
    assert.ok(updates.every((update) => update >= 131_072))
  })
})

describe('yamux session: streams', () => {
  test('both ways, half-close, many at once, nothing left', async () => {
    const pair = sessionPair({
      server: {
        onStream: (stream) => {
          void (async () => {
            const got = await readAll(stream)
            await writeAll(stream, got.toReversed(), 10_000)
            await stream.end()
          })()
        },
      },
    })
    const sizes = [0, 1, 100, 4096, 4097, 65_536, 65_537, 300_000, 1_000_000]
    await Promise.all(
      [...sizes, ...sizes].map(async (size, seed) => {
        const stream = pair.client.open()
        const sent = pattern(size, seed)
        const got = readAll(stream)
        await writeAll(stream, sent, 7001)
        await stream.end()
        same(await got, sent.toReversed())
        assert.equal(await stream.closed, undefined)
      }),
    )
    assert.equal(pair.client.streams, 0)
    assert.equal(pair.server.streams, 0)
    await closesClean(pair)
  })

  test('one end may go on after the other has ended', async () => {
    const pair = sessionPair()
    const near = pair.client.open()
    await near.end()
    await turns()
    const [far] = pair.accepted
    assert.ok(far !== undefined)
    assert.equal(await far.read(), undefined)
    for (let i = 0; i < 5; i++) {
      void far.write(bytes('still here'))
      assert.deepEqual(await near.read(), bytes('still here'))
    }
    await failsWith(near.write(bytes('no')), 'ENDED')
    await far.end()
    assert.equal(await near.read(), undefined)
    await closesClean(pair)
  })

  test('limits: open streams, pings', async () => {
    const pair = sessionPair({ client: { limits: { streams: 2, pings: 1 } } })
    pair.client.open()
    const second = pair.client.open()
    assert.throws(() => pair.client.open(), { code: 'LIMIT' })
    second.close()
    pair.client.open()
    pair.links[0].fence()
    const ping = pair.client.ping()
    await failsWith(pair.client.ping(), 'LIMIT')
    pair.links[0].release()
    assert.equal(await ping, 0)
    pair.client.close()
  })

  test('refusal does not disturb what is open', async () => {
    const pair = sessionPair({ server: { limits: { streams: 1 } } })
    const kept = pair.client.open()
    void kept.write(bytes('a'))
    const refused = pair.client.open()
    const read = refused.read()
    await failsWith(read, 'RESET')
    assert.equal(pair.server.inspect().refused, 1)
    assert.deepEqual(await pair.accepted[0]?.read(), bytes('a'))
    pair.client.close()
  })

  test('disposal closes', async () => {
    const pair = sessionPair()
    const stream = pair.client.open()
    void stream.write(bytes('a'))
    stream[Symbol.dispose]()
    stream[Symbol.dispose]()
    assert.equal((await stream.closed)?.code, 'CLOSED')
    pair.client[Symbol.dispose]()
    await closesClean(pair)
  })

  test('inspect shows windows, queued and unread bytes', async () => {
    const pair = sessionPair()
    const stream = pair.client.open()
    void stream.write(pattern(1000))
    await turns()
    assert.deepEqual(pair.server.inspect().streams, [
      {
        id: 1,
        state: 'open',
        announced: true,
        sendWindow: 262_144,
        receiveWindow: 262_144,
        receiveCredit: 261_144,
        queued: 0,
        unread: 1000,
      },
    ])
    assert.equal(pair.client.inspect().streams[0]?.sendWindow, 261_144)
    assert.deepEqual(structuredClone(pair.client.inspect()), pair.client.inspect())
    pair.client.close()
  })
})

describe('yamux session: endings', () => {
  test('close fails everything here with the reason, and LINK_LOST there', async () => {
    const pair = sessionPair()
    const stream = pair.client.open()
    void stream.write(bytes('x'))
    await turns()
    const [far] = pair.accepted
    const pending = [stream.read(), pair.client.ping()]
    assert.deepEqual(await far?.read(), bytes('x'))
    pair.links[0].fence()
    const theirs = [far?.read(), pair.server.ping()]
    for (const promise of [...pending, ...theirs]) if (promise instanceof Promise) promise.catch(() => {})
    const reason = new BusbarError('STALE_EPOCH', 'a new epoch begins')
    pair.client.close(reason)
    pair.client.close()
    pair.links[0].release()
    for (const promise of pending) assert.equal(await failsWith(promise, 'STALE_EPOCH'), reason)
    assert.equal(await pair.client.closed, reason)
    assert.throws(() => pair.client.open(), { code: 'CLOSED' })
    await failsWith(pair.client.ping(), 'CLOSED')
    await failsWith(stream.write(bytes('x')), 'STALE_EPOCH')
    for (const promise of theirs) await failsWith(promise, 'LINK_LOST')
    await turns()
    assert.equal(pair.env.timers, 0)
  })

  test('an orderly close with open streams', async () => {
    const pair = sessionPair()
    const stream = pair.client.open()
    void stream.write(bytes('x'))
    await turns()
    const far = pair.accepted[0]?.read() instanceof Promise ? undefined : pair.accepted[0]
    pair.client.close()
    assert.equal((await stream.closed)?.code, 'CLOSED')
    assert.equal((await pair.client.closed)?.code, 'CLOSED')
    assert.equal((await far?.closed)?.code, 'LINK_LOST')
    assert.equal((await pair.server.closed)?.code, 'LINK_LOST')
    await turns()
    assert.equal(pair.env.timers, 0)
    assert.equal(pair.links[0].inFlight + pair.links[1].inFlight, 0)
  })

  test('a peer that does not end its direction is given a second', async () => {
    const peer = new Peer()
    peer.session.close()
    await peer.send(header(TYPE.PING, FLAG.SYN, 0, 1))
    assert.equal(await peer.sent(), '000300000000000000000000')
    assert.equal(peer.session.inspect().state, 'leaving')
    peer.env.advance(1000)
    assert.equal(peer.session.inspect().state, 'over')
    assert.ok((await peer.link.closed) !== undefined)
    assert.equal(peer.env.timers, 0)
  })

  test('go-away from the peer, each reason', async () => {
    for (const [code, cause] of [
      [0, undefined],
      [1, 'PROTOCOL'],
      [2, 'INTERNAL'],
      [77, 'INTERNAL'],
    ] as const) {
      const peer = new Peer({ role: 'client' })
      const stream = peer.session.open()
      const failed = failsWith(stream.read(), 'LINK_LOST')
      await turns()
      await peer.send(header(TYPE.GO_AWAY, 0, 0, code))
      const reason = await failed
      assert.equal(reason.cause instanceof BusbarError ? reason.cause.code : undefined, cause)
      assert.equal(await peer.session.closed, reason)
      void peer.link.end()
      await turns()
      assert.equal(peer.env.timers, 0)
    }
    const idle = new Peer()
    await idle.send(header(TYPE.GO_AWAY, 0, 0, 0))
    assert.equal(await idle.session.closed, undefined, 'orderly: nothing was open')
  })

  test('the link ends in order, with and without streams, and inside a frame', async () => {
    const idle = new Peer()
    await idle.link.end()
    assert.equal(await idle.session.closed, undefined)
    const busy = new Peer({ role: 'client' })
    const read = busy.session.open().read()
    await busy.link.end()
    await failsWith(read, 'LINK_LOST')
    assert.equal((await busy.session.closed)?.code, 'LINK_LOST')
    const cut = new Peer()
    await cut.send('0000')
    await cut.link.end()
    assert.equal((await cut.session.closed)?.code, 'LINK_LOST')
  })

  test('the link breaks: streams and pings fail at once, codes of liveness pass, others become the cause', async () => {
    for (const [found, seen] of [
      ['PEER_DIED', 'PEER_DIED'],
      ['RESET', 'LINK_LOST'],
      ['INTERNAL', 'LINK_LOST'],
    ] as const) {
      const pair = sessionPair()
      const stream = pair.client.open()
      pair.links[0].fence()
      const pending = [stream.read(), pair.client.ping(), stream.closed.then((reason) => Promise.reject(reason))]
      await turns()
      for (const promise of pending) if (promise instanceof Promise) promise.catch(() => {})
      pair.links[1].close(new BusbarError(found, 'cut'))
      for (const promise of pending) {
        const reason = await failsWith(promise, seen)
        if (found !== seen) assert.equal((reason.cause as BusbarError).code, found)
      }
      assert.equal((await pair.client.closed)?.code, seen)
      assert.equal(pair.client.streams + pair.server.streams, 0)
    }
  })

  test('what both sides have ended can still be read after the link is gone', async () => {
    const pair = sessionPair()
    const stream = pair.client.open()
    await stream.end()
    await turns()
    const [far] = pair.accepted
    assert.ok(far !== undefined)
    void far.write(bytes('the answer'))
    assert.equal(await far.read(), undefined)
    await far.end()
    await turns()
    pair.links[1].close(new BusbarError('PEER_DIED', 'cut'))
    await pair.client.closed
    assert.equal(pair.client.streams, 1)
    same(await readAll(stream), bytes('the answer'))
    assert.equal(await stream.closed, undefined)
    assert.equal(pair.client.streams, 0)
  })
})
