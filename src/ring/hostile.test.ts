import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { Block, RingReader, RingWriter } from './index.ts'
import { checkInterleavings } from './interleavings.test.ts'
import { checkRefusals } from './refusals.test.ts'
import { hostileWrites, oracleCells, oracleReads, oracleWrites } from './schedules.test.ts'

const RING = { Block, RingReader, RingWriter }
/**
 * `RING_SCHEDULES=nightly node --import tsx --test src/ring/hostile.test.ts` goes deeper, for hours; without it this takes some ten
 * seconds.
 */
const NIGHTLY = process.env['RING_SCHEDULES'] === 'nightly'
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
    test(`${mode} mode: all values of two headers`, (t) => {
      const runs = oracleReads(RING, mode, NIGHTLY ? 'rich' : 'few')
      t.diagnostic(`${runs} runs`)
      assert.ok(runs > 300_000)
    })

    test(`${mode} mode: all values of the cells`, (t) => {
      const runs = oracleCells(RING, mode, NIGHTLY ? 6 : 4)
      t.diagnostic(`${runs} runs`)
      assert.ok(runs > 20_000)
    })

    test(`${mode} mode: all schedules with up to four hostile writes, each run once for those that are the same to the reader`, (t) => {
      const runs = hostileWrites(RING, mode, NIGHTLY ? 6 : 4)
      t.diagnostic(`${runs} runs`)
      assert.ok(runs > 10_000)
    })

    test(`${mode} mode: schedules with hostile writes, each as it is`, (t) => {
      const runs = hostileWrites(RING, mode, NIGHTLY ? 3 : 2, true, NIGHTLY ? 1_000_000_000 : 500_000)
      t.diagnostic(`${runs} runs`)
      assert.ok(runs >= 500_000)
    })
  }

  test('byte mode, lent: all values of a header', (t) => {
    const runs = oracleReads(RING, 'byte', NIGHTLY ? 'rich' : 'one', true)
    t.diagnostic(`${runs} runs`)
    assert.ok(runs > 20_000)
  })

  test('a writer: all values of the cells', (t) => {
    const runs = oracleWrites(RING, NIGHTLY ? 8 : 6) + oracleWrites(RING, NIGHTLY ? 6 : 5, [1])
    t.diagnostic(`${runs} runs`)
    assert.ok(runs > 40_000)
  })
})

describe('ring: two honest sides in every order', () => {
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
    }
  }
})
