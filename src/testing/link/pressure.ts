import type { ByteLink } from '../../link/index.ts'
import { pattern, type Probe, sameBytes } from './probe.ts'

/** A writer whose peer does not read waits, after a bounded number of bytes, until the peer reads. */
export async function waitsForReader(probe: Probe): Promise<void> {
  const { a, b } = probe
  const { room, written } = await probe.fill(a, 10)
  await probe.staysPending(room, 'the write that waits for the reader')
  const want = new Uint8Array(Buffer.concat(written))
  sameBytes(await probe.exactly(b, want.length), want, 'what was written before waiting')
  await probe.within(room, 'the write that waited')
  await probe.transfer(a, b, pattern(9, 9), 'after the wait')
}

/** A direction that is full does not stop the other one. */
export async function fullDirectionStopsNothingElse(probe: Probe): Promise<void> {
  const { a, b } = probe
  const { room } = await probe.fill(a, 20)
  for (let round = 0; round < 10; round++) {
    await probe.transfer(b, a, pattern(1000, round), 'the free direction')
  }
  await probe.staysPending(room, 'the write that waits for the reader')
  const drained = drain(b)
  await probe.within(room, 'the write that waited')
  b.close()
  await drained
}

/** A writer that does not wait loses and reorders nothing. */
export async function takesImpatientWriter(probe: Probe): Promise<void> {
  const { a, b } = probe
  const chunks = Array.from({ length: 64 }, (_, index) => pattern(Math.min(30_000, probe.maxChunk), index))
  for (const chunk of chunks) void a.write(chunk)
  const end = a.end()
  sameBytes(await probe.toEnd(b), new Uint8Array(Buffer.concat(chunks)), 'an impatient writer')
  await probe.within(end, 'end')
}

async function drain(link: ByteLink): Promise<void> {
  try {
    while ((await link.read()) !== undefined);
  } catch {
    // Closed by the check: that is how it ends.
  }
}
