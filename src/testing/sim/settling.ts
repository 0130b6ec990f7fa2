import type { MuxInspect } from '../../mux/index.ts'
import { checkObjectsGone } from './objects/check.ts'
import type { Report } from './report.ts'
import type { World } from './world.ts'

/**
 * Virtual `ms` within which everything must end once the faults are over (I12): every deadline, several times over, and the
 * longest that a server waits for what a client has begun, which is twice `unfinished`.
 */
export const SETTLE_TIME = 180_000

/** What the broker's `inspect` gives, as far as it is looked at. */
interface BrokerInspect {
  readonly partitions: readonly {
    readonly name: string
    readonly session: { readonly channels: readonly unknown[]; readonly offers: number } | undefined
  }[]
  readonly pipes: readonly unknown[]
}

/** I9 while the sessions stand: with no pipe open, nothing of a pipe is left anywhere. */
export function checkQuiet(world: World): void {
  const { report, wiring } = world
  if (wiring.broker === undefined) return report.fail('I12', 'the bus did not come back')
  const { partitions, pipes } = wiring.broker.inspect() as BrokerInspect
  report.check(pipes.length === 0, 'I9', () => `the bus still joins ${JSON.stringify(pipes)}`)
  for (const { name, session } of partitions) {
    const channels = session?.channels ?? []
    report.check(channels.length === 0, 'I9', () => `the bus holds channels of ${name}: ${JSON.stringify(channels)}`)
  }
  for (const { endpoint, node } of world.programs) {
    const { channels } = (endpoint?.inspect() ?? { channels: [] }) as { channels: unknown[] }
    report.check(channels.length === 0, 'I9', () => `${node.name} holds channels: ${JSON.stringify(channels)}`)
  }
  for (const [node, system] of world.systems) {
    if (!node.alive) continue
    const { pipes: joined, programs } = system.inspect() as { pipes: number; programs: { channels: unknown[] }[] }
    const channels = programs.reduce((sum, program) => sum + program.channels.length, 0)
    report.check(
      joined === 0 && channels === 0,
      'I9',
      () => `${node.name} still joins ${joined} pipes, ${channels} channels`,
    )
  }
  checkCalls(world)
  checkAssociations(world)
  checkObjectsGone(world.objects)
  for (const { name, node, carrier } of wiring.muxes) {
    if (!node.alive) continue
    const { mux } = carrier.inspect() as { mux: MuxInspect }
    const left = mux.streams.filter(({ id }) => id !== 1)
    report.check(left.length === 0, 'I9', () => `${name} holds streams: ${JSON.stringify(left)}`)
  }
  const { left = 0 } = wiring.rings ?? {}
  report.check(left === 0, 'I9', () => `the memory of ${left} pairs of rings is left`)
  checkTimers(world, report)
}

/** I8 and I9 for calls: every pipe is over, so nobody holds an object, and no component works for anybody. */
function checkCalls({ report, desks, clients, calls }: World): void {
  for (const { server, node, id } of desks) {
    if (!node.alive) continue
    const { objects, streams, rpc } = server.inspect()
    const left = objects + streams + rpc.calls.running
    report.check(
      left === 0,
      'I8',
      () => `${node.name} still serves ${objects} objects, ${streams} streams, ${rpc.calls.running} calls`,
    )
    report.check(
      calls.alive(id) === 0,
      'I8',
      () => `${calls.alive(id)} objects of session ${id} in ${node.name} were not disposed of`,
    )
  }
  for (const { client, node } of clients) {
    if (!node.alive) continue
    const { references, rpc } = client.inspect()
    const left = references + rpc.calls.pending + rpc.calls.queued
    report.check(
      left === 0,
      'I8',
      () => `${node.name} still holds ${references} references, ${rpc.calls.pending} calls`,
    )
  }
}

/** I9 for plain RPC: nothing of an association is left, and no group of one. */
function checkAssociations({ report, associations, callerGroups }: World): void {
  for (const { side, node } of associations) {
    if (!node.alive) continue
    const view = side.inspect()
    const { calls, memory } = view
    const counts = 'running' in calls ? [calls.running] : [calls.pending, calls.queued, calls.cancelled]
    const left = [...counts, memory.unsent, memory.partial, 'running' in calls ? 0 : memory.reassembly]
    report.check(
      left.every((count) => count === 0) && view.state === 'closed',
      'I9',
      () => `${node.name} still holds ${JSON.stringify(view)}`,
    )
  }
  for (const { groups, node } of callerGroups.values()) {
    if (!node.alive) continue
    report.check(
      groups.size === 0 && groups.held === 0,
      'I9',
      () => `${node.name} still holds ${groups.size} association groups and ${groups.held} bytes of requests`,
    )
  }
}

/** I9 when all is over: no timer, no link, nothing that waits. */
export function checkEmpty(world: World): void {
  const { report, network } = world
  checkTimers(world, report)
  const open = network.open().map(([a, b]) => `${a.node.name} to ${b.node.name}`)
  report.check(open.length === 0, 'I9', () => `links are left: ${open.join(', ')}`)
  const waiting = [...world.tasks.pending(), ...world.lives.pending()]
  report.check(waiting.length === 0, 'I12', () => `nothing will happen any more, but these wait: ${waiting.join(', ')}`)
}

function checkTimers(world: World, report: Report): void {
  for (const node of world.network.living()) {
    report.check(node.timers === 0, 'I9', () => `${node.name} left ${node.timers} timers`)
  }
}
