import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BusbarError } from '../errors/index.ts'
import { type Awaitable, type ByteLink, Closing, Inbox, memoryPair } from '../link/index.ts'
import { RpcAccess } from './access.ts'
import { bind, bytes, ECHO, RawPeer, request, serve, settle, TestEnv, world } from './association/harness.test.ts'
import { encodeBare } from './pdu/header.ts'

/** A link that records its writes and says when more may come. */
class ScriptedLink implements ByteLink {
  readonly writes: Uint8Array[] = []
  readonly inbox = new Inbox()
  readonly closing = new Closing()
  ends = 0
  #room: { promise: Promise<void>; settle: (reason?: BusbarError) => void } | undefined

  get closed(): Promise<BusbarError | undefined> {
    return this.closing.closed
  }

  read(): Awaitable<Uint8Array | undefined> {
    return this.inbox.read()
  }

  write(chunk: Uint8Array): Awaitable<void> {
    this.writes.push(chunk)
    return this.#room?.promise
  }

  end(): void {
    this.ends++
  }

  close(reason?: BusbarError): void {
    this.closing.settle(reason)
    this.inbox.fail(reason ?? new BusbarError('CLOSED', 'closed'))
  }

  block(): void {
    let settle: (reason?: BusbarError) => void = () => {}
    const promise = new Promise<void>((resolve, reject) => {
      settle = (reason) => (reason === undefined ? resolve() : reject(reason))
    })
    this.#room = { promise, settle }
  }

  unblock(reason?: BusbarError): void {
    const room = this.#room
    this.#room = undefined
    room?.settle(reason)
  }
}

function open(): { link: ScriptedLink; access: RpcAccess; closes: (string | undefined)[] } {
  const link = new ScriptedLink()
  const access = new RpcAccess(link)
  const closes: (string | undefined)[] = []
  access.start({ pdu: () => {}, ended: () => {}, closed: (reason) => closes.push(reason?.code) }, 4_096)
  return { link, access, closes }
}

const pdu = encodeBare(18, 1)

describe('the access object', () => {
  test('PDUs of one turn leave in one write, also those of later microtasks', async () => {
    const { link, access } = open()
    for (let i = 0; i < 10; i++) access.send(pdu)
    void Promise.resolve()
      .then(() => access.send(pdu))
      .then(() => access.send(pdu))
    await settle()
    assert.deepEqual(
      link.writes.map(({ length }) => length),
      [12 * 16],
    )
  })

  test('one that is in a hurry leaves at once', () => {
    const { link, access } = open()
    access.send(pdu)
    access.hurry()
    assert.equal(link.writes.length, 1)
    access.hurry()
    assert.equal(link.writes.length, 1)
  })

  test('large stubs are written as they are, in their place', async () => {
    const { link, access } = open()
    const large = bytes(100_000)
    access.send(pdu)
    access.append(large)
    access.send(pdu)
    await settle()
    assert.deepEqual(
      link.writes.map(({ length }) => length),
      [16, 100_000, 16],
    )
    assert.equal(link.writes[1], large)
  })

  test('what was written is never written over', async () => {
    const { link, access } = open()
    for (let i = 0; i < 20_000; i++) {
      access.send(encodeBare(18, i))
      if (i % 7 === 0) access.hurry()
    }
    await settle()
    const all = Buffer.concat(link.writes)
    assert.equal(all.length, 20_000 * 16)
    for (let i = 0; i < 20_000; i++) assert.equal(all.readUInt32LE(i * 16 + 12), i)
  })

  test('a link that asks to wait is waited for, and what waits is counted', async () => {
    const { link, access } = open()
    link.block()
    access.send(pdu)
    access.hurry()
    for (let i = 0; i < 5; i++) access.send(pdu)
    access.append(bytes(1_000))
    access.send(pdu)
    await settle()
    assert.equal(link.writes.length, 1)
    assert.equal(access.unsent, 16 + 5 * 16 + 1_000 + 16)
    access.end()
    assert.equal(link.ends, 0)
    link.unblock()
    await settle()
    assert.deepEqual(
      link.writes.map(({ length }) => length),
      [16, 80, 1_000, 16],
    )
    assert.deepEqual([access.unsent, link.ends], [0, 1])
  })

  test('a write that fails closes the link with its reason, once', async () => {
    const { link, access, closes } = open()
    link.block()
    access.send(pdu)
    access.hurry()
    link.unblock(new BusbarError('LINK_LOST', 'cut'))
    await settle()
    assert.deepEqual(closes, ['LINK_LOST'])
    access.close()
    access.send(pdu)
    await settle()
    assert.deepEqual([closes.length, link.writes.length, access.unsent], [1, 1, 0])
  })

  test('closing offers the link what was sent before', () => {
    const { link, access, closes } = open()
    access.send(pdu)
    access.close(new BusbarError('PROTOCOL', 'why'))
    assert.deepEqual([link.writes.length, closes], [1, ['PROTOCOL']])
  })

  test('what is sent when the link is over waits for nothing', async () => {
    const { server } = world()
    server.close()
    server.shutdown()
    await server.closed
    assert.equal(server.inspect().memory.unsent, 0)
  })

  test('sixty-four calls in flight share writes in both directions', async () => {
    const [mine, theirs] = memoryPair()
    const raw = new RawPeer(mine)
    serve(new TestEnv(), theirs)
    await raw.send(bind())
    raw.take()
    const burst = Buffer.concat(Array.from({ length: 64 }, (_, i) => request(i + 2, i % 2 === 0 ? 0 : 4, bytes(10))))
    let chunks = 0
    const read = raw.link.read.bind(raw.link)
    raw.link.read = () => {
      chunks++
      return read()
    }
    await raw.send(burst)
    assert.equal(raw.take().length, 64)
    assert.ok(chunks <= 2, `${chunks} chunks`)
    raw.link.close()
  })
})

describe('a client that never reads', () => {
  test('stops being read when its answers pile up, and goes on when it reads again', async () => {
    const env = new TestEnv()
    const [mine, theirs] = memoryPair(10_000)
    const { server, echo } = serve(env, theirs, { unsent: 20_000 })
    void mine.write(bind())
    for (let i = 0; i < 100; i++) {
      void mine.write(request(i + 2, 0, bytes(5_000)))
      await settle()
    }
    const taken = echo.calls.length
    assert.ok(taken < 10, `${taken} calls taken`)
    assert.ok(server.inspect().memory.unsent <= 20_000 + 5_024 + 10_000)
    const raw = new RawPeer(mine)
    for (let i = 0; i < 200 && raw.pdus.length < 101; i++) await settle()
    assert.equal(raw.pdus.length, 101)
    mine.close()
    await server.closed
  })

  test('two that are both blocked go on', async () => {
    const { client } = world()
    const context = await client.bind(ECHO)
    const replies = await Promise.all(Array.from({ length: 20 }, () => client.call(context, 0, bytes(1_000_000))))
    for (const { stub } of replies) assert.equal(stub.length, 1_000_000)
    client.close()
  })
})
