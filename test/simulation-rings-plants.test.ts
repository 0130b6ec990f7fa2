/** Bugs on purpose among rings and their doorbells: the simulator finds each. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CELLS } from '../src/ring/index.ts'
import { type Plants, planOf, runSeed } from '../src/testing/index.ts'

/** A planted bug is to be found within this many seeds that have rings. */
const SEEDS = 20

const PLANTS: readonly { bug: string; rule: string; plants: () => Plants }[] = [
  {
    bug: 'a doorbell is lost',
    rule: 'I13',
    plants: () => {
      let rung = 0
      return {
        doorbell: (ring) => {
          if (++rung % 3 !== 0) ring()
        },
      }
    },
  },
  {
    bug: 'a doorbell is rung twice',
    rule: 'I14',
    plants: () => ({
      doorbell: (ring) => {
        ring()
        ring()
      },
    }),
  },
  {
    bug: 'every fourth doorbell is rung twice',
    rule: 'I14',
    plants: () => {
      let rung = 0
      return {
        doorbell: (ring) => {
          ring()
          if (++rung % 4 === 0) ring()
        },
      }
    },
  },
  {
    bug: 'one side changes the version of the memory',
    rule: 'I17',
    plants: () => ({
      agreed: (region) => {
        region[4] = 2
      },
    }),
  },
  {
    bug: 'one side changes what was agreed',
    rule: 'I17',
    plants: () => ({ mapped: (ring) => ring.store(CELLS.FEATURE_BITS, 0) }),
  },
  {
    bug: 'one side reads again what was agreed',
    rule: 'I17',
    plants: () => ({ mapped: (ring) => void ring.load(CELLS.FEATURE_BITS) }),
  },
]

describe('a planted bug among rings breaks its rule', () => {
  const seeds: number[] = []
  for (let seed = 1; seeds.length < SEEDS; seed++) if (planOf(seed).rings) seeds.push(seed)
  for (const { bug, rule, plants } of PLANTS) {
    test(`${rule}: ${bug}`, async (context) => {
      const broken = new Set<string>()
      let runs = 0
      for (const seed of seeds) {
        if (broken.has(rule)) break
        runs++
        const { violations } = await runSeed(seed, { plants: plants() })
        for (const { invariant } of violations) broken.add(invariant)
      }
      context.diagnostic(`found after ${runs} seeds`)
      assert.ok(broken.has(rule), `${SEEDS} seeds broke only: ${[...broken].join(', ') || 'nothing'}`)
    })
  }
})
