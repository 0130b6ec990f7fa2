import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Block, CELLS, RingReader, RingWriter } from './index.ts'
import { Dice, PlainMem, SlowReader, SlowWriter } from './harness.test.ts'

const MODES = ['byte', 'message'] as const
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const text = (string: string): Uint8Array => new TextEncoder().encode(string)

describe('ring: bytes', () => {
  // Made by hand from struct hv_ring_buffer, vmpacket_descriptor, vmpipe_proto_header and the footer of hyperv.h.
  const HELLO =
    '06000200' + '04000000' + '0000000000000000' + '01000000' + '05000000' + '68656c6c6f000000' + '0000000000000000'
  const EIGHT =
    '06000200' + '04000000' + '0000000000000000' + '01000000' + '08000000' + '3031323334353637' + '0000000028000000'
  const END = '06000200' + '03000000' + '0000000000000000' + '01000000' + '00000000' + '0000000050000000'

  test('a fresh ring, two messages and the end, as hyperv.h has them', () => {
    const memory = new Uint8Array(8192).fill(0xee)
    const block = new Block(memory)
    block.format()
    assert.equal(hex(memory.subarray(0, 72)), `${'00'.repeat(64)}01000000${'00'.repeat(4)}`)
    memory.fill(0, 4096)
    const writer = new RingWriter(block, { mode: 'message' })
    assert.equal(writer.write(text('hello')), 5)
    assert.equal(writer.write(text('xx01234567xx'), 2, 10), 8)
    writer.end()
    assert.equal(hex(memory.subarray(0, 16)), '00'.repeat(16), 'nothing is visible before it is published')
    assert.equal(writer.publish(), true, 'the ring was empty and the mask is 0')
    assert.equal(hex(memory.subarray(0, 16)), '70000000' + '00000000' + '00000000' + '00000000')
    assert.equal(hex(memory.subarray(4096, 4096 + 0x78)), `${HELLO}${EIGHT}${END}${'00'.repeat(8)}`)
  })

  test('a reader takes bytes made by hand, the data further back too, and masks with a word', () => {
    const memory = new Uint8Array(8192)
    const block = new Block(memory)
    block.format()
    // Three words of descriptor, as of a peer that puts something between descriptor and data.
    const far =
      '06000300' + '04000000' + 'ffffffffffffffff' + 'eeeeeeeeeeeeeeee' + '01000000' + '00000000' + '00'.repeat(8)
    memory.set(Buffer.from(HELLO + EIGHT + far, 'hex'), 4096)
    memory[0] = 0x78
    const reader = new RingReader(block, { mode: 'message' })
    reader.mask(true)
    assert.equal(memory[8], 1)
    assert.deepEqual(reader.read(), text('hello'))
    const into = new Uint8Array(12).fill(0x78)
    assert.equal(reader.readInto(into, 2, 10), 8)
    assert.equal(Buffer.from(into).toString(), 'xx01234567xx')
    assert.equal(reader.ended, false)
    assert.equal(reader.read(), undefined)
    assert.equal(reader.ended, true)
    reader.release()
    assert.equal(hex(memory.subarray(0, 16)), '78000000' + '78000000' + '01000000' + '00000000')
  })

  test('pending send size: set when blocked, half of the ring at least, cleared when there is space', () => {
    const memory = new Uint8Array(8192)
    const block = new Block(memory)
    block.format()
    const writer = new RingWriter(block, { mode: 'message' })
    const reader = new RingReader(block, { mode: 'message' })
    const message = new Uint8Array(1000 - 32)
    for (let taken = 0; taken < 4; taken++) assert.equal(writer.write(message), message.length)
    assert.equal(writer.write(message), 0)
    assert.equal(writer.waitForSpace(message.length), true)
    assert.equal(block.load(CELLS.PENDING_SEND), 2048 + 32)
    assert.equal(writer.hasSpace(message.length), false)
    assert.ok(reader.read())
    assert.equal(reader.release(), false, '88 + 1000 bytes are free')
    assert.ok(reader.read())
    assert.equal(reader.release(), true, '88 + 2000 bytes are free, more than 2080')
    assert.equal(writer.hasSpace(message.length), true)
    assert.equal(block.load(CELLS.PENDING_SEND), 0, 'and no signal is asked for any more')
    assert.equal(writer.waitForSpace(message.length), false)
    assert.equal(block.load(CELLS.PENDING_SEND), 0)
    assert.equal(writer.write(message), message.length)
  })

  test('a reader that looks knows what is there without taking it, and gives back what it took when there is nothing', () => {
    for (const mode of MODES) {
      const mem = new PlainMem(256)
      const writer = new RingWriter(mem, { mode, maxPayload: 16 })
      const reader = new RingReader(mem, { mode, maxPayload: 16 })
      assert.equal(reader.ready(), false)
      writer.write(text('hello'))
      assert.equal(reader.ready(), false, 'not published yet')
      writer.publish()
      assert.deepEqual([reader.ready(), reader.ready()], [true, true])
      assert.equal(mem.load(CELLS.READ_INDEX), 0)
      if (mode === 'byte') {
        assert.equal(reader.readInto(new Uint8Array(2)), 2)
        assert.equal(reader.ready(), true, 'the rest of the packet')
      }
      assert.ok(reader.read())
      assert.equal(reader.ready(), false)
      assert.equal(mem.load(CELLS.READ_INDEX), 40)
      writer.end()
      writer.publish()
      assert.equal(reader.ready(), true, 'the end is something')
      assert.equal(reader.read(), undefined)
      assert.deepEqual([reader.ended, reader.ready()], [true, false])
      mem.store(CELLS.WRITE_INDEX, 72 + 4)
      assert.equal(reader.ready(), false, 'behind the end it looks at nothing')
    }
  })

  test('what lies behind the end is nothing to read', () => {
    for (const mode of MODES) {
      const mem = new PlainMem(256)
      const writer = new RingWriter(mem, { mode, maxPayload: 16 })
      const reader = new RingReader(mem, { mode, maxPayload: 16 })
      writer.end()
      writer.publish()
      mem.data.copyWithin(32, 0, 32)
      mem.store(CELLS.WRITE_INDEX, 64)
      assert.equal(reader.read(), undefined)
      assert.deepEqual([reader.ended, reader.ready(), reader.read()], [true, false, undefined])
    }
  })
})

describe('ring: the fast one does what its slow twin does', () => {
  for (const mode of MODES) {
    for (const [size, seeds] of [
      [128, 60],
      [256, 60],
      [4096, 12],
    ] as const) {
      test(`${mode} mode, ${size} bytes, ${seeds} seeds: equal memory after each operation`, () => {
        for (let seed = 1; seed <= seeds; seed++) lockstep(mode, size, seed)
      })
    }

    test(`${mode} mode: every length at every offset, so that each field lies across the end once`, () => {
      const size = 256
      for (let offset = 0; offset < size; offset += 8) {
        for (let length = 1; length <= 128; length++) wrapped(mode, size, offset, length)
      }
    })
  }
})

function lockstep(mode: (typeof MODES)[number], size: number, seed: number): void {
  const dice = new Dice(seed)
  const fast = new PlainMem(size)
  const slow = new PlainMem(size)
  const writer = new RingWriter(fast, { mode })
  const reader = new RingReader(fast, { mode })
  const slowWriter = new SlowWriter(slow, mode, writer.maxPayload)
  const slowReader = new SlowReader(slow, mode)
  for (let step = 0; step < 400; step++) {
    const what = `seed ${seed} step ${step}`
    const kind = dice.below(100)
    if (kind < 50 && !slowWriter.ended) {
      const most = mode === 'byte' ? size * 2 : writer.maxPayload
      const bytes = dice.bytes(1 + dice.below(dice.below(2) === 0 ? 16 : most))
      const taken = writer.write(bytes.length <= most ? bytes : bytes.subarray(0, most))
      const expected = slowWriter.write(bytes.length <= most ? bytes : bytes.subarray(0, most))
      assert.deepEqual({ taken, signal: writer.publish() }, expected, what)
    } else if (kind < 90) {
      const most = 1 + dice.below(size)
      const expected = slowReader.read(mode === 'byte' ? most : size)
      const into = new Uint8Array(size)
      let length = 0
      if (mode === 'byte' && dice.below(2) === 0) {
        reader.lend(most, (bytes) => {
          into.set(bytes, length)
          length += bytes.length
        })
      } else length = reader.readInto(into, 0, mode === 'byte' ? most : size)
      // In byte mode it takes what it knows of, and looks for more only when asked again.
      for (let more = length; mode === 'byte' && more > 0 && length < most; length += more) {
        more = reader.readInto(into, length, most)
      }
      assert.deepEqual([...into.subarray(0, length)], expected.bytes, what)
      assert.equal(reader.release(), expected.signal, what)
      assert.equal(reader.ended, slowReader.ended, what)
    } else if (kind < 99) {
      const [cell, value] =
        dice.below(2) === 0 ? [CELLS.INTERRUPT_MASK, dice.below(2)] : [CELLS.PENDING_SEND, dice.below(size / 8) * 8]
      for (const mem of [fast, slow]) mem.store(cell, value)
    } else if (step > 300 && !slowWriter.ended) {
      writer.end()
      assert.equal(writer.publish(), slowWriter.end(), what)
    }
    assert.deepEqual(fast.data, slow.data, what)
    assert.deepEqual(new Uint8Array(fast.control.buffer), new Uint8Array(slow.control.buffer), what)
  }
}

/** One message written and read where the ring has come to `offset`. */
function wrapped(mode: (typeof MODES)[number], size: number, offset: number, length: number): void {
  const mem = new PlainMem(size)
  const writer = new RingWriter(mem, { mode })
  const reader = new RingReader(mem, { mode })
  const step = (bytes: Uint8Array): void => {
    assert.equal(writer.write(bytes), bytes.length)
    writer.publish()
    assert.deepEqual(reader.read(), bytes)
    reader.release()
  }
  // Packets of 40, 48 ... bytes, whose sum is the offset or the offset once around.
  for (let left = offset === 0 || offset >= 40 ? offset : offset + size; left > 0; ) {
    const bytes = left >= 80 ? 40 : left
    step(new Uint8Array(bytes - 32))
    left -= bytes
  }
  assert.equal(mem.load(CELLS.WRITE_INDEX), offset)
  const bytes = Uint8Array.from({ length }, (_, at) => at + 1)
  const slow = new PlainMem(size)
  slow.data.set(mem.data)
  slow.store(CELLS.WRITE_INDEX, offset)
  slow.store(CELLS.READ_INDEX, offset)
  new SlowWriter(slow, mode, writer.maxPayload).write(bytes)
  step(bytes)
  assert.deepEqual(mem.data, slow.data)
}
