import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BusbarError, type ErrorCode } from '../errors/index.ts'
import { Block, RingReader, RingWriter } from './index.ts'
import { Dice } from './harness.test.ts'

const refusedWith =
  (code: ErrorCode) =>
  (thrown: unknown): boolean =>
    thrown instanceof BusbarError && thrown.code === code

const MEMORIES: [string, (length: number) => ArrayBufferLike][] = [
  ['ArrayBuffer', (length) => new ArrayBuffer(length)],
  ['SharedArrayBuffer', (length) => new SharedArrayBuffer(length)],
]

describe('ring: real memory', () => {
  test('refuses blocks that are no ring', () => {
    for (const length of [0, 4095, 4096, 4104, 8191, 8193, 12_296]) {
      assert.throws(() => new Block(new Uint8Array(length)), refusedWith('INVALID_ARGUMENT'), `${length} bytes`)
    }
    assert.throws(() => new Block(new Uint8Array(new ArrayBuffer(16_384), 4, 8192)), refusedWith('INVALID_ARGUMENT'))
    assert.equal(new Block(new Uint8Array(new ArrayBuffer(16_384), 8, 8192)).dataBytes, 4096)
    const mem = new Block(new Uint8Array(8192))
    for (const maxPayload of [0, -1, 1.5, Number.NaN]) {
      assert.throws(() => new RingWriter(mem, { mode: 'byte', maxPayload }), refusedWith('INVALID_ARGUMENT'))
      assert.throws(() => new RingReader(mem, { mode: 'byte', maxPayload }), refusedWith('INVALID_ARGUMENT'))
    }
  })

  for (const [name, allocate] of MEMORIES) {
    test(`${name}: copies the right bytes, whatever the addresses modulo 8`, () => {
      const dice = new Dice(7)
      const data = 65_536
      const offset = 64
      const whole = new Uint8Array(allocate(offset + 4096 + data + 64))
      const block = new Block(whole.subarray(offset, offset + 4096 + data))
      const lengths = [
        1, 2, 3, 4, 5, 7, 8, 63, 64, 65, 127, 128, 129, 255, 256, 257, 16_375, 16_376, 16_384, 16_385, 40_001,
      ]
      for (const length of lengths) {
        for (let shift = 0; shift < 8; shift++) {
          const from = dice.bytes(length + shift + 3)
          const at = dice.below(1000) * 8
          const expected = from.subarray(shift, shift + length)
          whole.fill(0xaa)
          block.copyIn(at, from, shift, length)
          const start = offset + 4096 + at
          assert.deepEqual(Buffer.from(whole.slice(start, start + length)), Buffer.from(expected), `${length} in`)
          assert.ok(whole.subarray(0, start).every((byte) => byte === 0xaa))
          assert.ok(whole.subarray(start + length).every((byte) => byte === 0xaa))
          const into = new Uint8Array(length + 16).fill(0xbb)
          const view = into.subarray(1)
          // From the middle of a payload too, as when it is read in parts.
          const skip = Math.min(dice.below(8), length - 1)
          block.copyOut(at + skip, view, shift, length - skip)
          assert.deepEqual(
            Buffer.from(view.subarray(shift, shift + length - skip)),
            Buffer.from(expected.subarray(skip)),
          )
          assert.ok(into.subarray(0, 1 + shift).every((byte) => byte === 0xbb))
          assert.ok(into.subarray(1 + shift + length - skip).every((byte) => byte === 0xbb))
        }
      }
    })

    test(`${name}: a stream in pieces of any size arrives whole, asleep and awake`, () => {
      for (let seed = 1; seed <= 8; seed++) {
        const dice = new Dice(seed)
        const block = new Block(new Uint8Array(allocate(4096 + 4096 * (1 + dice.below(3)))))
        block.format()
        stream(block, dice, seed)
      }
    })
  }
})

/** Writes, reads, publishes and releases as the dice say; each side sleeps where it may and wakes only when signalled. */
function stream(block: Block, dice: Dice, seed: number): void {
  const mode = dice.below(2) === 0 ? 'byte' : 'message'
  const maxPayload = [40, 1000, 16_384][dice.below(3)] as number
  const writer = new RingWriter(block, { mode, maxPayload })
  const reader = new RingReader(block, { mode, maxPayload })
  const sent: number[] = []
  const received: number[] = []
  let left = 200_000
  let asleep = false
  let blocked = false
  let unwritten: Uint8Array | undefined
  let signals = 0
  const wake = (signal: boolean): void => {
    if (!signal) return
    signals++
    if (asleep) reader.mask(true)
    asleep = false
  }
  const free = (signal: boolean): void => {
    if (signal) blocked = false
  }
  const push = (): void => {
    if (unwritten === undefined) {
      if (left === 0) return
      const most = mode === 'byte' ? 20_000 : writer.maxPayload
      unwritten = dice.bytes(Math.min(left, 1 + dice.below(dice.below(3) === 0 ? most : Math.min(most, 60))))
      left -= unwritten.length
      sent.push(...unwritten)
      if (mode === 'message') sent.push(-1)
    }
    const taken = writer.write(unwritten)
    unwritten = taken === unwritten.length ? undefined : unwritten.subarray(taken)
    if (unwritten !== undefined) {
      blocked = writer.waitForSpace(unwritten.length)
      wake(writer.publish())
    }
    if (left === 0 && unwritten === undefined) writer.end()
  }
  const pull = (): void => {
    const bytes = dice.below(2) === 0 ? reader.read() : readInto(reader, dice, mode)
    if (bytes === undefined) return
    received.push(...bytes)
    if (mode === 'message') received.push(-1)
  }
  for (let step = 0; !reader.ended; step++) {
    assert.ok(step < 1_000_000, `seed ${seed}: both wait for the other`)
    const kind = dice.below(10)
    if (kind < 4) {
      if (!blocked) push()
    } else if (kind < 5) wake(writer.publish())
    else if (kind < 8) {
      if (!asleep) pull()
    } else if (kind < 9) free(reader.release())
    else if (!asleep) {
      asleep = reader.prepareToSleep()
      free(reader.release())
    }
  }
  assert.deepEqual(received, sent, `seed ${seed}`)
  assert.ok(signals > 0)
  assert.equal(reader.inspect().available, 0)
  assert.equal(writer.inspect().ended, true)
}

function readInto(reader: RingReader, dice: Dice, mode: string): Uint8Array | undefined {
  const into = new Uint8Array(mode === 'byte' ? 1 + dice.below(5000) : reader.maxPayload + 8)
  const start = mode === 'byte' ? 0 : dice.below(8)
  const length = reader.readInto(into, start)
  return length === 0 ? undefined : into.subarray(start, start + length)
}
