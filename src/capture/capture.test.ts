import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { BusbarError } from '../errors/index.ts'
import { fileOf, newCapture, PIPE } from './harness.test.ts'
import { DEFAULT_CAPTURE_LIMITS } from './index.ts'

/** The types of the blocks in a file, each checked to be framed right. */
function blocksOf(file: Buffer): number[] {
  const types: number[] = []
  for (let at = 0; at < file.length; ) {
    const length = file.readUInt32LE(at + 4)
    assert.equal(length % 4, 0)
    assert.equal(file.readUInt32LE(at + length - 4), length, 'the length stands on both sides')
    types.push(file.readUInt32LE(at))
    at += length
  }
  return types
}

describe('a capture', () => {
  test('of nothing is a file that begins and ends', async () => {
    const made = newCapture()
    made.finish()
    assert.deepEqual(blocksOf(await fileOf(made)), [0x0a0d0d0a, 1, 5])
    assert.equal(await made.read(), undefined)
    assert.equal(made.opened(PIPE), undefined, 'nothing is followed any more')
  })

  test('begins with these bytes', async () => {
    const made = newCapture()
    made.opened({ ...PIPE, joinedLate: true })
    const start = Buffer.from((await made.read()) ?? [])
    assert.equal(
      start.subarray(0, 28 + 20).toString('hex'),
      `0a0d0d0a300000004d3c2b1a01000000ffffffffffffffff${'04000b00'}${Buffer.from('Busbar test\0').toString('hex')}${'0000000030000000'}`,
    )
    assert.match(start.toString('latin1'), /web\0[^]*storage\0[^]*open before the capture began/)
  })

  test('takes only the pipes it was asked for', () => {
    const taken = (filter: { partition?: string; service?: string }): number => {
      const made = newCapture({ filter })
      const pipes = [PIPE, { ...PIPE, caller: 'mail' }, { ...PIPE, service: 'echo' }, { ...PIPE, partition: 'web' }]
      return pipes.filter((pipe) => made.opened(pipe) !== undefined).length
    }
    assert.equal(taken({}), 4)
    assert.equal(taken({ partition: 'mail' }), 1)
    assert.equal(taken({ partition: 'web' }), 3)
    assert.equal(taken({ service: 'echo' }), 1)
    assert.equal(taken({ partition: 'mail', service: 'echo' }), 0)
  })

  test('a reader that waits is woken by the next packet and by the end', async () => {
    const made = newCapture()
    assert.ok(await made.read())
    const waiting = made.read()
    assert.ok(waiting instanceof Promise)
    const tap = made.opened(PIPE)
    assert.ok(await waiting)
    await made.read()
    const next = made.read()
    tap?.bytes(true, Buffer.from('x'))
    assert.ok(await next)
    const last = made.read()
    await assert.rejects(async () => made.read(), { code: 'INVALID_ARGUMENT' })
    made.finish()
    assert.deepEqual(blocksOf(Buffer.from((await last) ?? [])), [5])
    assert.equal(await made.read(), undefined)
    tap?.bytes(true, Buffer.from('late'))
    tap?.closed(new BusbarError('RESET', 'late'))
    assert.equal(await made.read(), undefined)
  })

  test('holds no more than its limit, whatever comes', async () => {
    const made = newCapture()
    const tap = made.opened(PIPE)
    const chunk = new Uint8Array(1_000_000)
    for (let i = 0; i < 64; i++) tap?.bytes(i % 2 === 0, chunk)
    const { packets, dropped, bytes, droppedBytes } = made.counts
    assert.equal(bytes + droppedBytes, 64_000_000)
    assert.ok(packets > 0 && dropped > 0)
    made.finish()
    assert.ok((await fileOf(made)).length < DEFAULT_CAPTURE_LIMITS.queue + 1000)
  })

  test('is a whole file, whatever the pipes carry and however it is read', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('bytes' as const), up: fc.boolean(), bytes: fc.uint8Array({ maxLength: 300 }) }),
      fc.record({ kind: fc.constant('big' as const), up: fc.boolean(), size: fc.integer({ min: 1, max: 90_000 }) }),
      fc.record({ kind: fc.constant('ended' as const), up: fc.boolean() }),
      fc.record({ kind: fc.constant('closed' as const), text: fc.string() }),
      fc.record({ kind: fc.constant('read' as const) }),
    )
    const packets = fc.option(fc.record({ toService: fc.nat(20), toCaller: fc.nat(20) }), { nil: undefined })
    const pipe = fc.record({
      mode: fc.constantFrom('byte' as const, 'message' as const),
      packets,
      joinedLate: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(pipe, fc.array(step, { maxLength: 60 }), async (how, steps) => {
        const made = newCapture({ limits: { queue: 300_000, unacknowledged: 1000 } })
        const tap = made.opened({ ...PIPE, ...how })
        const read: Uint8Array[] = []
        let reading: Promise<void> | undefined
        for (const one of steps) {
          if (one.kind === 'bytes') tap?.bytes(one.up, one.bytes)
          else if (one.kind === 'big') tap?.bytes(one.up, new Uint8Array(one.size))
          else if (one.kind === 'ended') tap?.ended(one.up)
          else if (one.kind === 'closed') tap?.closed(new BusbarError('RESET', one.text))
          else reading ??= Promise.resolve(made.read()).then((chunk) => void read.push(chunk ?? new Uint8Array(0)))
        }
        const { packets: kept } = made.counts
        made.finish()
        await reading
        const types = blocksOf(Buffer.concat([...read, await fileOf(made)]))
        assert.equal(types.filter((type) => type === 6).length, kept)
        assert.equal(types.at(-1), 5)
      }),
      { seed: 11 },
    )
  })
})
