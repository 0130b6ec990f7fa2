import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runCampaign } from '../scripts/simulation-campaign.ts'
import { neverReached, runSeed, shrink } from '../src/testing/index.ts'

/** Every commit runs this many seeds, each twice, or for two minutes, whichever comes first. */
const SEEDS = 2000
const BUDGET_MS = 120_000
const FEWEST = 500
/** Seeds above the campaign that found a bug once; those within it run anyway. Races in small: src/bus/races.test.ts. */
const REGRESSIONS = [5449]

test('seeds that found a bug once break no rule', async () => {
  for (const seed of REGRESSIONS) assert.deepEqual((await runSeed(seed)).violations, [])
})

test('thousands of seeds break no rule, reach every state, and happen twice in the same way', async (t) => {
  const result = await runCampaign({ first: 1, count: SEEDS, jobs: 2, budget: BUDGET_MS })
  const [failure] = result.failures
  if (failure !== undefined) {
    const { seed, violation } = failure
    const { plan } = await shrink(await runSeed(seed))
    assert.fail(
      [
        `seed ${seed} breaks ${violation.invariant}: ${violation.message}`,
        `replay: npm run simulate -- --seed ${seed} --shrink`,
        'shortest list of ops that does:',
        ...plan.ops.map((op) => JSON.stringify(op)),
      ].join('\n'),
    )
  }
  t.diagnostic(
    `${result.seeds} seeds twice, ${result.steps} steps, ${(result.time / 3_600_000).toFixed(1)} virtual hours`,
  )
  assert.ok(result.seeds >= FEWEST, `only ${result.seeds} seeds in ${BUDGET_MS} ms`)
  assert.deepEqual(neverReached(result), [])
})
