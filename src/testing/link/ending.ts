import assert from 'node:assert/strict'
import { pattern, type Probe, sameBytes } from './probe.ts'

/** `end` finishes one direction and leaves the other alone. */
export async function endsOneDirection(probe: Probe): Promise<void> {
  const { a, b } = probe
  await probe.write(a, pattern(10, 1))
  await probe.within(a.end(), 'end')
  sameBytes(await probe.toEnd(b), pattern(10, 1), 'before the end')
  await probe.staysPending(a.closed, 'closed with one direction open')
  await probe.staysPending(b.closed, 'closed with one direction open')
  for (let round = 0; round < 5; round++) {
    await probe.transfer(b, a, pattern(100, round), 'the direction that is open')
  }
  await probe.within(b.end(), 'end')
  assert.equal(await probe.within(a.read(), 'read'), undefined)
}

/** Both directions ended and read: the close event comes on both sides, without a reason. */
export async function closesAfterBothEnds(probe: Probe): Promise<void> {
  const { a, b } = probe
  await probe.write(a, pattern(10, 1))
  await probe.write(b, pattern(20, 2))
  await probe.within(Promise.all([a.end(), b.end()]), 'end')
  sameBytes(await probe.toEnd(b), pattern(10, 1), 'a to b')
  sameBytes(await probe.toEnd(a), pattern(20, 2), 'b to a')
  assert.equal(await probe.within(a.closed, 'closed'), undefined, 'an orderly close has no reason')
  assert.equal(await probe.within(b.closed, 'closed'), undefined, 'an orderly close has no reason')
}

/** The end stays the end for every later read, also after the link is over. */
export async function staysEnded(probe: Probe): Promise<void> {
  const { a, b } = probe
  await probe.within(a.end(), 'end')
  for (let i = 0; i < 3; i++) assert.equal(await probe.within(b.read(), 'read'), undefined, 'read after the end')
  await probe.within(b.end(), 'end')
  await probe.toEnd(a)
  await probe.within(b.closed, 'closed')
  assert.equal(await probe.within(b.read(), 'read'), undefined, 'read after an orderly close')
}

/** A read that waits when the end comes gets the end. */
export async function endsPendingRead(probe: Probe): Promise<void> {
  const { a, b } = probe
  const read = b.read()
  await probe.within(a.end(), 'end')
  assert.equal(await probe.within(read, 'the pending read'), undefined)
}

/** `write` after `end` is `ENDED`, `end` again does nothing, and what was written before arrives. */
export async function refusesWriteAfterEnd(probe: Probe): Promise<void> {
  const { a, b } = probe
  await probe.write(a, pattern(10, 1))
  const first = a.end()
  await probe.rejects(a.write(pattern(1, 2)), ['ENDED'], 'write after end')
  await probe.within(first, 'end')
  await probe.within(a.end(), 'the second end')
  sameBytes(await probe.toEnd(b), pattern(10, 1), 'before the end')
  await probe.rejects(a.write(pattern(1, 2)), ['ENDED'], 'write after end')
}

/** An end that stands behind more bytes than the medium takes comes after all of them. */
export async function endsAfterBulk(probe: Probe): Promise<void> {
  const { a, b } = probe
  const { room, written } = await probe.fill(a, 50)
  const end = a.end()
  const got = await probe.toEnd(b)
  sameBytes(got, new Uint8Array(Buffer.concat(written)), 'everything before the end')
  await probe.within(room, 'the write that waited')
  await probe.within(end, 'end')
}

/** Bytes that were not read when both directions had ended can still be read, and the close is orderly. */
export async function keepsUnreadAfterEnds(probe: Probe): Promise<void> {
  const { a, b } = probe
  await probe.write(a, pattern(60, 1))
  await probe.within(a.end(), 'end')
  await probe.within(b.end(), 'end')
  assert.equal(await probe.within(a.read(), 'read'), undefined)
  await probe.turns(30)
  sameBytes(await probe.toEnd(b), pattern(60, 1), 'bytes read late')
  assert.equal(await probe.within(b.closed, 'closed'), undefined, 'an orderly close has no reason')
}
