import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { BusbarError } from '../errors/index.ts'
import {
  ChunkQueue,
  copyBytes,
  guidFromBytes,
  guidFromName,
  guidFromRandom,
  guidToBytes,
  parseGuid,
  Reader,
  Slab,
  swapGuidFields,
  utf8Decode,
  Views,
  Writer,
} from './index.ts'
import { sha1 } from './sha1.ts'

const code = (expected: string) => (error: unknown) => error instanceof BusbarError && error.code === expected

describe('Reader and Writer', () => {
  test('what was written is read, in both byte orders', () => {
    for (const little of [true, false]) {
      const writer = new Writer(little)
      writer.u8(0xfe)
      writer.align(2)
      writer.u16(0xabcd)
      writer.u32(0xdeadbeef)
      writer.u64(0x0123_4567_89ab_cdefn)
      writer.uint53(Number.MAX_SAFE_INTEGER)
      writer.f64(Math.PI)
      writer.bytes(Uint8Array.of(1, 2, 3))
      const reader = new Reader(writer.finish(), little)
      assert.equal(reader.u8(), 0xfe)
      reader.align(2)
      assert.equal(reader.u16(), 0xabcd)
      assert.equal(reader.u32(), 0xdeadbeef)
      assert.equal(reader.u64(), 0x0123_4567_89ab_cdefn)
      assert.equal(reader.uint53(), Number.MAX_SAFE_INTEGER)
      assert.equal(reader.f64(), Math.PI)
      assert.deepEqual([...reader.bytes(3)], [1, 2, 3])
      reader.done('test')
    }
  })

  test('byte order as bytes', () => {
    const writer = new Writer()
    writer.u32(1)
    writer.uint53(2 ** 32 + 2)
    assert.equal(Buffer.from(writer.finish()).toString('hex'), '010000000200000001000000')
  })

  test('reads the same bytes again, from their start', () => {
    const reader = new Reader(Uint8Array.of(9, 1, 2, 3, 4).subarray(1), false)
    reader.skip(3)
    const again = reader.again()
    assert.deepEqual([again.at, again.left, again.u32(), reader.left], [0, 4, 0x0102_0304, 1])
  })

  test('every read past the end is MALFORMED and moves nothing', () => {
    const reader = new Reader(Uint8Array.of(1, 2, 3))
    for (const read of [
      () => reader.u32(),
      () => reader.u64(),
      () => reader.bytes(4),
      () => reader.skip(-1),
      () => reader.bytes(Number.NaN),
    ]) {
      assert.throws(read, code('MALFORMED'))
    }
    assert.equal(reader.left, 3)
    assert.throws(() => reader.done('test'), code('MALFORMED'))
    assert.throws(() => new Reader(Uint8Array.of(0, 0, 0, 0, 0, 0, 0x20, 0)).uint53(), code('MALFORMED'))
  })

  test('a writer stops at its limit', () => {
    const writer = new Writer(true, 8)
    writer.u64(1n)
    assert.throws(() => writer.u8(1), code('LIMIT'))
  })

  test('UTF-16 text of any length, in both byte orders: lone surrogates, NULs and byte order marks are kept', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.nat(0xffff), fc.constantFrom(0, 0xfeff, 0xfffe, 0xd800, 0xdc00)), { maxLength: 300 }),
        fc.boolean(),
        (units, little) => {
          const text = units.map((unit) => String.fromCharCode(unit)).join('')
          const writer = new Writer(little)
          writer.u8(1)
          writer.utf16(text)
          const reader = new Reader(writer.finish(), little)
          reader.skip(1)
          assert.equal(reader.utf16(units.length), text)
          reader.done('test')
        },
      ),
      { seed: 7 },
    )
  })

  test('readers of one buffer share its view, and none reads past its own bytes', () => {
    const views = new Views()
    const chunk = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
    const readers = [0, 4].map((at) => new Reader(chunk.subarray(at, at + 4), false, views))
    assert.equal(readers[0]?.view, readers[1]?.view)
    assert.deepEqual(
      readers.map((reader) => [reader.at, reader.u32(), reader.left]),
      [
        [0, 0x01020304, 0],
        [0, 0x05060708, 0],
      ],
    )
    assert.throws(() => readers[0]?.u8(), code('MALFORMED'))
    const other = new Reader(Uint8Array.of(9, 9), false, views)
    assert.equal(other.u16(), 0x0909)
  })

  test('a message begun while another one is written keeps its bytes', () => {
    const slab = new Slab()
    const outer = new Writer(true, 1_000, 64, slab)
    outer.u32(1)
    const inner = new Writer(true, 1_000, 64, slab)
    inner.u32(2)
    const second = inner.finish()
    const first = outer.finish()
    const next = new Writer(true, 1_000, 64, slab)
    for (let i = 0; i < 16; i++) next.u32(0xffffffff)
    next.finish()
    assert.deepEqual([...first, ...second], [1, 0, 0, 0, 2, 0, 0, 0])
  })

  test('text that is not UTF-8 is MALFORMED', () => {
    assert.throws(() => utf8Decode(Uint8Array.of(0xc0, 0x80)), code('MALFORMED'))
  })
})

describe('ChunkQueue', () => {
  test('any pushes and takes give the bytes in order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 20 })),
        fc.array(fc.integer({ min: 1, max: 30 })),
        (chunks, takes) => {
          const queue = new ChunkQueue()
          const all = Buffer.concat(chunks)
          for (const chunk of chunks) queue.push(chunk)
          let at = 0
          for (const want of takes) {
            if (queue.length > 0) assert.equal(queue.peek(0), all[at])
            const part =
              want % 2 === 0 || want > queue.length ? (queue.shift(want) ?? new Uint8Array()) : queue.take(want)
            assert.ok(part.length <= want)
            assert.deepEqual(Buffer.from(part), all.subarray(at, at + part.length))
            at += part.length
            assert.equal(queue.length, all.length - at)
          }
        },
      ),
      { seed: 7 },
    )
  })

  test('a take inside one chunk is a view, and many chunks cost no quadratic time', () => {
    const queue = new ChunkQueue()
    const chunk = new Uint8Array(100)
    queue.push(chunk)
    assert.equal(queue.take(50).buffer, chunk.buffer)
    for (let i = 0; i < 100_000; i++) queue.push(chunk)
    while (queue.shift(100) !== undefined) {}
    assert.equal(queue.length, 0)
    assert.throws(() => queue.take(1), code('INTERNAL'))
  })
})

describe('copyBytes', () => {
  const pattern = new Uint8Array(40_000).map((_, at) => (at * 7) ^ (at >> 8))

  test('copies what set copies, and nothing beside it, wherever both begin', () => {
    const around = fc.record({ from: fc.nat(40), at: fc.nat(40), into: fc.nat(40), after: fc.nat(3) })
    fc.assert(
      fc.property(fc.oneof(fc.nat(100), fc.integer({ min: 8_000, max: 30_000 })), around, (length, places) => {
        const bytes = pattern.subarray(places.from, places.from + length)
        const [found, wanted] = [1, 2].map(() => new Uint8Array(40_000).fill(9)) as [Uint8Array, Uint8Array]
        const part = (all: Uint8Array) => all.subarray(places.into, places.into + places.at + length + places.after)
        copyBytes(bytes, part(found), places.at)
        part(wanted).set(bytes, places.at)
        assert.deepEqual(found, wanted)
      }),
    )
  })

  test('moves bytes within one buffer as set does', () => {
    for (const by of [-2_500, -8, 8, 24, 2_500]) {
      const [found, wanted] = [pattern.slice(), pattern.slice()]
      copyBytes(found.subarray(5_000, 25_000), found, 5_000 + by)
      wanted.set(wanted.subarray(5_000, 25_000), 5_000 + by)
      assert.deepEqual(found, wanted)
    }
  })

  test('what does not fit changes nothing', () => {
    const into = new Uint8Array(10_000)
    assert.throws(() => copyBytes(pattern.subarray(0, 9_999), into, 8), RangeError)
    assert.ok(into.every((byte) => byte === 0))
  })
})

describe('GUIDs', () => {
  test('names give the GUIDs of RFC 9562', () => {
    const dns = '6ba7b810-9dad-11d1-80b4-00c04fd430c8'
    assert.equal(guidFromName(dns, 'www.example.com'), '2ed6657d-e927-568b-95e1-2665a8aea6a2')
  })

  test('text and bytes', () => {
    const text = '8a885d04-1ceb-11c9-9fe8-08002b104860'
    assert.equal(guidFromBytes(guidToBytes(text)), text)
    assert.equal(Buffer.from(swapGuidFields(guidToBytes(text))).toString('hex'), '045d888aeb1cc9119fe808002b104860')
    assert.equal(parseGuid(text.toUpperCase()), text)
    assert.throws(() => parseGuid('no'), code('INVALID_ARGUMENT'))
    assert.match(guidFromRandom(new Uint8Array(16).fill(0xff)), /^ffffffff-ffff-4fff-bfff-ffffffffffff$/)
  })

  test('any bytes: the text is their hexadecimal digits, and leads back to them in either case', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const text = guidFromBytes(bytes)
        assert.equal(text.replaceAll('-', ''), Buffer.from(bytes).toString('hex'))
        assert.equal(parseGuid(text), text)
        assert.deepEqual(guidToBytes(text), bytes)
        assert.deepEqual(guidToBytes(text.toUpperCase()), bytes)
        const swapped = swapGuidFields(bytes.slice())
        const [from, to] = [new DataView(bytes.buffer), new DataView(swapped.buffer)]
        assert.equal(to.getUint32(0, true), from.getUint32(0))
        assert.deepEqual(
          [4, 6].map((at) => to.getUint16(at, true)),
          [4, 6].map((at) => from.getUint16(at)),
        )
        assert.equal(to.getBigUint64(8), from.getBigUint64(8))
        assert.deepEqual(swapGuidFields(swapped), bytes)
      }),
    )
  })

  test('SHA-1 is that of OpenSSL at every length around a block', () => {
    for (let length = 0; length < 200; length++) {
      const message = randomBytes(length)
      assert.equal(Buffer.from(sha1(message)).toString('hex'), createHash('sha1').update(message).digest('hex'))
    }
  })
})
