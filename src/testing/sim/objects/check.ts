import type { Report } from '../report.ts'
import type { EndView, PipeEnd } from './model.ts'
import type { ObjectTable } from './table.ts'

/** The component that was activated, which is held for as long as the pipe is there. */
const ROOT = 'sim.Hub'

/** I8, one pipe a step in turn: what one side counts as given is what the other holds, and what is on its way. */
export class ObjectCheck {
  readonly #table: ObjectTable
  #turn = 0

  constructor(table: ObjectTable) {
    this.#table = table
  }

  step(): void {
    const table = this.#table
    table.audited()
    const { ends } = table
    if (ends.length === 0) return
    for (const at of [ends.length - 1, this.#turn++ % ends.length]) {
      const end = ends[at] as PipeEnd
      if (end.role === 'client' && end.other !== undefined && !end.broken) this.#compare(end, end.other)
    }
  }

  #compare(near: PipeEnd, far: PipeEnd): void {
    const { report } = this.#table
    const [here, there] = [near.view(), far.view()]
    const quiet = near.busy + far.busy === 0 && isQuiet(here) && isQuiet(there)
    compareCounts(report, near, here, far, there, quiet)
    compareCounts(report, far, there, near, here, quiet)
  }
}

/** What the contracts of streams are called: after their methods. */
const STREAMS = 'sim.Thing.'

/** IRemUnknown, whose calls release references. */
const COUNTING = '00000131-0000-0000-c000-000000000046'

/** Nothing is on its way from this end: a release that waits until it may call IRemUnknown is no call yet. */
function isQuiet({ calling, serving }: EndView): boolean {
  if (calling?.contexts.some((context) => context.interface.startsWith(COUNTING)) === false) return false
  const { pending = 0, queued = 0, cancelled = 0 } = calling?.calls ?? {}
  return pending + queued + cancelled + (serving?.calls.running ?? 0) === 0
}

function compareCounts(
  report: Report,
  owner: PipeEnd,
  { exports }: EndView,
  user: PipeEnd,
  { imports }: EndView,
  quiet: boolean,
): void {
  for (const contract of new Set([...Object.keys(exports), ...Object.keys(imports)])) {
    const given = exports[contract]?.references ?? 0
    const held = imports[contract] ?? 0
    const known = user.holder.heldOn(user, contract)
    const names = (): string => `${owner.holder.node.name} to ${user.holder.node.name}: ${contract}`
    // A stream that was lent is over with its call, on each side when it hears of that.
    const loose = given > held || contract.startsWith(STREAMS)
    report.check(given === held || (loose && !quiet), 'I8', () => {
      return `${names()} was given ${given} times and is held ${held} times${quiet ? ', and nothing is on its way' : ''}`
    })
    report.check(held >= known, 'I8', () => `${names()} is held ${known} times and counted ${held} times`)
  }
}

/** I8: everybody released everything, and the pipes stand: nothing is left but what was activated. */
export function checkReleased({ report, ends }: ObjectTable): void {
  for (const end of ends) {
    if (end.broken || end.other === undefined) continue
    const { exports, imports } = end.view()
    const left = [...Object.keys(exports), ...Object.keys(imports)].filter((contract) => contract !== ROOT)
    report.check(left.length === 0, 'I8', () => {
      return `all is released, and ${end.holder.node.name} has ${JSON.stringify({ exports, imports })}`
    })
    if (end.other.view().exports['sim.Hub'] !== undefined) report.sometimes('all was released while pipes stood')
  }
}

/** I8 and I9: every pipe is over. */
export function checkObjectsGone({ report, ends, holders, things, streams }: ObjectTable): void {
  for (const { holder, view } of ends) {
    if (!holder.node.alive) continue
    const { exports, imports, calling, serving } = view()
    const { pending = 0, queued = 0 } = calling?.calls ?? {}
    const left = Object.keys(exports).length + Object.keys(imports).length
    const busy = pending + queued + (serving?.calls.running ?? 0)
    report.check(left + busy === 0, 'I8', () => {
      return `${holder.node.name} has ${JSON.stringify({ exports, imports })} and ${busy} calls of a pipe that is over`
    })
  }
  for (const { node, returns } of holders) {
    report.check(returns.waiting === 0, 'I9', () => `${node.name} waits for ${returns.waiting} return channels`)
  }
  for (const { id, home, asked, over } of streams) {
    report.check(
      over || !asked || !home.node.alive,
      'I9',
      () => `nobody told the producer of stream ${id} that it is over`,
    )
  }
  for (const { id, home, pure, disposed } of things) {
    if (!home.node.alive || !pure) continue
    report.check(disposed === 1, 'I8', () => `object ${id} was disposed of ${disposed} times, and nobody holds it`)
  }
}
