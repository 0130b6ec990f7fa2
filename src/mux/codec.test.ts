import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { BusbarError } from '../errors/index.ts'
import { checkHeader, encodeHeader, FRAMES, u16At, u32At } from './codec.ts'
import { FrameDecoder } from './decoder.ts'
import { header, slowDecode } from './harness.test.ts'

const SEED = 20_240_601

interface Seen {
  type: number
  flags: number
  id: number
  length: number
  payload: string
}

/** Decodes with cuts at the given places. */
function decode(bytes: Uint8Array, cuts: readonly number[]): { frames: Seen[]; partial: boolean } {
  const decoder = new FrameDecoder()
  const frames: Seen[] = []
  const sink = {
    frame: (type: number, flags: number, id: number, length: number) => {
      frames.push({ type, flags, id, length, payload: '' })
    },
    payload: (piece: Uint8Array, last: boolean) => {
      const frame = frames.at(-1)
      assert.ok(frame !== undefined)
      assert.ok(piece.length > 0)
      assert.equal(piece.buffer, bytes.buffer, 'payload is never copied')
      frame.payload += Buffer.from(piece).toString('hex')
      assert.equal(last, frame.payload.length === frame.length * 2)
    },
  }
  let from = 0
  for (const cut of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
    decoder.push(bytes.subarray(from, cut), sink)
    from = cut
  }
  return { frames, partial: decoder.partial }
}

const frame = fc.oneof(
  fc.record({
    type: fc.constant(0),
    flags: fc.nat(15),
    id: fc.integer({ min: 1, max: 0xffff_ffff }),
    payload: fc.uint8Array({ maxLength: 40 }),
  }),
  fc.record({
    type: fc.constant(1),
    flags: fc.nat(15),
    id: fc.integer({ min: 1, max: 0xffff_ffff }),
    length: fc.nat(),
  }),
  fc.record({ type: fc.constant(2), flags: fc.integer({ min: 1, max: 2 }), id: fc.constant(0), length: fc.nat() }),
  fc.record({ type: fc.constant(3), flags: fc.constant(0), id: fc.constant(0), length: fc.nat(2) }),
)

describe('yamux codec', () => {
  test('known headers', () => {
    const into = new Uint8Array(14).fill(0xee)
    encodeHeader(into, 1, 1, 0x0001, 0x0102_0304, 0xfffe_fdfc)
    assert.equal(Buffer.from(into).toString('hex'), 'ee' + '000100010102030' + '4fffefdfc' + 'ee')
    encodeHeader(into, 0, 3, 0x0c02, 0xffff_ffff, 0)
    assert.equal(Buffer.from(into.subarray(0, 12)).toString('hex'), '00030c02ffffffff00000000')
  })

  test('the encoder writes what its slow twin writes', () => {
    fc.assert(
      fc.property(fc.nat(255), fc.nat(0xffff), fc.nat(0xffff_ffff), fc.nat(0xffff_ffff), (type, flags, id, length) => {
        const into = new Uint8Array(12)
        encodeHeader(into, 0, type, flags, id, length)
        assert.equal(Buffer.from(into).toString('hex'), header(type, flags, id, length))
        assert.deepEqual([u16At(into, 2), u32At(into, 4), u32At(into, 8)], [flags, id, length])
      }),
      { seed: SEED, numRuns: 500 },
    )
  })

  test('any split of the bytes gives the frames of the slow twin', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 12 }), fc.array(fc.nat(1000), { maxLength: 12 }), (frames, places) => {
        const hex = frames.map((each) => {
          const payload = 'payload' in each ? Buffer.from(each.payload).toString('hex') : ''
          const length = 'payload' in each ? each.payload.length : each.length
          return header(each.type, each.flags, each.id, length) + payload
        })
        const bytes = new Uint8Array(Buffer.from(hex.join(''), 'hex'))
        const cuts = places.map((place) => place % (bytes.length + 1))
        assert.deepEqual(decode(bytes, cuts), { frames: slowDecode(bytes), partial: false })
      }),
      { seed: SEED, numRuns: 1000 },
    )
  })

  test('one byte at a time', () => {
    const bytes = new Uint8Array(Buffer.from(header(0, 1, 1, 5) + '68656c6c6f' + header(2, 1, 0, 7), 'hex'))
    const cuts = Array.from(bytes, (_, at) => at)
    assert.deepEqual(decode(bytes, cuts), { frames: slowDecode(bytes), partial: false })
    assert.equal(decode(bytes.slice(0, 11), []).partial, true)
    assert.equal(decode(bytes.slice(0, 16), []).partial, true)
  })

  test('random bytes: only MALFORMED, wherever they are split', () => {
    const outcome = (bytes: Uint8Array, cuts: readonly number[]): unknown => {
      try {
        return decode(bytes, cuts)
      } catch (thrown) {
        assert.ok(thrown instanceof BusbarError, String(thrown))
        assert.equal(thrown.code, 'MALFORMED')
        return thrown.message
      }
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(fc.nat(200)), (noise, places) => {
        for (let i = 0; i < noise.length; i += 7) noise[i] = (noise[i] as number) & 3
        const cuts = places.map((place) => place % (noise.length + 1))
        assert.deepEqual(outcome(noise, cuts), outcome(noise, []))
      }),
      { seed: SEED, numRuns: 1000 },
    )
  })

  test('headers that no state allows', () => {
    const refused: [number, number, number, number][] = [
      [1, 0, 0, 1],
      [255, 0, 0, 1],
      [0, 4, 0, 1],
      [0, 255, 0, 1],
      [0, 0, 0x10, 1],
      [0, 0, 0x8000, 1],
      [0, 1, 0x11, 1],
      [0, 0, 0, 0],
      [0, 1, 0, 0],
      [0, 2, 1, 1],
      [0, 2, 0, 0],
      [0, 2, 3, 0],
      [0, 2, 4, 0],
      [0, 3, 0, 1],
      [0, 3, 1, 0],
    ]
    for (const [version, type, flags, id] of refused) {
      assert.throws(
        () => checkHeader(version, type, flags, id),
        (thrown) => thrown instanceof BusbarError && thrown.code === 'MALFORMED',
        `version ${version} type ${type} flags ${flags} id ${id}`,
      )
    }
  })

  test('the table in docs/protocol/mux.md is the table here', () => {
    const text = readFileSync(new URL('../../docs/protocol/mux.md', import.meta.url), 'utf8')
    for (const [name, row] of Object.entries(FRAMES)) {
      const flags = ['SYN', 'ACK', 'FIN', 'RST'].filter((_, bit) => (row.flags & (1 << bit)) !== 0)
      const line = `| ${row.number} | ${name} | ${row.onStream ? 'stream' : '0'} | ${flags.join(' ') || 'none'} | ${row.length} |`
      assert.ok(text.includes(line), line)
    }
  })
})
