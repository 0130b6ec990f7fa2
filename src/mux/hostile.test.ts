import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { ErrorCode } from '../errors/index.ts'
import { FLAG, header, Peer, TYPE, turns } from './harness.test.ts'
import type { MuxLimits } from './index.ts'

const { DATA, WINDOW, PING, GO_AWAY } = TYPE
const { NONE, SYN, ACK, FIN, RST } = FLAG
const open1 = header(WINDOW, SYN, 1, 0)

interface Attack {
  readonly name: string
  readonly bytes: string
  readonly code: ErrorCode
  readonly limits?: Partial<MuxLimits>
}

/** Against a server, so the peer's ids are odd. */
const ATTACKS: readonly Attack[] = [
  { name: 'unknown version', bytes: header(DATA, SYN, 1, 0, 1), code: 'MALFORMED' },
  { name: 'unknown type', bytes: header(4, NONE, 1, 0), code: 'MALFORMED' },
  { name: 'unknown flag', bytes: header(DATA, 0x11, 1, 0), code: 'MALFORMED' },
  { name: 'data on stream 0', bytes: header(DATA, SYN, 0, 0), code: 'MALFORMED' },
  { name: 'window update on stream 0', bytes: header(WINDOW, NONE, 0, 1), code: 'MALFORMED' },
  { name: 'ping on a stream', bytes: header(PING, SYN, 1, 0), code: 'MALFORMED' },
  { name: 'ping that is neither request nor reply', bytes: header(PING, NONE, 0, 0), code: 'MALFORMED' },
  { name: 'go-away on a stream', bytes: header(GO_AWAY, NONE, 1, 0), code: 'MALFORMED' },
  { name: 'text', bytes: Buffer.from('GET / HTTP/1.1\r\n\r\n').toString('hex'), code: 'MALFORMED' },
  { name: 'SYN with our parity', bytes: header(WINDOW, SYN, 2, 0), code: 'PROTOCOL' },
  { name: 'SYN twice', bytes: open1 + open1, code: 'PROTOCOL' },
  { name: 'SYN on an id that is over', bytes: open1 + header(WINDOW, RST, 1, 0) + open1, code: 'PROTOCOL' },
  { name: 'SYN on a lower id', bytes: header(WINDOW, SYN, 5, 0) + header(WINDOW, SYN, 3, 0), code: 'PROTOCOL' },
  { name: 'data for a stream never opened', bytes: header(DATA, NONE, 1, 1) + '00', code: 'PROTOCOL' },
  { name: 'data for a stream we never opened', bytes: header(DATA, NONE, 4, 1) + '00', code: 'PROTOCOL' },
  { name: 'window for a stream never opened', bytes: header(WINDOW, NONE, 7, 1), code: 'PROTOCOL' },
  { name: 'reset of a stream never opened', bytes: header(WINDOW, RST, 7, 0), code: 'PROTOCOL' },
  { name: 'data after FIN', bytes: open1 + header(WINDOW, FIN, 1, 0) + header(DATA, NONE, 1, 1), code: 'PROTOCOL' },
  { name: 'FIN twice', bytes: open1 + header(WINDOW, FIN, 1, 0).repeat(2), code: 'PROTOCOL' },
  { name: 'FIN twice with data', bytes: open1 + header(DATA, FIN, 1, 0).repeat(2), code: 'PROTOCOL' },
  { name: 'more than the window in one frame', bytes: open1 + header(DATA, NONE, 1, 262_145), code: 'LIMIT' },
  { name: 'four gigabytes announced', bytes: header(DATA, SYN, 1, 0xffff_ffff), code: 'LIMIT' },
  {
    name: 'more than the window in two frames',
    bytes: open1 + header(DATA, NONE, 1, 262_144) + '00'.repeat(262_144) + header(DATA, NONE, 1, 1),
    code: 'LIMIT',
  },
  { name: 'window above 32 bits', bytes: open1 + header(WINDOW, NONE, 1, 0xffff_ffff), code: 'PROTOCOL' },
]

describe('yamux session against a hostile peer', () => {
  for (const { name, bytes, code } of ATTACKS) {
    test(`${name}: the session dies with ${code}`, async () => {
      for (const split of [false, true]) {
        const peer = new Peer()
        const innocent = peer.session.open()
        const read = innocent.read()
        const ping = peer.session.ping()
        await peer.sent()
        const chunks = split && bytes.length < 1000 ? (bytes.match(/../g) ?? []) : [bytes]
        const rejected = [read, ping].map((each) => assert.rejects(async () => each, { code: 'LINK_LOST' }))
        await peer.send(...chunks)
        const reason = await peer.session.closed
        assert.equal(reason?.code, code, reason?.message)
        await Promise.all(rejected)
        assert.equal((await innocent.closed)?.cause, reason)
        assert.ok((await peer.sent()).endsWith(header(GO_AWAY, NONE, 0, 1)), 'the peer is told')
        assert.deepEqual(
          { streams: peer.session.streams, timers: peer.env.timers, state: peer.session.inspect().state },
          { streams: 0, timers: 0, state: 'over' },
        )
        assert.equal(peer.ending, code, 'the link was closed with the reason')
      }
    })
  }

  test('data for a stream that we reset is counted and dropped', async () => {
    const peer = new Peer()
    await peer.send(open1)
    peer.accepted[0]?.close()
    await peer.send(header(DATA, NONE, 1, 5) + '0102030405', header(WINDOW, NONE, 1, 9), header(WINDOW, FIN, 1, 0))
    await peer.send(header(DATA, ACK | FIN, 1, 262_144), '00'.repeat(262_144))
    assert.equal(peer.session.inspect().dropped, 262_149)
    assert.equal(peer.session.inspect().state, 'live')
    const ping = peer.session.ping()
    await peer.send(header(PING, ACK, 0, 0))
    assert.equal(await ping, 0)
  })

  test('a stream closed in the middle of a frame', async () => {
    const peer = new Peer()
    await peer.send(header(DATA, SYN, 1, 10) + '000102')
    peer.accepted[0]?.close()
    await peer.send('0304050607', '0809' + header(WINDOW, SYN, 3, 0))
    assert.equal(peer.session.inspect().dropped, 7)
    assert.equal(peer.accepted.length, 2)
  })

  test('a flood of pings to a peer that does not read', async () => {
    const peer = new Peer({}, false)
    // Enough replies to fill the link, then the queue behind it.
    for (let i = 0; i < 20_000 && peer.session.inspect().state === 'live'; i += 500) {
      await peer.send(header(PING, SYN, 0, i).repeat(500))
      assert.ok(peer.session.inspect().control <= 1024)
    }
    for (let i = 0; i < 40 && peer.session.inspect().state === 'live'; i++) {
      await peer.send(header(PING, SYN, 0, i).repeat(1000))
      assert.ok(peer.session.inspect().control <= 1024)
    }
    assert.equal((await peer.session.closed)?.code, 'LIMIT')
  })

  test('a flood of pings to a peer that reads is answered', async () => {
    const peer = new Peer()
    await peer.send(header(PING, SYN, 0, 1).repeat(10_000))
    assert.equal((await peer.frames()).length, 10_000)
  })

  test('a flood of SYNs is refused, and ends the session when the refusals are not read', async () => {
    const reading = new Peer()
    for (let id = 1; id < 4000; id += 2) void reading.link.write(Buffer.from(header(WINDOW, SYN, id, 0), 'hex'))
    await turns(10)
    assert.equal(reading.session.streams, 256)
    assert.equal(reading.session.inspect().refused, 2000 - 256)
    assert.equal(reading.session.inspect().state, 'live')

    const deaf = new Peer({}, false)
    for (let id = 1; deaf.session.inspect().state === 'live' && id < 200_000; ) {
      let burst = ''
      for (let i = 0; i < 500; i++, id += 2) burst += header(WINDOW, SYN, id, 0)
      await deaf.send(burst)
    }
    assert.equal((await deaf.session.closed)?.code, 'LIMIT')
  })

  test('opening and resetting without end leaves nothing', async () => {
    const peer = new Peer({
      onStream: (stream) => {
        void stream.write(new Uint8Array(1000))
      },
    })
    for (let id = 1; id < 10_000; id += 2) {
      void peer.link.write(Buffer.from(header(WINDOW, SYN, id, 0) + header(WINDOW, RST, id, 0), 'hex'))
    }
    await turns(10)
    const { streams, control, windowBudget } = peer.session.inspect()
    assert.deepEqual({ streams, control, windowBudget }, { streams: [], control: 0, windowBudget: 8_388_608 })
  })

  test('late ids only when they are allowed', async () => {
    const peer = new Peer({ limits: { lateOpens: 2 } })
    await peer.send(header(WINDOW, SYN, 9, 0) + header(WINDOW, SYN, 7, 0) + header(WINDOW, SYN, 5, 0))
    assert.deepEqual(
      peer.accepted.map(({ id }) => id),
      [9, 7, 5],
    )
    await peer.send(header(WINDOW, SYN, 3, 0))
    assert.equal((await peer.session.closed)?.code, 'PROTOCOL')
  })

  test('random frames: only typed errors, nothing hangs, memory within the windows', async () => {
    const frame = fc.tuple(
      fc.nat(3),
      fc.constantFrom(0, 0, 0, 1, 1, 2, 4, 8, 5),
      fc.nat(8),
      fc.constantFrom(0, 1, 10, 1000, 65_536, 262_144, 300_000),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { maxLength: 30 }), async (frames) => {
        const peer = new Peer({
          onStream: (stream) => {
            if (stream.id % 4 === 1) void stream.write(new Uint8Array(10))
            if (stream.id % 8 === 3) stream.close()
          },
        })
        for (const [type, flags, id, length] of frames) {
          const payload = type === 0 ? '00'.repeat(Math.min(length, 70_000)) : ''
          void peer.link.write(Buffer.from(header(type, flags, id, length) + payload, 'hex'))
        }
        await peer.link.end()
        const reason = await peer.session.closed
        if (reason !== undefined) {
          assert.ok(['MALFORMED', 'PROTOCOL', 'LIMIT', 'LINK_LOST'].includes(reason.code), reason.message)
        }
        for (const stream of peer.session.inspect().streams) assert.equal(stream.state, 'finished')
      }),
      { seed: 20_240_601, numRuns: 150 },
    )
  })
})
