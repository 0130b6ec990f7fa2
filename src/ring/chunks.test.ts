/** What `read` puts together and gives away: one list, so that a ring that gives the same memory to two is found out. */
import assert from 'node:assert/strict'
import { Slab } from '../bytes/index.ts'
import { Dice, PlainMem } from './harness.test.ts'
import type { RingMode } from './index.ts'
import type { Ring } from './schedules.test.ts'

/** Bytes of data of the rings here: several long packets fit. */
const DATA = 65_536
/** A packet of so many `bytes` is given by itself. Fixed by `reader.ts`. */
const LONG = 4096
const LENGTHS = [1, 5, 8, 40, 64, 500, 2000, LONG - 8, LONG - 1, LONG, LONG + 1, 9000]

/** What one look at so many packets gives, all of them being there: long ones by themselves, others together up to `LONG`. */
function expected(mode: RingMode, packets: readonly (readonly number[])[]): number[][] {
  if (mode === 'message') return packets.map((packet) => [...packet])
  const chunks: number[][] = []
  const left = packets.map((packet) => [...packet])
  for (let first = left.shift(); first !== undefined; first = left.shift()) {
    const chunk = first
    while (chunk.length < LONG && left[0] !== undefined && left[0].length < LONG) {
      chunk.push(...left[0].splice(0, LONG - chunk.length))
      if (left[0].length === 0) left.shift()
    }
    chunks.push(chunk)
  }
  return chunks
}

/** Throws when two readers that share a slab give anything else, or touch what they have given before; how many chunks there were. */
export function checkChunks({ RingReader, RingWriter }: Ring): number {
  let chunks = 0
  for (const mode of ['byte', 'message'] as const) {
    const slab = new Slab()
    const dice = new Dice(mode === 'byte' ? 1 : 2)
    // Memory that is not all zeros: whatever is given must have been written over.
    const options = { mode, slab, allocate: (length: number) => new Uint8Array(length).fill(0xee) }
    const rings = [0, 1].map(() => {
      const mem = new PlainMem(DATA)
      return { writer: new RingWriter(mem, { mode }), reader: new RingReader(mem, options) }
    })
    const held: { given: Uint8Array; right: readonly number[] }[] = []
    for (let round = 0; round < 12; round++) {
      const due = rings.map(({ writer }) => {
        const lengths = Array.from({ length: 6 }, () => LENGTHS[dice.below(LENGTHS.length)] as number)
        const packets = lengths.map((length) => [...dice.bytes(length)])
        for (const packet of packets) assert.equal(writer.write(Uint8Array.from(packet)), packet.length)
        writer.publish()
        return expected(mode, packets)
      })
      // In turns, as two channels of a process.
      for (let at = 0; at < Math.max(...due.map(({ length }) => length)); at++) {
        for (const [which, { reader }] of rings.entries()) {
          const right = due[which]?.[at]
          if (right === undefined) continue
          assert.ok(reader.ready())
          const given = reader.read()
          assert.ok(given !== undefined && Buffer.compare(given, Uint8Array.from(right)) === 0, 'other bytes')
          held.push({ given, right })
        }
      }
      for (const { reader } of rings) {
        assert.equal(reader.ready(), false)
        assert.equal(reader.read(), undefined)
        reader.release()
      }
    }
    for (const { given, right } of held) assert.ok(Buffer.compare(given, Uint8Array.from(right)) === 0, 'given twice')
    chunks += held.length
  }
  return chunks
}
