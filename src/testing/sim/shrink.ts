import type { Op, Plan } from './plan.ts'
import { type RunOptions, type RunResult, runSeed } from './run.ts'

/** Most runs that shortening may take (our choice: some seconds). */
const MAX_RUNS = 200

/**
 * The shortest plan found that breaks the same rule: whole ranges of ops are left out, then smaller ones, as long as the
 * rule still breaks (delta debugging). The draws of the world come from the seed, so what is left happens much as before.
 */
export async function shrink(failed: RunResult, options: RunOptions = {}): Promise<RunResult> {
  const rule = failed.violations[0]?.invariant
  let best = failed
  let runs = 0
  for (let size = Math.ceil(best.plan.ops.length / 2); size >= 1 && runs < MAX_RUNS; size = Math.floor(size / 2)) {
    for (let at = 0; at < best.plan.ops.length && runs < MAX_RUNS; ) {
      const plan = without(best.plan, at, size)
      runs++
      const result = await runSeed(failed.seed, { ...options, plan })
      if (result.violations[0]?.invariant === rule) best = result
      else at += size
    }
  }
  return best
}

function without(plan: Plan, at: number, count: number): Plan {
  const ops: Op[] = [...plan.ops.slice(0, at), ...plan.ops.slice(at + count)]
  return { ...plan, ops }
}
