import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { BusbarError } from '../../errors/index.ts'
import { Block, RingReader, RingWriter } from '../../ring/index.ts'
import type { Mapped } from './hostile-end.test.ts'
import { MEDIUM_CHECKS } from './hostile-media.test.ts'
import { STREAM_CHECKS } from './hostile-streams.test.ts'
import { RING_OPTIONS } from './limits.ts'
import { RingMedium } from './medium.ts'
import { PlaceMedium } from './place-medium.ts'
import { Preface, PREFACE_BYTES } from './preface.ts'
import { openRegion } from './region.ts'
import { RingStream } from './stream.ts'

const MAPPED: Mapped = { RingStream, Preface, openRegion, RingMedium, PlaceMedium }

describe('a hostile other end of rings', () => {
  for (const [name, run] of [...STREAM_CHECKS, ...MEDIUM_CHECKS]) test(name, () => run(MAPPED))
})

describe('the preface of a ring', () => {
  test('of any bytes, in any pieces: the number that they say, or MALFORMED, and nothing behind it is taken', () => {
    const pieces = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 12 })
    // A number of 53 bits at most is as likely as any other.
    const bytes = fc
      .tuple(fc.uint8Array({ minLength: 8, maxLength: 40 }), fc.boolean())
      .map(([all, small]) => (small ? all.fill(0, 7, 8).fill((all[6] as number) & 31, 6, 7) : all))
    fc.assert(
      fc.property(bytes, pieces, (all, lengths) => {
        const block = new Block(new Uint8Array(8192))
        block.format()
        const writer = new RingWriter(block, RING_OPTIONS)
        const reader = new RingReader(block, RING_OPTIONS)
        const preface = new Preface()
        const sent = new DataView(all.buffer, all.byteOffset).getBigUint64(0, true)
        let whole: boolean | undefined
        try {
          for (let at = 0, piece = 0; at < all.length && whole !== true; piece++) {
            const length = Math.min(lengths[piece % lengths.length] as number, all.length - at)
            writer.write(all, at, at + length)
            writer.publish()
            at += length
            whole = preface.read(reader)
            assert.equal(whole, at >= PREFACE_BYTES)
            assert.ok(preface.begun)
            if (whole) {
              const behind = new Uint8Array(64)
              const left = at - PREFACE_BYTES
              assert.equal(reader.readInto(behind), left)
              assert.deepEqual(behind.subarray(0, left), all.slice(PREFACE_BYTES, at))
            } else assert.equal(preface.expected, undefined)
          }
        } catch (thrown) {
          assert.ok(thrown instanceof BusbarError && thrown.code === 'MALFORMED', String(thrown))
          assert.ok(sent > BigInt(Number.MAX_SAFE_INTEGER))
          assert.equal(preface.expected, undefined)
          return
        }
        assert.ok(whole)
        assert.equal(BigInt(preface.expected as number), sent)
      }),
      { seed: 20_261_129, numRuns: 500 },
    )
  })
})
