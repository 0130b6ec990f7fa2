import assert from 'node:assert/strict'
import { once } from 'node:events'
import { before, describe, test } from 'node:test'
import { yamux } from '@chainsafe/libp2p-yamux'
import { type ByteLink, memoryPair } from '../link/index.ts'
import { drain, failsWith, pattern, readAll, same, TestEnv, turns, writeAll } from './harness.test.ts'
import { MuxSession, type MuxStream } from './index.ts'

type Muxer = ReturnType<ReturnType<ReturnType<typeof yamux>>['createStreamMuxer']>
type Connection = Parameters<ReturnType<ReturnType<typeof yamux>>['createStreamMuxer']>[0]
type ForeignStream = Awaited<ReturnType<Muxer['createStream']>>
type Log = Connection['log']

const silence = (): void => {}

/** What js-libp2p asks of a connection, over a byte link. It knows back-pressure by `send` returning false and `drain`. */
class LinkConnection extends EventTarget {
  readonly direction: 'outbound' | 'inbound'
  readonly log: Log
  readonly #link: ByteLink
  /** The error the muxer gave up with. */
  aborted: Error | undefined

  constructor(link: ByteLink, direction: 'outbound' | 'inbound') {
    super()
    this.#link = link
    this.direction = direction
    this.log = Object.assign(silence, {
      error: silence,
      trace: silence,
      newScope: () => this.log,
      enabled: false,
    }) as Log
    void this.#read()
  }

  async #read(): Promise<void> {
    try {
      for (let chunk = await this.#link.read(); chunk !== undefined; chunk = await this.#link.read()) {
        this.dispatchEvent(Object.assign(new Event('message'), { data: chunk }))
      }
    } catch {
      // The link broke: the muxer is told the same way.
    }
    this.dispatchEvent(new Event('close'))
  }

  send(data: Uint8Array | { subarray(): Uint8Array }): boolean {
    const room = this.#link.write(new Uint8Array(data.subarray()))
    if (room === undefined) return true
    room.then(() => this.dispatchEvent(new Event('drain')), silence)
    return false
  }

  abort(reason: Error): void {
    this.aborted = reason
    this.#link.close()
  }
}

interface World {
  readonly ours: MuxSession
  readonly theirs: Muxer
  /** Streams that the other implementation opened to us, and those we opened to it. */
  readonly accepted: MuxStream[]
  readonly incoming: ForeignStream[]
  readonly connection: LinkConnection
  readonly link: ByteLink
}

function world(role: 'client' | 'server'): World {
  const [near, far] = memoryPair(65_536)
  const accepted: MuxStream[] = []
  const incoming: ForeignStream[] = []
  const ours = new MuxSession(near, { role, env: new TestEnv(), onStream: (stream) => accepted.push(stream) })
  const connection = new LinkConnection(far, role === 'client' ? 'inbound' : 'outbound')
  const theirs = yamux({ enableKeepAlive: false })().createStreamMuxer(connection as unknown as Connection)
  theirs.addEventListener('stream', (event) => {
    incoming.push(event.detail)
  })
  return { ours, theirs, accepted, incoming, connection, link: far }
}

async function foreignWrite(stream: ForeignStream, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; at += 50_000) {
    stream.send(bytes.subarray(at, at + 50_000))
    while (stream.writableNeedsDrain) await once(stream, 'drain')
  }
}

/** Everything until their end. Their own iterator waits for ever when the end came before it was asked for. */
async function foreignReadAll(stream: ForeignStream): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  stream.addEventListener('message', (event) => {
    chunks.push(event.data.subarray())
  })
  if (stream.remoteWriteStatus === 'closed') await turns(1)
  else await once(stream, 'remoteCloseWrite')
  return new Uint8Array(Buffer.concat(chunks))
}

/** The first element, once it is there. */
async function arrival<T>(list: T[]): Promise<T> {
  while (list.length === 0) await turns(1)
  return list.shift() as T
}

async function ends({ ours, theirs, link, connection }: World): Promise<void> {
  ours.close()
  void link.end()
  await ours.closed
  await turns()
  assert.equal(theirs.status, 'closed')
  assert.equal(connection.aborted, undefined)
  assert.equal(ours.streams, 0)
}

/** The other implementation needs this for its pings; Node has it from version 22 on. */
before(() => {
  if ('withResolvers' in Promise) return
  const withResolvers = (): object => {
    const settle: Record<string, unknown> = {}
    const promise = new Promise((resolve, reject) => Object.assign(settle, { resolve, reject }))
    return { promise, ...settle }
  }
  Object.defineProperty(Promise, 'withResolvers', { value: withResolvers, configurable: true })
})

for (const role of ['client', 'server'] as const) {
  describe(`yamux with js-libp2p's, we are the ${role === 'client' ? 'dialer' : 'listener'}`, () => {
    test('our stream: 1 MiB both ways at once, half-close', async () => {
      const it = world(role)
      const stream = it.ours.open()
      const [there, back] = [pattern(1_048_576, 1), pattern(1_048_577, 2)]
      const got = readAll(stream)
      const writing = writeAll(stream, there).then(() => stream.end())
      const foreign = await arrival(it.incoming)
      const foreignGot = foreignReadAll(foreign)
      await foreignWrite(foreign, back)
      await writing
      same(await foreignGot, there)
      await foreign.close()
      same(await got, back)
      assert.equal(await stream.closed, undefined)
      await ends(it)
    })

    test('their stream: 1 MiB both ways at once, half-close', async () => {
      const it = world(role)
      const foreign = await it.theirs.createStream()
      const [there, back] = [pattern(1_048_576, 3), pattern(1_048_577, 4)]
      const foreignGot = foreignReadAll(foreign)
      const stream = await arrival(it.accepted)
      const got = readAll(stream)
      const writing = foreignWrite(foreign, there).then(() => foreign.close())
      await writeAll(stream, back, 3000)
      await writing
      same(await got, there)
      assert.deepEqual(it.ours.inspect().streams[0]?.state, 'peer-ended', 'half-closed')
      await stream.end()
      same(await foreignGot, back)
      assert.equal(await stream.closed, undefined)
      await ends(it)
    })

    test('our reader that does not read stops their writer at one window', async () => {
      const it = world(role)
      const foreign = await it.theirs.createStream()
      const stream = await arrival(it.accepted)
      const sent = pattern(1_000_000, 5)
      const writing = foreignWrite(foreign, sent).then(() => foreign.close())
      await turns(20)
      assert.equal(it.ours.inspect().streams[0]?.unread, 262_144)
      assert.equal(it.ours.inspect().streams[0]?.receiveCredit, 0)
      same(await readAll(stream), sent)
      await writing
      await stream.end()
      await ends(it)
    })

    test('their reader that pauses stops our writer', async () => {
      const it = world(role)
      const stream = it.ours.open()
      const sent = pattern(1_000_000, 6)
      await turns()
      const foreign = await arrival(it.incoming)
      foreign.pause()
      const writing = writeAll(stream, sent).then(() => stream.end())
      await turns(20)
      assert.equal(it.ours.inspect().streams[0]?.sendWindow, 0)
      assert.ok((it.ours.inspect().streams[0]?.queued ?? 0) > 0)
      const got = foreignReadAll(foreign)
      foreign.resume()
      await writing
      same(await got, sent)
      await foreign.close()
      await drain(stream)
      await ends(it)
    })

    test('reset from either side', async () => {
      const it = world(role)
      const ours = it.ours.open()
      void ours.write(pattern(10))
      const theirs = await arrival(it.incoming)
      const failed = failsWith(drainToFailure(ours), 'RESET')
      theirs.abort(new Error('enough'))
      await failed
      const second = await it.theirs.createStream()
      second.send(pattern(10))
      const accepted = await arrival(it.accepted)
      await accepted.read()
      accepted.close()
      await turns()
      assert.equal(second.status, 'reset')
      await ends(it)
    })

    test('many streams both ways, small and large', async () => {
      const it = world(role)
      const echoes: Promise<void>[] = []
      it.theirs.addEventListener('stream', (event) => {
        echoes.push(
          foreignReadAll(event.detail).then(async (got) => {
            await foreignWrite(event.detail, got)
            await event.detail.close()
          }),
        )
      })
      const sizes = Array.from({ length: 60 }, (_, index) => (index % 10 === 9 ? 200_000 : index * 37))
      const outward = sizes.map(async (size, seed) => {
        const stream = it.ours.open()
        const sent = pattern(size, seed)
        const got = readAll(stream)
        await writeAll(stream, sent, 5000)
        await stream.end()
        same(await got, sent)
      })
      const inward = sizes.slice(0, 30).map(async (size, seed) => {
        const foreign = await it.theirs.createStream()
        const sent = pattern(size, seed)
        const got = foreignReadAll(foreign)
        await foreignWrite(foreign, sent)
        await foreign.close()
        same(await got, sent)
      })
      const serving = (async () => {
        for (let i = 0; i < 30; i++) {
          const stream = await arrival(it.accepted)
          echoes.push(
            readAll(stream).then(async (got) => {
              await writeAll(stream, got)
              await stream.end()
            }),
          )
        }
      })()
      await Promise.all([...outward, ...inward, serving])
      await Promise.all(echoes)
      await ends(it)
    })

    test('ping both ways', async () => {
      const it = world(role)
      assert.equal(await it.ours.ping(), 0)
      assert.ok((await it.theirs.ping()) >= 0)
      await ends(it)
    })

    test('they give up, they end in order', async () => {
      const failing = world(role)
      const failed = failsWith(drainToFailure(failing.ours.open()), 'RESET')
      await arrival(failing.incoming)
      failing.theirs.abort(Object.assign(new Error('enough'), { reason: 2 }))
      await failed
      assert.equal((await failing.ours.closed)?.code, 'LINK_LOST')
      assert.equal(failing.ours.streams, 0)

      const ending = world(role)
      await ending.theirs.close()
      assert.equal(await ending.ours.closed, undefined)
    })
  })
}

async function drainToFailure(stream: MuxStream): Promise<void> {
  while ((await stream.read()) !== undefined);
}
