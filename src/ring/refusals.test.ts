/** What a ring refuses its own user: one list, so that a ring that lets one through is found out. */
import assert from 'node:assert/strict'
import { BusbarError, type ErrorCode } from '../errors/index.ts'
import { PlainMem } from './harness.test.ts'
import { CELLS } from './index.ts'
import type { Ring } from './schedules.test.ts'

function refused(code: ErrorCode, what: string, run: () => unknown): void {
  assert.throws(run, (thrown) => thrown instanceof BusbarError && thrown.code === code, what)
}

/** Throws when something is taken that must be refused, or refused that must be taken. */
export function checkRefusals({ Block, RingReader, RingWriter }: Ring): void {
  for (const pages of [0, 1])
    refused('INVALID_ARGUMENT', `${pages} pages`, () => new Block(new Uint8Array(pages * 4096)))
  refused('INVALID_ARGUMENT', 'a part of a page', () => new Block(new Uint8Array(2 * 4096 + 8)))
  // Never touched, so it takes no memory.
  const vast = new SharedArrayBuffer(0x4000_0000 + 2 * 4096)
  refused('INVALID_ARGUMENT', 'more than 1 GiB', () => new Block(new Uint8Array(vast)))
  assert.equal(new Block(new Uint8Array(vast, 0, 0x4000_0000 + 4096)).dataBytes, 0x4000_0000)
  refused('INVALID_ARGUMENT', 'odd address', () => new Block(new Uint8Array(new ArrayBuffer(3 * 4096), 4, 2 * 4096)))

  const mem = new PlainMem(256)
  for (const maxPayload of [0, -8, 0.5, Number.NaN]) {
    refused('INVALID_ARGUMENT', 'longest payload', () => new RingWriter(mem, { mode: 'message', maxPayload }))
    refused('INVALID_ARGUMENT', 'longest payload', () => new RingReader(mem, { mode: 'message', maxPayload }))
  }
  assert.equal(new RingWriter(mem, { mode: 'message', maxPayload: 1 }).maxPayload, 1)
  assert.equal(new RingReader(mem, { mode: 'message' }).maxPayload, 256 - 8 - 64, 'one packet and the end fit')
  assert.equal(new RingReader(new PlainMem(0x20_0000), { mode: 'byte', maxPayload: 0x10_0000 }).maxPayload, 524_256)

  for (const mode of ['byte', 'message'] as const) {
    const shared = new PlainMem(256)
    const writer = new RingWriter(shared, { mode, maxPayload: 64 })
    const reader = new RingReader(shared, { mode, maxPayload: 64 })
    const bytes = new Uint8Array(64).fill(7)
    const into = new Uint8Array(64)
    refused('INVALID_ARGUMENT', 'nothing', () => writer.write(new Uint8Array(0)))
    refused('INVALID_ARGUMENT', 'empty range', () => writer.write(bytes, 8, 8))
    refused('INVALID_ARGUMENT', 'reversed range', () => writer.write(bytes, 9, 8))
    refused('INVALID_ARGUMENT', 'before the start', () => writer.write(bytes, -1, 8))
    refused('INVALID_ARGUMENT', 'past the end', () => writer.write(bytes, 60, 65))
    assert.equal(writer.write(bytes, 0, 64), 64)
    if (mode === 'message') refused('INVALID_ARGUMENT', 'too long', () => writer.write(new Uint8Array(65)))
    writer.publish()
    refused('INVALID_ARGUMENT', 'no space', () => reader.readInto(into, 64))
    refused('INVALID_ARGUMENT', 'before the start', () => reader.readInto(into, -1))
    refused('INVALID_ARGUMENT', 'past the end', () => reader.readInto(into, 0, 65))
    refused('INVALID_ARGUMENT', 'nowhere', () => reader.readInto(new Uint8Array(0)))
    if (mode === 'message') {
      refused('INVALID_ARGUMENT', 'too short', () => reader.readInto(into, 0, 63))
      refused('INVALID_ARGUMENT', 'too short', () => reader.readInto(into, 1))
    }
    const borrow = (bytes: Uint8Array): void => into.set(bytes)
    if (mode === 'message') refused('INVALID_ARGUMENT', 'a message lent', () => reader.lend(64, borrow))
    refused('INVALID_ARGUMENT', 'nothing lent', () => reader.lend(0, borrow))
    if (mode === 'byte') assert.equal(reader.lend(1, borrow), 1)
    assert.equal(reader.readInto(into), mode === 'byte' ? 63 : 64, 'what was refused is still there')
    if (mode === 'byte') into.fill(7)
    assert.deepEqual(into, bytes)
    writer.end()
    writer.end()
    refused('ENDED', 'after the end', () => writer.write(bytes))
    writer.publish()
    assert.equal(shared.load(CELLS.WRITE_INDEX), 96 + 32, 'one end')
    assert.equal(reader.read(), undefined)
    assert.equal(reader.readInto(into), 0)
    assert.ok(reader.ended)

    const reason = new BusbarError('PEER_DIED', 'gone')
    for (const ring of [writer, reader]) {
      ring.close(reason)
      ring.close()
    }
    const before = shared.data.slice()
    for (const [at, call] of [
      () => writer.write(bytes),
      () => writer.end(),
      () => writer.publish(),
      () => writer.waitForSpace(8),
      () => writer.hasSpace(8),
      () => reader.ready(),
      () => reader.read(),
      () => reader.readInto(into),
      () => reader.lend(8, borrow),
      () => reader.release(),
      () => reader.mask(true),
      () => reader.prepareToSleep(),
    ].entries()) {
      assert.throws(call, (thrown) => thrown === reason, `call ${at} after close`)
    }
    assert.deepEqual(shared.data, before)
    assert.equal(reader.inspect().fault, 'PEER_DIED')
    assert.equal(writer.inspect().fault, 'PEER_DIED')

    const full = new PlainMem(256)
    const filler = new RingWriter(full, { mode: 'byte' })
    for (let packet = 0; packet < 2; packet++) filler.write(bytes)
    filler.publish()
    const closing = new RingReader(full, { mode: 'byte' })
    let lent = 0
    refused('CLOSED', 'closed by whoever borrows', () =>
      closing.lend(256, () => {
        lent++
        closing.close()
      }),
    )
    assert.equal(lent, 1)

    const closed = new RingReader(new PlainMem(256), { mode })
    closed.close()
    refused('CLOSED', 'closed', () => closed.read())
  }
}
