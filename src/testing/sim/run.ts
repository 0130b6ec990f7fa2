import { checkReleased, ObjectCheck } from './objects/check.ts'
import { drawPlan, type Plan } from './plan.ts'
import type { Plants } from './plants.ts'
import { SimRandom } from './random.ts'
import { Report, type Violation } from './report.ts'
import { Scheduler } from './scheduler.ts'
import { checkEmpty, checkQuiet, SETTLE_TIME } from './settling.ts'
import type { SometimesState } from './sometimes.ts'
import { setTraps } from './traps.ts'
import { World } from './world.ts'

export interface RunOptions {
  /** Keeps a line for everything that happens. */
  trace?: boolean
  /** Runs this instead of what the seed gives: a shortened plan, for instance. */
  plan?: Plan
  /** Bugs on purpose. */
  plants?: Plants
}

/** What one run found. */
export interface RunResult {
  readonly seed: number
  readonly plan: Plan
  /** Equal for equal runs (I16). */
  readonly hash: string
  readonly steps: number
  /** Virtual `ms`. */
  readonly time: number
  readonly violations: readonly Violation[]
  readonly reached: readonly SometimesState[]
  readonly trace: readonly string[]
  /** What came of each op of the plan that is looked at for I6. */
  readonly payloads: ReadonlyMap<object, readonly string[]>
}

/** Steps after which a run is said to go in circles (our choice: fifty times what the longest one takes). */
const MAX_STEPS = 1_000_000

export function planOf(seed: number): Plan {
  return drawPlan(seed, new SimRandom(`seed ${seed}`).fork('plan'))
}

/** Runs the world of one seed to its end, or to the first violation. */
export async function runSeed(seed: number, options: RunOptions = {}): Promise<RunResult> {
  const plan = options.plan ?? planOf(seed)
  const report = new Report(options.trace ?? false)
  const random = new SimRandom(`seed ${seed}`)
  const scheduler = new Scheduler(random.fork('scheduler'), report, plan.stepTime)
  const rejected = (reason: unknown): void => {
    const text = reason instanceof Error ? (reason.stack ?? reason.message) : String(reason)
    report.fail('escape', `a promise was rejected and nobody looks: ${text}`)
  }
  process.on('unhandledRejection', rejected)
  const release = setTraps((name) =>
    report.fail('trap', `${name} was used; clock, timers and randomness come in through Env`),
  )
  try {
    const world = new World(plan, random.fork('world'), scheduler, report, options.plants)
    await play(world, scheduler, report)
    if (report.violations.length > 0) report.lines?.push(`at the end: ${JSON.stringify(world.inspect(), undefined, 1)}`)
  } finally {
    release()
    process.off('unhandledRejection', rejected)
  }
  return {
    seed,
    plan,
    hash: report.hash,
    steps: scheduler.steps,
    time: scheduler.now,
    violations: report.violations,
    reached: [...report.reached],
    trace: report.lines ?? [],
    payloads: report.payloads(),
  }
}

async function play(world: World, scheduler: Scheduler, report: Report): Promise<void> {
  const objects = new ObjectCheck(world.objects)
  /** Steps until `done`, or until nothing is left to happen; false when it took too long or a rule broke. */
  const until = async (done: () => boolean, what: () => string): Promise<boolean> => {
    const limit = scheduler.now + SETTLE_TIME
    while (!done()) {
      const more = await scheduler.step()
      world.memory.step()
      objects.step()
      world.wiring.rings?.step()
      if (report.violations.length > 0) return false
      if (more && scheduler.now <= limit && scheduler.steps <= MAX_STEPS) continue
      if (!more && done()) break
      report.fail('I12', `${more ? 'too late' : 'nothing will happen any more'}: ${what()}`)
      return false
    }
    return true
  }
  const idle = (): boolean => scheduler.pending === 0
  const waiting = (): string => world.tasks.pending().join(', ')
  world.start()
  const phases: (() => Promise<boolean>)[] = [
    () => until(() => scheduler.now >= world.plan.calmAt && world.tasks.idle, waiting),
    () =>
      until(
        () => world.ready,
        () => 'not every partition is attached again',
      ),
    () => until(() => world.tasks.idle && idle(), waiting),
    async () => {
      world.releaseAll()
      return true
    },
    () => until(idle, () => 'references are released without end'),
    async () => {
      checkReleased(world.objects)
      world.part()
      return report.violations.length === 0
    },
    () => until(() => world.tasks.idle && idle(), waiting),
    async () => {
      checkQuiet(world)
      world.end()
      return report.violations.length === 0
    },
    () => until(idle, () => 'the world does not come to rest'),
  ]
  for (const phase of phases) if (!(await phase())) return
  checkEmpty(world)
}
