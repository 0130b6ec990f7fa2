import { drawPlan, type Op, type Plan } from './plan.ts'
import { SimRandom } from './random.ts'
import type { Violation } from './report.ts'
import { type RunOptions, runSeed } from './run.ts'

/** What one seed showed of I6. */
export interface ApartResult {
  readonly seed: number
  /** The partition that everything happens to. */
  readonly victim: string
  /** Ops between the others that were compared. */
  readonly compared: number
  /** Ops that happen to the victim alone. */
  readonly faults: number
  readonly violations: readonly Violation[]
}

/** A plan where things happen to one partition only, and what of it does not concern that one. */
interface ApartPlan {
  readonly plan: Plan
  readonly victim: string
  readonly others: ReadonlySet<Op>
  readonly faults: ReadonlySet<Op>
}

/**
 * I6: runs a seed once with faults on one partition only and once without, and compares what comes of everything between the others: it must be
 * the same. What the clock decides (deadlines, cancels, closes at a moment, refusals by whim) is left out of what they do.
 */
export async function runApart(seed: number, options: RunOptions = {}): Promise<ApartResult> {
  const { plan, victim, others, faults } = drawApart(seed)
  const calm = await runSeed(seed, { ...options, plan: { ...plan, ops: plan.ops.filter((op) => !faults.has(op)) } })
  const stormy = await runSeed(seed, { ...options, plan })
  const violations = [...calm.violations, ...stormy.violations]
  for (const op of violations.length > 0 ? [] : others) {
    const [before, after] = [calm, stormy].map(({ payloads }) => payloads.get(op)?.join('; ') ?? 'nothing')
    if (before === after && before !== 'nothing') continue
    const message = `what happens to ${victim} changes what comes of ${op.kind} at ${op.at}: ${before}, then ${after}`
    violations.push({ invariant: 'I6', message, step: stormy.steps, at: op.at })
  }
  return { seed, victim, compared: others.size, faults: faults.size, violations }
}

function drawApart(seed: number): ApartPlan {
  const random = new SimRandom(`seed ${seed}`).fork('apart')
  const drawn = drawPlan(seed, random)
  const programs = drawn.machines.flatMap(({ name, programs: count }) => Array.from({ length: count }, () => name))
  // A hostile one does its worst as well.
  const machine = drawn.machines.length - 1
  const victim = drawn.machines[machine]?.name ?? ''
  const isVictim = (program: number): boolean => programs[program] === victim
  const others = new Set<Op>()
  const faults = new Set<Op>()
  for (const op of drawn.ops) {
    if (op.kind === 'open' || op.kind === 'call' || op.kind === 'objects') {
      if (isVictim(op.from) || isVictim(op.to)) faults.add(op)
      else others.add(untimed(op))
    } else if ('machine' in op) faults.add({ ...op, machine })
    else if ('program' in op) faults.add({ ...op, program: programs.lastIndexOf(victim) })
  }
  const ops = [...others, ...faults].toSorted((a, b) => a.at - b.at)
  return { plan: { ...drawn, ops, channels: 200, moody: false }, victim, others, faults }
}

type Working = Extract<Op, { kind: 'open' | 'call' | 'objects' }>

/** The same without what depends on how long things take. */
function untimed(op: Working): Working {
  const always = { wait: true }
  switch (op.kind) {
    case 'open': {
      const { deadline: _deadline, cancelAfter: _cancel, ...rest } = op
      return { ...rest, ...always, client: whole(op.client), server: whole(op.server) }
    }
    case 'call': {
      const { closeAfter: _close, ...rest } = op
      return { ...rest, ...always, calls: op.calls.map(patient) }
    }
    case 'objects': {
      const { closeAfter: _close, ...rest } = op
      return { ...rest, ...always, lingers: true, steps: op.steps.map(patient) }
    }
    default:
      return op satisfies never
  }
}

function whole<T extends { readonly closeAfter?: number }>(side: T): Omit<T, 'closeAfter'> & { finish: 'end' } {
  const { closeAfter: _close, ...rest } = side
  return { ...rest, finish: 'end' }
}

function patient<T extends { readonly deadline?: number; readonly cancelAfter?: number }>(
  call: T,
): Omit<T, 'deadline' | 'cancelAfter'> {
  const { deadline: _deadline, cancelAfter: _cancel, ...rest } = call
  return rest
}
