import assert from 'node:assert/strict'
import type { ByteLink } from '../../link/index.ts'
import { joined, pattern, type Probe, sameBytes } from './probe.ts'

/** Sizes around the edges that implementations have: a byte, headers, pages, a mux frame. */
const SIZES = [1, 2, 7, 8, 9, 100, 4095, 4096, 4097, 16_384, 65_527, 65_528, 65_535, 65_536]

async function send(probe: Probe, link: ByteLink, chunks: readonly Uint8Array[]): Promise<void> {
  for (const chunk of chunks) await probe.write(link, chunk)
  await probe.within(link.end(), 'end')
}

/** Both directions at once, chunks of many sizes: complete, in order, no chunk's memory used twice or changed. */
export async function deliversInOrder(probe: Probe): Promise<void> {
  const { a, b } = probe
  const chunks = (seed: number): Uint8Array[] =>
    [...SIZES, ...SIZES.toReversed()].map((size, index) => pattern(Math.min(size, probe.maxChunk), seed + index))
  const [toB, toA] = [chunks(1), chunks(100)]
  const [wantB, wantA] = [joined(toB), joined(toA)]
  const [gotB, gotA] = await Promise.all([probe.toEnd(b), probe.toEnd(a), send(probe, a, toB), send(probe, b, toA)])
  sameBytes(gotB, wantB, 'a to b')
  sameBytes(gotA, wantA, 'b to a')
  sameBytes(joined(toB), wantB, 'chunks that were written must not be changed')
}

/** Megabytes in large chunks one way, on a link that was told so, while the other direction carries small ones. */
export async function deliversBulk(probe: Probe): Promise<void> {
  const { a, b } = probe
  const block = pattern(probe.maxChunk, 7)
  const count = Math.ceil(probe.bulk / block.length)
  const small = Array.from({ length: 300 }, (_, index) => pattern(1 + (index % 40), index))
  const check = async (): Promise<void> => {
    let at = 0
    for (;;) {
      const chunk = await probe.within(b.read(), 'read')
      if (chunk === undefined) break
      for (let done = 0; done < chunk.length; ) {
        const from = (at + done) % block.length
        const size = Math.min(chunk.length - done, block.length - from)
        const same = Buffer.compare(chunk.subarray(done, done + size), block.subarray(from, from + size)) === 0
        assert.ok(same, `bulk differs between bytes ${at + done} and ${at + done + size}`)
        done += size
      }
      at += chunk.length
    }
    assert.equal(at, count * block.length, 'the number of bulk bytes')
  }
  const blocks = Array.from({ length: count }, () => block)
  a.favourBulk?.()
  const [got] = await Promise.all([probe.toEnd(a), check(), send(probe, a, blocks), send(probe, b, small)])
  sameBytes(got, joined(small), 'small chunks beside bulk')
}

/** A read that was issued first gets the bytes that are written later. */
export async function readsBeforeWrite(probe: Probe): Promise<void> {
  const { a, b } = probe
  const early = b.read()
  assert.ok(early instanceof Promise, 'a read of nothing should wait')
  await probe.staysPending(early, 'a read of nothing')
  await probe.write(a, pattern(5, 1))
  const chunk = await probe.within(early, 'the early read')
  assert.ok(chunk !== undefined, 'the early read gave the end')
  const rest = await probe.exactly(b, 5 - chunk.length)
  sameBytes(joined([chunk, rest]), pattern(5, 1), 'the early read')
}

/** A question and an answer, many times: nothing is held back waiting for more. */
export async function doesNotHoldBack(probe: Probe): Promise<void> {
  const { a, b } = probe
  for (let round = 0; round < 50; round++) {
    await probe.transfer(a, b, pattern(3, round), 'question')
    await probe.transfer(b, a, pattern(1, round), 'answer')
  }
}

/** One byte at a time, without waiting between the writes. */
export async function deliversSingleBytes(probe: Probe): Promise<void> {
  const { a, b } = probe
  const bytes = pattern(1000, 3)
  const rooms = Array.from(bytes, async (_, index) => a.write(bytes.subarray(index, index + 1)))
  const [got] = await Promise.all([probe.exactly(b, bytes.length), probe.within(Promise.all(rooms), 'writes')])
  sameBytes(got, bytes, 'single bytes')
}

/** An empty chunk is nothing: neither a chunk nor an end for the reader. */
export async function ignoresEmptyChunks(probe: Probe): Promise<void> {
  const { a, b } = probe
  await probe.write(a, new Uint8Array(0))
  const read = b.read()
  assert.ok(read instanceof Promise, 'a read after an empty chunk should wait')
  await probe.staysPending(read, 'a read after an empty chunk')
  await probe.write(a, pattern(1, 4))
  sameBytes((await probe.within(read, 'read')) ?? new Uint8Array(0), pattern(1, 4), 'the byte after an empty chunk')
}

/** Only one read may wait; a second is refused and the first is not disturbed. */
export async function refusesSecondRead(probe: Probe): Promise<void> {
  const { a, b } = probe
  const first = b.read()
  assert.ok(first instanceof Promise, 'a read of nothing should wait')
  if (probe.queuesReads) return answersReadsInOrder(probe, first)
  await probe.rejects(b.read(), ['INVALID_ARGUMENT'], 'a second pending read')
  await probe.write(a, pattern(1, 5))
  sameBytes((await probe.within(first, 'the first read')) ?? new Uint8Array(0), pattern(1, 5), 'the first read')
}

/** A file handle takes any number of reads before the matching writes. */
async function answersReadsInOrder(probe: Probe, first: Promise<Uint8Array | undefined>): Promise<void> {
  const { a, b } = probe
  const second = b.read()
  await a.write(pattern(1, 5))
  sameBytes((await first) ?? new Uint8Array(0), pattern(1, 5), 'the first read')
  await a.write(pattern(2, 5))
  sameBytes((await second) ?? new Uint8Array(0), pattern(2, 5), 'the second read')
}
