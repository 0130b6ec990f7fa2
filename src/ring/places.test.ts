/** An honest ring at every place of its data: one list, so that a ring that goes wrong at one of them is found out. */
import assert from 'node:assert/strict'
import { PlainMem } from './harness.test.ts'
import { MAX, type Ring, SIZE } from './schedules.test.ts'

const LENGTHS = [1, 7, 8, 9, 16, 24, MAX]

/** Throws when a payload that begins at any place, of any of these lengths, is not read as it was written; how many there were. */
export function checkPlaces(ring: Ring): number {
  let places = 0
  for (const mode of ['byte', 'message'] as const) {
    for (let offset = 0; offset < SIZE; offset += 8) {
      for (const length of LENGTHS) {
        for (const how of mode === 'byte' ? (['copied', 'lent', 'given'] as const) : (['copied', 'given'] as const)) {
          checkPlace(ring, mode, offset, length, how)
          places++
        }
      }
    }
  }
  return places
}

function checkPlace(
  { RingReader, RingWriter }: Ring,
  mode: 'byte' | 'message',
  offset: number,
  length: number,
  how: 'copied' | 'lent' | 'given',
): void {
  const mem = new PlainMem(SIZE)
  const writer = new RingWriter(mem, { mode, maxPayload: MAX })
  const reader = new RingReader(mem, { mode, maxPayload: MAX })
  const step = (bytes: Uint8Array, take: () => number[]): void => {
    assert.equal(writer.write(bytes), bytes.length)
    writer.publish()
    assert.deepEqual(take(), [...bytes], `${length} bytes at ${offset}, ${how}`)
    reader.release()
  }
  const copied = (): number[] => {
    const into = new Uint8Array(SIZE)
    return [...into.subarray(0, reader.readInto(into))]
  }
  const lent = (): number[] => {
    const bytes: number[] = []
    // In two parts, cut anywhere.
    for (const most of [Math.ceil(length / 3), SIZE]) reader.lend(most, (part) => void bytes.push(...part))
    return bytes
  }
  const given = (): number[] => [...(reader.read() ?? [])]
  // Packets of 40 to 72 bytes, whose sum is the offset or the offset once around.
  for (let left = offset === 0 || offset >= 40 ? offset : offset + SIZE; left > 0; ) {
    const bytes = left >= 80 ? 40 : left
    step(new Uint8Array(bytes - 32), copied)
    left -= bytes
  }
  const bytes = Uint8Array.from({ length }, (_, at) => at + 1)
  step(bytes, how === 'copied' ? copied : how === 'lent' ? lent : given)
}
