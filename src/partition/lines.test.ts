import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { LineSplitter } from './lines.ts'

/** Longest piece, UTF-16 units. Fixed by `lines.ts`. */
const MAX = 65_536

function split(pieces: readonly string[]): string[] {
  const lines: string[] = []
  const splitter = new LineSplitter((line) => lines.push(line))
  for (const piece of pieces) splitter.push(piece)
  splitter.end()
  return lines
}

/** Text, and where to cut it. */
const cut = fc
  .tuple(
    fc.string({ unit: fc.constantFrom('\n', '\r', '\r\n', 'a', 'ä', '😀', '\0', '\u2028', 'line'), maxLength: 40 }),
    fc.array(fc.nat(60), { maxLength: 12 }),
  )
  .map(([text, at]) => {
    const places = [0, ...at.map((place) => Math.min(place, text.length)).toSorted((a, b) => a - b), text.length]
    return { text, pieces: places.slice(1).map((place, index) => text.slice(places[index], place)) }
  })

describe('lines of a program', () => {
  test('are the same however its text arrives: no unit is lost, and none has a line end inside', () => {
    fc.assert(
      fc.property(cut, ({ text, pieces }) => {
        const lines = split(pieces)
        const all = text.split('\n').map((line, at, every) => {
          return at < every.length - 1 && line.endsWith('\r') ? line.slice(0, -1) : line
        })
        if (all.at(-1) === '') all.pop()
        assert.deepEqual(lines, all)
      }),
      { seed: 20_261_129, numRuns: 1000 },
    )
  })

  test('are cut into the same pieces however they arrive, and no more than one piece is kept', () => {
    const length = fc.oneof(fc.integer({ min: 1, max: 3 * MAX }), fc.integer({ min: MAX - 2, max: MAX + 2 }))
    const runs = fc.array(fc.tuple(length, fc.constantFrom('', '\n', '\r\n', '\r')), { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(runs, (parts) => {
        const lines: string[] = []
        const splitter = new LineSplitter((line) => lines.push(line))
        let [sent, ends] = [0, 0]
        for (const [length, end] of parts) {
          splitter.push('x'.repeat(length))
          splitter.push(end)
          sent += length
          ends += end.length
          const told = lines.reduce((sum, line) => sum + line.length, 0)
          assert.ok(sent - told <= MAX, `${sent - told} units are kept`)
        }
        splitter.end()
        assert.deepEqual(split([parts.map(([length, end]) => 'x'.repeat(length) + end).join('')]), lines)
        for (const line of lines) assert.ok(line.length <= MAX, `a line of ${line.length} units`)
        assert.equal(lines.join('').replaceAll('\r', '').length, sent)
        assert.ok(lines.length <= Math.ceil(sent / MAX) + parts.length + ends)
      }),
      { seed: 20_261_129, numRuns: 100 },
    )
  })
})
