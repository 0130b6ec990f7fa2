import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ByteLink, flow, memoryPair } from '../../link/index.ts'
import { flowing, type LinkPair, linkSuite } from '../../testing/index.ts'
import type { Bell } from './bell.ts'
import { bells, KEY, ringsOf } from './hostile-end.test.ts'
import { RingPoller } from './poller.ts'
import { formatRegion, regionBytes } from './region.ts'
import { RingStream } from './stream.ts'

interface How {
  memory?: (bytes: number) => ArrayBufferLike
  ringBytes?: number
  /** When the ends have the rings, and when they use them; at once when absent. */
  later?: (side: number, what: () => void) => void
  raised?: boolean
  window?: number
  poller?: () => RingPoller
  /** What the ends have below, instead of a link that passes everything on. */
  below?: (link: ByteLink) => ByteLink
}

/** Two ends over one region, each with the memory seen through a view of its own. */
function pair({
  memory = (bytes) => new ArrayBuffer(bytes),
  ringBytes = 65_536,
  later = (_, what) => what(),
  raised = true,
  window,
  poller = () => new RingPoller(window),
  below = (link) => link,
}: How = {}): LinkPair<RingStream> & { region: Uint8Array } {
  const region = new Uint8Array(memory(regionBytes(ringBytes)))
  formatRegion(region, ringBytes, KEY)
  const [near, far] = memoryPair()
  const ends = bells()
  const streams = [near, far].map((link) => new RingStream(below(link), poller()))
  const [a, b] = streams as [RingStream, RingStream]
  for (const [side, stream] of streams.entries()) {
    later(side, () => stream.prepare(ringsOf(region, side, ends[side] as Bell)))
  }
  for (const [side, stream] of streams.entries()) {
    later(side, () => (raised ? stream.raise() : stream.abandon()))
  }
  return {
    a,
    b,
    region,
    dispose: async () => {
      a.close()
      b.close()
    },
  }
}

const shared = (bytes: number): SharedArrayBuffer => new SharedArrayBuffer(bytes)
/** The ends hear of the rings while bytes are on their way, one much later than the other. */
const whileBytesFlow =
  (slow: number) =>
  (side: number, what: () => void): void => {
    let turns = side === slow ? 12 : 2
    const wait = (): void => {
      if (turns-- > 0) setImmediate(wait)
      else what()
    }
    wait()
  }

linkSuite('rings', async () => pair())
linkSuite('rings in shared memory', async () => pair({ memory: shared }))
linkSuite('rings of one page', async () => pair({ ringBytes: 4096 }))
linkSuite('rings without polling', async () => pair({ window: 0 }))
linkSuite('rings that are always polled', async () => pair({ window: 1e9 }))
linkSuite('rings read through flow', async () => flowing(pair()))
linkSuite('a stream that goes over to rings, the first end first', async () => pair({ later: whileBytesFlow(1) }))
linkSuite('a stream that goes over to rings, the second end first', async () =>
  pair({ later: whileBytesFlow(0), window: 0 }),
)
linkSuite('a stream whose rings are called off', async () => pair({ later: whileBytesFlow(0), raised: false }))
for (const own of [333, 100_000]) {
  linkSuite(`rings read into own memory of ${own} bytes`, async () => flowing(pair(), own))
  linkSuite(`rings of one page in shared memory, read into own memory of ${own} bytes`, async () =>
    flowing(pair({ memory: shared, ringBytes: 4096, window: 0 }), own),
  )
  linkSuite(`a stream that goes over to rings, read into own memory of ${own} bytes`, async () =>
    flowing(pair({ later: whileBytesFlow(1) }), own),
  )
}

test('keeps what waits for room in the memory of whoever wrote it, and says so', async () => {
  const { a, b, dispose } = pair({ ringBytes: 4096 })
  const sent = Uint8Array.from({ length: 10_000 }, (_, index) => index % 251)
  const room = a.write(sent)
  assert.ok(room instanceof Promise)
  assert.equal(a.copies, false)
  let got = Buffer.alloc(0)
  while (got.length < sent.length) got = Buffer.concat([got, (await b.read()) ?? assert.fail()])
  await room
  assert.deepEqual([a.copies, Buffer.compare(got, sent)], [true, 0])
  assert.equal(a.write(new Uint8Array([1])), undefined)
  assert.equal(a.copies, true)
  await dispose()
})

/** A link whose end is long on its way. */
const endsLate = (link: ByteLink): ByteLink => ({
  closed: link.closed,
  read: () => link.read(),
  write: (chunk) => link.write(chunk),
  end: () => undefined,
  close: (reason) => link.close(reason),
})

test('who has read the end and sent his own is done, before the link below says so', { timeout: 60_000 }, async () => {
  for (const window of [0, 0.1]) {
    const { a, b } = pair({ window, below: endsLate })
    await a.write(new Uint8Array([1, 2, 3]))
    await a.end()
    assert.deepEqual(await b.read(), new Uint8Array([1, 2, 3]))
    assert.equal(await b.read(), undefined)
    await b.write(new Uint8Array([4]))
    await b.end()
    assert.equal(await b.closed, undefined)
    // As a stream of Node does that is over: the other end must not hear of it.
    b.close()
    assert.deepEqual(await a.read(), new Uint8Array([4]))
    assert.equal(await a.read(), undefined)
    assert.equal(await a.closed, undefined)
  }
})

/** Whose turns last as long as somebody says. */
class Turns extends RingPoller {
  static last = true

  override turnLasts(): boolean {
    return Turns.last
  }
}

/** The ends of a stream on rings, what has come to `b` in chunks, and when so many `bytes` of it have. */
async function taking(): Promise<
  LinkPair<RingStream> & { region: Uint8Array; until: (bytes: number) => Promise<void> }
> {
  const ends = pair({ poller: () => new Turns() })
  let got = 0
  flow(ends.b, { chunk: ({ length }) => void (got += length), end: () => (got = -1) })
  const until = async (bytes: number): Promise<void> => {
    while (got !== bytes) await new Promise((resolve) => setImmediate(resolve))
  }
  await ends.a.write(new Uint8Array(1))
  await until(1)
  Turns.last = true
  return { ...ends, until }
}

test('what is in a ring is taken at once into own memory while a turn lasts, and comes by itself afterwards', async () => {
  const { a, b, until, dispose } = await taking()
  const into = new Uint8Array(8)
  assert.equal(b.takeInto(into), 0)
  await a.write(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9))
  assert.deepEqual([b.takeInto(into), ...into], [8, 1, 2, 3, 4, 5, 6, 7, 8])
  assert.deepEqual([b.takeInto(into), into[0], b.takeInto(into)], [1, 9, 0])
  await a.write(new Uint8Array(3))
  Turns.last = false
  assert.equal(b.takeInto(into), 0)
  await until(4)
  Turns.last = true
  await a.end()
  assert.equal(b.takeInto(into), 0)
  await until(-1)
  await dispose()
})

test('what is gathered for rings leaves earlier than for the link below', async () => {
  const below = (link: ByteLink): ByteLink => Object.defineProperty(link, 'batch', { value: 65_536 })
  const [stayed, raised] = [pair({ raised: false, below }), pair({ below })]
  assert.deepEqual([stayed.a.batch, raised.a.batch], [65_536, 2048])
  await Promise.all([stayed.dispose(), raised.dispose()])
})

test('a lie that is found while bytes are taken closes the stream', async () => {
  const { a, b, region, dispose } = await taking()
  await a.write(new Uint8Array(8))
  // The ring to `b`: its packet says that it is longer than all there is.
  for (let at = 0; at + 8 <= region.length; at += 8) {
    if (region[at] === 6 && region[at + 2] === 2) region.fill(0xff, at + 4, at + 6)
  }
  const into = new Uint8Array(8)
  assert.equal(b.takeInto(into), 0)
  assert.equal((await b.closed)?.code, 'MALFORMED')
  assert.equal(b.takeInto(into), 0)
  await dispose()
})
