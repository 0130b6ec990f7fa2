/**
 * The deterministic simulator: `npm run simulate -- --seed N` replays one seed and prints everything that happened in it;
 * with `--shrink` it leaves out of a failing one what does not matter; with `--seeds COUNT` it runs that many seeds from
 * there on, each twice, in `--jobs` processes. `--json` prints the result as one line of JSON. Exit status 1 when a rule broke
 * or, in a campaign of 1,000 seeds or more, when a state was never reached.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { type CampaignResult, neverReached, type RunResult, runSeed, shrink, SOMETIMES } from '../src/testing/index.ts'
import { runCampaign } from './simulation-campaign.ts'

/** A campaign that is smaller may miss a state by chance. */
const WHOLE_CAMPAIGN = 1000

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    shrink: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})

function number(name: 'seed' | 'seeds' | 'jobs', least: number): number {
  const value = Number(values[name])
  if (Number.isSafeInteger(value) && value >= least) return value
  console.error(`--${name} takes a whole number from ${least}, not "${values[name]}"`)
  process.exit(2)
}

function printRun({ trace, plan, seed, hash, steps, time, violations }: RunResult): void {
  console.log(trace.join('\n'))
  console.log(`\nops of seed ${seed}:`)
  for (const op of plan.ops) console.log(`  ${JSON.stringify(op)}`)
  console.log(`\nseed ${seed}: ${steps} steps, ${(time / 1000).toFixed(1)} virtual s, trace ${hash}`)
  for (const { invariant, message, step } of violations) console.log(`✖ ${invariant} at step ${step}: ${message}`)
}

async function replay(seed: number): Promise<boolean> {
  let run = await runSeed(seed, { trace: true })
  if (values.shrink && run.violations.length > 0) run = await shrink(run, { trace: true })
  if (values.json) console.log(JSON.stringify(run))
  else printRun(run)
  return run.violations.length === 0
}

function printCampaign(result: CampaignResult, ms: number): void {
  const { seeds, steps, time, failures, reached } = result
  for (const state of SOMETIMES) console.log(`${String(reached[state] ?? 0).padStart(8)} seeds: ${state}`)
  const hours = (time / 3_600_000).toFixed(1)
  const rate = ((2 * seeds) / (ms / 1000)).toFixed(1)
  console.log(
    `\n${seeds} seeds twice, ${steps} steps, ${hours} virtual h, ${(ms / 1000).toFixed(1)} s (${rate} runs a second)`,
  )
  for (const { seed, violation } of failures) {
    console.log(`✖ seed ${seed}: ${violation.invariant}: ${violation.message}`)
    console.log(`  replay: npm run simulate -- --seed ${seed} --shrink`)
  }
}

async function campaign(first: number, count: number): Promise<boolean> {
  const started = performance.now()
  let said = started
  const result = await runCampaign({
    first,
    count,
    jobs: number('jobs', 1),
    progress: ({ seeds, failures }) => {
      if (values.json || performance.now() - said < 1000) return
      said = performance.now()
      console.log(`${seeds} of ${count} seeds, ${failures.length} failures`)
    },
  })
  const missing = count >= WHOLE_CAMPAIGN && result.failures.length === 0 ? neverReached(result) : []
  if (values.json) console.log(JSON.stringify({ ...result, missing }))
  else printCampaign(result, performance.now() - started)
  if (!values.json) for (const state of missing) console.log(`✖ never reached: ${state}`)
  return result.failures.length === 0 && missing.length === 0
}

const ok =
  values.seeds === undefined ? await replay(number('seed', 0)) : await campaign(number('seed', 0), number('seeds', 1))
process.exitCode = ok ? 0 : 1
