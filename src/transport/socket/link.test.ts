import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { BusbarError } from '../../errors/index.ts'
import { type ByteLink, join as joined, PacketStream } from '../../link/index.ts'
import { flowing, linkSuite } from '../../testing/index.ts'
import { connectUnix } from './connect.ts'
import { fdLink, socketLink } from './link.ts'
import { listenUnix } from './listen.ts'
import { systemCode } from './reason.ts'

let directory = ''
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'busbar-link-'))
})
after(() => rm(directory, { recursive: true }))

let count = 0

/** Numbers from 0 to 2^32 - 1, the same each time (xorshift, Marsaglia 2003). */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

async function unixPair(): Promise<{ a: ByteLink; b: ByteLink; dispose(): Promise<void> }> {
  const path = join(directory, `${count++}`)
  let accept: (link: ByteLink) => void = () => {}
  const accepted = new Promise<ByteLink>((resolve) => {
    accept = resolve
  })
  const listener = await listenUnix(path, { onLink: accept })
  const a = await connectUnix(path)
  return { a, b: await accepted, dispose: () => listener[Symbol.asyncDispose]() }
}

linkSuite('Unix socket', unixPair, { peerSees: 'end' })
linkSuite('Unix socket read through flow', async () => flowing(await unixPair()), { peerSees: 'end' })

test('of a link that nobody reads yet one chunk is taken, and everything is there for whoever reads at last', async () => {
  const { a, b, dispose } = await unixPair()
  const [sent, part] = [4_000_000, new Uint8Array(50_000).fill(7)]
  let [written, got] = [0, 0]
  const writing = (async () => {
    for (; written < sent; written += part.length) await a.write(part)
    await a.end()
  })()
  // As much as goes into the kernel's memory and ours.
  for (let before = -1; before < written; ) {
    before = written
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
  }
  assert.ok(written < sent)
  for (let chunk = await b.read(); chunk !== undefined; chunk = await b.read()) got += chunk.length
  await writing
  assert.equal(got, sent)
  a.close()
  b.close()
  await dispose()
})

test('both ends read short chunks into memory that many share', async () => {
  const { a, b, dispose } = await unixPair()
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    void from.write(new Uint8Array(70).fill(7))
    const chunk = (await to.read()) as Uint8Array
    // Node's own sockets give a Buffer that has its memory to itself.
    assert.deepEqual([chunk.length, chunk instanceof Buffer, chunk.buffer.byteLength > 1000], [70, false, true])
  }
  a.close()
  b.close()
  await dispose()
})

test('what is passed on between sockets stays what it was, whatever the reader takes', async () => {
  const [left, right] = [await unixPair(), await unixPair()]
  void joined(left.b, right.a)
  const all = 8_388_608
  const random = randomOf(1)
  const value = (at: number): number => (Math.imul(at, 2_654_435_761) >>> 13) & 0xff
  const write = async (): Promise<void> => {
    for (let at = 0; at < all; ) {
      const chunk = new Uint8Array(Math.min(all - at, 1 + (random() % (random() % 8 === 0 ? 300_000 : 5000))))
      for (let i = 0; i < chunk.length; i++) chunk[i] = value(at + i)
      await left.a.write(chunk)
      at += chunk.length
    }
    await left.a.end()
  }
  const written = write()
  let at = 0
  for (let chunk = await right.b.read(); chunk !== undefined; chunk = await right.b.read()) {
    for (const found of chunk) if (found !== value(at++)) assert.fail(`byte ${at - 1} is another`)
    // Now and then both kernels fill up, and what is passed on is only partly taken.
    if (random() % 16 === 0) for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate)
  }
  await written
  assert.equal(at, all)
  left.a.close()
  right.b.close()
  await Promise.all([left.dispose(), right.dispose()])
})

for (const own of [100, 70_000]) {
  linkSuite(`Unix socket read into ${own} bytes`, async () => flowing(await unixPair(), own), { peerSees: 'end' })
}
linkSuite(
  'packet stream over a Unix socket, read into own memory',
  async () => {
    const { a, b, dispose } = await unixPair()
    return flowing({ a: new PacketStream(a), b: new PacketStream(b), dispose }, 65_536)
  },
  { peerSees: 'end' },
)

/** Socketpairs that a child process inherits as file descriptors and joins two and two. */
class Bridge {
  readonly #child
  #next = 3
  #ping: { a: ByteLink; b: ByteLink } | undefined

  constructor(pairs: number) {
    const program = `
      import { join } from ${JSON.stringify(new URL('../../link/index.ts', import.meta.url).href)}
      import { fdLink } from ${JSON.stringify(new URL('./link.ts', import.meta.url).href)}
      for (let fd = 3; fd < ${3 + 2 * pairs}; fd += 2) void join(fdLink(fd), fdLink(fd + 1))`
    const pipes = Array.from({ length: 2 * pairs }, () => 'pipe' as const)
    this.#child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
      stdio: ['ignore', 'inherit', 'inherit', ...pipes],
    })
  }

  /** The child's event loop has turned when a byte has passed through it and come back. */
  async turn(): Promise<void> {
    this.#ping ??= this.pair()
    const { a, b } = this.#ping
    void a.write(new Uint8Array(1))
    await b.read()
    await new Promise((resolve) => setImmediate(resolve))
  }

  pair(): { a: ByteLink; b: ByteLink; dispose(): Promise<void> } {
    const [a, b] = [this.#end(), this.#end()]
    return { a, b, dispose: async () => {} }
  }

  async stop(): Promise<void> {
    const over = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill('SIGKILL')
    await over
    this.#ping?.a.close()
    this.#ping?.b.close()
  }

  #end(): ByteLink {
    const socket = this.#child.stdio[this.#next++]
    assert.ok(socket instanceof net.Socket)
    return socketLink(socket)
  }
}

describe('inherited socketpairs', () => {
  let bridge: Bridge
  before(() => {
    bridge = new Bridge(60)
  })
  after(() => bridge.stop())
  linkSuite('socketpair through a child process', async () => bridge.pair(), {
    peerSees: 'end',
    turn: () => bridge.turn(),
  })
})

test('a descriptor that is no socket is refused', () => {
  assert.throws(() => fdLink(987_654), { code: 'INVALID_ARGUMENT' })
})

test('small writes of one tick arrive together', async () => {
  const { a, b, dispose } = await unixPair()
  for (let i = 0; i < 20; i++) void a.write(new Uint8Array([i]))
  assert.deepEqual(
    [...((await b.read()) ?? [])],
    Array.from({ length: 20 }, (_, index) => index),
  )
  a.close()
  await b.end()
  await b.read()
  await dispose()
})

test('an unread socket takes no more than the limit and what the kernel holds', async () => {
  const { a, b, dispose } = await unixPair()
  const block = new Uint8Array(65_536)
  let written = 0
  for (let waits = 0; waits < 30; ) {
    const room = a.write(block)
    written += block.length
    if (room === undefined) continue
    let given = false
    room.then(
      () => {
        given = true
      },
      () => {},
    )
    for (waits = 0; waits < 30 && !given; waits++) await new Promise((resolve) => setImmediate(resolve))
  }
  // 256 KiB unread, one read more, 208 KiB in the kernel, 64 KiB unsent, and the block that was refused.
  assert.ok(written <= 1_048_576, `${written} bytes were taken`)
  a.close()
  b.close()
  await dispose()
})

test('a peer that dies with bytes unread is LINK_LOST with the cause', async () => {
  const { a, b, dispose } = await unixPair()
  void a.write(new Uint8Array(300_000))
  const read = a.read()
  await b.read()
  b.close()
  await assert.rejects(async () => await read, { code: 'LINK_LOST' })
  const reason = await a.closed
  assert.equal(reason?.code, 'LINK_LOST')
  assert.match(String(systemCode(reason?.cause)), /^(ECONNRESET|EPIPE)$/)
  await dispose()
})

test('what comes is read to where it is wanted, and nothing is read there any more once somebody else may have it', async () => {
  const { a, b, dispose } = await unixPair()
  const random = randomOf(7)
  const sent = Uint8Array.from({ length: 3_000_000 }, () => random() & 0xff)
  const got = new Uint8Array(sent.length)
  let [at, straight, last] = [0, 0, new Uint8Array(0)]
  const done = new Promise<void>((resolve) => {
    b.flow?.({
      chunk: (bytes) => {
        got.set(bytes, at)
        at += bytes.length
      },
      room: Number.POSITIVE_INFINITY,
      // Places of any length, with none now and then.
      get place() {
        last = new Uint8Array(random() % 100_000)
        return last.length < 20_000 ? undefined : last
      },
      borrow: (bytes) => {
        if (bytes.buffer === last.buffer) {
          assert.equal(bytes.byteOffset, 0)
          straight += bytes.length
        }
        got.set(bytes, at)
        at += bytes.length
      },
      end: resolve,
    })
  })
  for (let from = 0; from < sent.length; from += 50_000) await a.write(sent.subarray(from, from + 50_000))
  await a.end()
  await done
  assert.equal(at, sent.length)
  assert.deepEqual(got, sent)
  assert.ok(straight > sent.length / 4, `${straight} bytes of ${sent.length} were read to their place`)
  b.close()
  await dispose()
})

test('many chunks at once arrive in order between others, and ask to wait as one does', async () => {
  const { a, b, dispose } = await unixPair()
  const random = randomOf(11)
  const chunks = Array.from({ length: 600 }, () => new Uint8Array(random() % 3_000).map(() => random() & 0xff))
  const read = (async () => {
    const parts: Uint8Array[] = []
    for (let part = await b.read(); part !== undefined; part = await b.read()) parts.push(part)
    return Buffer.concat(parts)
  })()
  for (let from = 0; from < chunks.length; from += 30) {
    void a.write(chunks[from] as Uint8Array)
    await a.writeAll?.(chunks.slice(from + 1, from + 30))
  }
  await a.writeAll?.([])
  await a.end()
  assert.deepEqual(await read, Buffer.concat(chunks))
  await assert.rejects(async () => a.writeAll?.(chunks), { code: 'ENDED' })
  b.close()
  await dispose()
})

test('chunks at once that nobody reads have to wait, and fail with the link', async () => {
  const { a, b, dispose } = await unixPair()
  const chunks = Array.from({ length: 8 }, () => new Uint8Array(65_536))
  let room = a.writeAll?.(chunks)
  while (room === undefined) room = a.writeAll?.(chunks)
  const reason = new BusbarError('CANCELLED', 'no more')
  a.close(reason)
  await assert.rejects(room, reason)
  await assert.rejects(async () => a.writeAll?.(chunks), reason)
  b.close()
  await dispose()
})
