import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { checkChunks } from './chunks.test.ts'
import { Block, RingReader, RingWriter } from './index.ts'
import { checkInterleavings } from './interleavings.test.ts'
import { checkPlaces } from './places.test.ts'
import { checkRefusals } from './refusals.test.ts'
import { hostileWrites, WRITTEN } from './hostile-writes.test.ts'
import { oracleCells, oracleReads, oracleSecond, oracleWrites } from './schedules.test.ts'

const RING = { Block, RingReader, RingWriter }
/** `npm run ring:nightly` goes deeper, for hours; without it this takes some twenty seconds. */
const NIGHTLY = process.env['RING_NIGHTLY'] === 'yes'
/** Schedules that are all run by themselves: with so many hostile writes at most, of these values. */
const ALONE = [
  [1, WRITTEN],
  [2, [40]],
] as const
const ALONE_NIGHTLY = [
  [2, WRITTEN],
  [3, [40]],
] as const
const MODES = ['message', 'byte'] as const

describe('ring: a hostile other side', () => {
  // A stack for each of some million faults would take most of the time.
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  after(() => {
    Error.stackTraceLimit = stackTraceLimit
  })

  test('refuses its own user too', () => checkRefusals(RING))

  for (const mode of MODES) {
    test(`${mode} mode: all values of two headers, the second in each state that a first one leaves`, (t) => {
      const all = oracleSecond(RING, mode, 'all')
      const few = oracleSecond(RING, mode, 'few')
      t.diagnostic(`${all.runs} runs, ${all.states} states, which ${few.runs} runs show to be all that counts`)
      assert.ok(all.states > 400 && all.states === few.states)
      assert.ok(all.runs > 500_000 && few.runs > 400_000)
      if (NIGHTLY) t.diagnostic(`${oracleReads(RING, mode, 'rich')} runs behind every first header`)
    })

    test(`${mode} mode: all values of the cells`, (t) => {
      const runs = oracleCells(RING, mode, NIGHTLY ? 6 : 4)
      t.diagnostic(`${runs} runs`)
      assert.ok(runs > 20_000)
    })

    test(`${mode} mode: all schedules with up to ${NIGHTLY ? 'six' : 'four'} hostile writes`, (t) => {
      const { runs, schedules } = hostileWrites(RING, mode, { writes: NIGHTLY ? 6 : 4 })
      const [, , , three = 0, four = 0] = schedules
      t.diagnostic(`${three} schedules of up to three writes, ${four} of up to four; ${runs} runs for all`)
      assert.ok(three >= 25_000_000)
    })

    test(`${mode} mode: a schedule that is not run gives the reader what another gives it that is`, (t) => {
      let runs = 0
      for (const [writes, values] of NIGHTLY ? ALONE_NIGHTLY : ALONE) {
        const together = hostileWrites(RING, mode, { writes, values, traced: true })
        const alone = hostileWrites(RING, mode, { writes, values, traced: true, each: true })
        assert.deepEqual(together.schedules, alone.schedules)
        assert.equal(alone.runs, alone.schedules[writes])
        assert.ok(together.runs < alone.runs)
        assert.deepEqual(together.traces, alone.traces)
        runs += alone.runs
      }
      t.diagnostic(`${runs} schedules, each run by itself`)
      assert.ok(runs > 150_000)
    })
  }

  test('byte mode, lent: all values of a header', (t) => {
    const runs = oracleReads(RING, 'byte', NIGHTLY ? 'rich' : 'one', 'lent')
    t.diagnostic(`${runs} runs`)
    assert.ok(runs > 20_000)
  })

  for (const mode of MODES) {
    test(`${mode} mode, given after a look: all values of a header and of the cells`, (t) => {
      const header = oracleReads(RING, mode, NIGHTLY ? 'rich' : 'one', 'given')
      const cells = oracleCells(RING, mode, NIGHTLY ? 6 : 4, true)
      t.diagnostic(`${header} and ${cells} runs`)
      assert.ok(header > 20_000 && cells > 20_000)
    })

    test(`${mode} mode, given after a look: all schedules with up to ${NIGHTLY ? 'six' : 'three'} hostile writes`, (t) => {
      const { runs, schedules } = hostileWrites(RING, mode, { writes: NIGHTLY ? 6 : 3, given: true })
      t.diagnostic(`${schedules[3]} schedules of up to three writes, ${runs} runs`)
      assert.ok((schedules[3] ?? 0) >= 25_000_000)
    })

    test(`a writer in ${mode} mode: all values of the cells`, (t) => {
      const runs = oracleWrites(RING, mode, NIGHTLY ? 8 : 6) + oracleWrites(RING, mode, NIGHTLY ? 6 : 5, [1])
      t.diagnostic(`${runs} runs`)
      assert.ok(runs > 40_000)
    })
  }
})

describe('ring: two honest sides in every order', () => {
  test('in chunks that are held', (t) => t.diagnostic(`${checkChunks(RING)} chunks`))

  test('at every place', (t) => t.diagnostic(`${checkPlaces(RING)} places`))

  for (const mode of MODES) {
    for (const [lengths, batch] of [
      [[40, 9], false],
      [[40, 9], true],
      [[17, 40], false],
      [[1, 8], false],
    ] as const) {
      test(`${mode} mode, ${lengths.join(' and ')} bytes${batch ? ' at once' : ''}: nobody sleeps for ever`, (t) => {
        const states = checkInterleavings(RING, mode, batch, lengths)
        t.diagnostic(`${states} states`)
        assert.ok(states > 1_000)
      })

      test(`${mode} mode, ${lengths.join(' and ')} bytes${batch ? ' at once' : ''}: either is killed at any access`, (t) => {
        const states = checkInterleavings(RING, mode, batch, lengths, true)
        t.diagnostic(`${states} states`)
        assert.ok(states > 10_000)
      })
    }
  }
})
