import type { Violation } from './report.ts'
import { type RunOptions, runSeed } from './run.ts'
import { SOMETIMES, type SometimesState } from './sometimes.ts'

/** A seed that broke a rule. */
export interface Failure {
  readonly seed: number
  readonly violation: Violation
}

/** What many seeds found. Plain data, so that several processes can share the work. */
export interface CampaignResult {
  readonly seeds: number
  readonly steps: number
  /** Virtual `ms`, of all seeds together. */
  readonly time: number
  readonly failures: readonly Failure[]
  /** How many seeds reached each state. */
  readonly reached: Readonly<Record<string, number>>
}

export const NO_SEEDS: CampaignResult = { seeds: 0, steps: 0, time: 0, failures: [], reached: {} }

/** Runs seeds one after the other, each twice: a second run that differs from the first breaks I16. */
export async function runSeeds(first: number, count: number, options: RunOptions = {}): Promise<CampaignResult> {
  let result = NO_SEEDS
  for (let seed = first; seed < first + count; seed++) {
    const run = await runSeed(seed, options)
    const again = await runSeed(seed, options)
    const [violation] = [...run.violations, ...differs(run.hash, again.hash, run.steps)]
    result = addResults(result, {
      seeds: 1,
      steps: run.steps,
      time: run.time,
      failures: violation === undefined ? [] : [{ seed, violation }],
      reached: Object.fromEntries(run.reached.map((state) => [state, 1])),
    })
  }
  return result
}

function differs(hash: string, again: string, step: number): Violation[] {
  if (hash === again) return []
  return [{ invariant: 'I16', message: `the same seed gave trace ${hash} and then ${again}`, step, at: 0 }]
}

export function addResults(a: CampaignResult, b: CampaignResult): CampaignResult {
  const reached: Record<string, number> = { ...a.reached }
  for (const [state, count] of Object.entries(b.reached)) reached[state] = (reached[state] ?? 0) + count
  return {
    seeds: a.seeds + b.seeds,
    steps: a.steps + b.steps,
    time: a.time + b.time,
    failures: [...a.failures, ...b.failures],
    reached,
  }
}

/** States that no seed reached. */
export function neverReached({ reached }: CampaignResult): SometimesState[] {
  return SOMETIMES.filter((state) => (reached[state] ?? 0) === 0)
}
