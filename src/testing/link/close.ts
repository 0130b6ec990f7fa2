import assert from 'node:assert/strict'
import { BusbarError, type ErrorCode } from '../../errors/index.ts'
import { pattern, type Probe } from './probe.ts'

const REASON: ErrorCode = 'STALE_EPOCH'

function reason(): BusbarError {
  return new BusbarError(REASON, 'closed by the compliance suite')
}

/** `close(reason)` rejects the pending read, later reads and writes, and is the close event's reason. */
export async function rejectsAfterClose(probe: Probe): Promise<void> {
  const { a } = probe
  const read = a.read()
  const why = reason()
  a.close(why)
  assert.equal(await probe.rejects(read, [REASON], 'the pending read'), why, 'the very reason that was given')
  await probe.rejects(a.read(), [REASON], 'a later read')
  await probe.rejects(a.write(pattern(1, 1)), [REASON], 'a later write')
  assert.equal(await probe.within(a.closed, 'closed'), why)
  await probe.within(
    Promise.resolve(a.end()).catch(() => {}),
    'end after close',
  )
}

/** `close()` without a reason is `CLOSED` on this side. */
export async function closesWithoutReason(probe: Probe): Promise<void> {
  const { a } = probe
  const read = a.read()
  a.close()
  await probe.rejects(read, ['CLOSED'], 'the pending read')
  const why = await probe.within(a.closed, 'closed')
  assert.equal(why?.code, 'CLOSED')
}

/** `close` rejects a write that waits, and an end that waits settles. */
export async function rejectsBlockedWrite(probe: Probe): Promise<void> {
  const { a } = probe
  const { room } = await probe.fill(a, 30)
  const end = Promise.resolve(a.end()).catch(() => {})
  a.close(reason())
  await probe.rejects(room, [REASON], 'the write that waited')
  await probe.within(end, 'the end that waited')
  assert.equal((await probe.within(a.closed, 'closed'))?.code, REASON)
}

/** Bytes that arrived and were not read are gone after a close. */
export async function dropsUnread(probe: Probe): Promise<void> {
  const { a, b } = probe
  await probe.write(a, pattern(20, 1))
  await probe.write(a, pattern(20, 2))
  await probe.chunk(b)
  await probe.write(a, pattern(20, 3))
  await probe.turns(10)
  b.close(reason())
  await probe.rejects(b.read(), [REASON], 'a read of bytes that were dropped')
}

/** The other side notices: pending read, close event and writes all tell. */
export async function peerNotices(probe: Probe): Promise<void> {
  const { a, b } = probe
  await probe.transfer(a, b, pattern(10, 1), 'before the close')
  const read = b.read()
  assert.ok(read instanceof Promise, 'a read of nothing should wait')
  read.catch(() => {})
  a.close(reason())
  if (probe.peerSees === 'end') return peerSeesEnd(probe, read)
  const codes: ErrorCode[] = probe.peerSees === 'code' ? [REASON] : [REASON, 'RESET', 'LINK_LOST']
  const seen = await probe.rejects(read, codes, "the peer's pending read")
  const why = await probe.within(b.closed, "the peer's closed")
  assert.equal(why?.code, seen.code, 'the close event has the reason that the read had')
  await probe.rejects(b.write(pattern(1, 1)), [seen.code], "the peer's later write")
  await probe.rejects(b.read(), [seen.code], "the peer's later read")
}

async function peerSeesEnd(probe: Probe, read: Promise<unknown>): Promise<void> {
  const { b } = probe
  try {
    assert.equal(await probe.within(read, "the peer's pending read"), undefined)
  } catch (thrown) {
    if (thrown instanceof assert.AssertionError) throw thrown
  }
  let over = false
  void b.closed.then(() => {
    over = true
  })
  // The first writes may still be taken by whatever is between the two ends.
  for (let i = 0; i < 10_000 && !over; i++) {
    void b.write(pattern(1, 1))
    await probe.turns(1)
  }
  assert.ok(over, "the peer's link is still open after writing into a closed one")
  assert.ok((await b.closed) instanceof BusbarError, 'writing into a closed link is not an orderly close')
}

/** A peer with unsent bytes and a waiting write is told too. */
export async function blockedPeerNotices(probe: Probe): Promise<void> {
  const { a, b } = probe
  const { room } = await probe.fill(b, 40)
  room.catch(() => {})
  a.close(reason())
  const codes: ErrorCode[] = probe.peerSees === 'code' ? [REASON] : [REASON, 'RESET', 'LINK_LOST']
  const seen = await probe.rejects(room, codes, "the peer's waiting write")
  assert.equal((await probe.within(b.closed, "the peer's closed"))?.code, seen.code)
}

/** The first reason wins, and closing again does nothing. */
export async function firstReasonWins(probe: Probe): Promise<void> {
  const { a } = probe
  const why = reason()
  a.close(why)
  a.close(new BusbarError('DENIED', 'a second reason'))
  a.close()
  assert.equal(await probe.within(a.closed, 'closed'), why)
  await probe.turns(10)
  assert.equal(await a.closed, why, 'closed settles once')
  await probe.rejects(a.read(), [REASON], 'a later read')
}

/** Closing what ended in order changes nothing. */
export async function closeAfterEndDoesNothing(probe: Probe): Promise<void> {
  const { a, b } = probe
  await probe.within(Promise.all([a.end(), b.end()]), 'end')
  await probe.toEnd(a)
  await probe.toEnd(b)
  assert.equal(await probe.within(a.closed, 'closed'), undefined)
  assert.equal(await probe.within(b.closed, 'closed'), undefined)
  a.close(reason())
  await probe.turns(10)
  assert.equal(await a.closed, undefined, 'an orderly close stays orderly')
  assert.equal(await b.closed, undefined, 'an orderly close stays orderly')
  assert.equal(await probe.within(b.read(), 'read'), undefined)
}

/** Both sides closing at the same moment: each keeps its own reason, and nothing is left waiting. */
export async function bothClose(probe: Probe): Promise<void> {
  const { a, b } = probe
  const reads = [a.read(), b.read()]
  for (const read of reads) if (read instanceof Promise) read.catch(() => {})
  a.close(reason())
  b.close(new BusbarError('CANCELLED', 'closed by the compliance suite'))
  for (const read of reads) await probe.rejects(read, [REASON, 'CANCELLED', 'RESET', 'LINK_LOST'], 'a pending read')
  assert.ok((await probe.within(a.closed, 'closed')) instanceof BusbarError)
  assert.ok((await probe.within(b.closed, 'closed')) instanceof BusbarError)
}

/** A close in one direction's half-closed state is still abnormal. */
export async function closesHalfClosed(probe: Probe): Promise<void> {
  const { a, b } = probe
  await probe.within(a.end(), 'end')
  assert.equal(await probe.within(b.read(), 'read'), undefined)
  const read = a.read()
  a.close(reason())
  await probe.rejects(read, [REASON], 'the pending read of a half-closed link')
  assert.equal((await probe.within(a.closed, 'closed'))?.code, REASON)
  if (probe.peerSees === 'end') return peerSeesEnd(probe, Promise.resolve(undefined))
  assert.ok((await probe.within(b.closed, "the peer's closed")) instanceof BusbarError)
}

/** A caller that ignores what `write` gave it grows its own memory only: a later failure must not end the process. */
export async function ignoredWritesAreHarmless(probe: Probe): Promise<void> {
  const { a } = probe
  const { room } = await probe.fill(a, 60)
  void room
  void a.write(pattern(10, 1))
  a.close(reason())
  void a.write(pattern(10, 1))
  await probe.within(a.closed, 'closed')
  await probe.turns(5)
}
