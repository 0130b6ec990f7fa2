import { type Carrier, type CarrierListener, DEFAULT_BUS_LIMITS } from '../../bus/index.ts'
import { DEFAULT_OBJECT_LIMITS, type ObjectClient, type ObjectServer } from '../../component/index.ts'
import { MUX_LIMITS, type MuxInspect } from '../../mux/index.ts'
import { DEFAULT_RPC_LIMITS, type RpcClient, type RpcLimits, type RpcServer } from '../../rpc/index.ts'
import type { SimNode } from './node.ts'
import type { Report } from './report.ts'
import { RPC_CLIENT_LIMITS, RPC_SERVER_LIMITS } from './rpc-echo.ts'
import type { Owner, Scheduler } from './scheduler.ts'
import type { SimLink } from './sim-link.ts'

/** What the carriers show of themselves. */
type CarrierInspect =
  | { readonly kind: 'mux'; readonly unclaimed: number; readonly mux: MuxInspect }
  | { readonly kind: 'dialled'; readonly streams: number }
  | { readonly kind: 'accepted'; readonly streams: number; readonly unclaimed: number; readonly awaited: number }

/** What either side of a session shows of itself. */
interface SessionInspect {
  readonly channels: readonly unknown[]
  /** Of the other side, on the bus. */
  readonly offers?: number
  readonly backlog: number
}

/** Window of a new stream, `bytes`. Fixed by the protocol. */
const INITIAL_WINDOW = 262_144
/** Links that may have said nothing yet, as in the listener. */
const MAX_UNDECIDED = 256
/** Most `bytes` above the limit of a queue: the write that filled it. The workload's largest is a message of 60,000. */
const QUEUE_SLACK = 65_536
/** The same for the link: one frame with its header, and a slab of small ones. */
const LINK_SLACK = 65_536 + 16_384
/** The same for a link that somebody passes on to: the chunk that filled it, as large as the largest window of a link, and the control messages. */
const RELAY_SLACK = 262_144 + QUEUE_SLACK + LINK_SLACK
/** Channels of a session are counted by each side for itself: those that are refused may still be there (our choice). */
const REFUSED = 32

/** What of one process is looked at. */
interface Held {
  readonly name: string
  /** What is above its limit; `undefined` when nothing is. */
  readonly fault: () => string | undefined
}

/** I7, after every step for whoever has moved in it: nobody holds more than was promised, and nobody was sent more than he allowed. */
export class MemoryCheck {
  readonly #scheduler: Scheduler
  readonly #report: Report
  readonly #held = new Map<Owner, Set<Held>>()

  constructor(scheduler: Scheduler, report: Report) {
    this.#scheduler = scheduler
    this.#report = report
  }

  step(): void {
    const { moved } = this.#scheduler
    for (const node of moved) {
      const all = node.alive ? this.#held.get(node) : undefined
      if (all === undefined) continue
      for (const { name, fault } of all) {
        const found = fault()
        if (found !== undefined) this.#report.fail('I7', `${name}: ${found}`)
      }
    }
    moved.clear()
  }

  /** Either side of a session, on either carrier. */
  carrier(name: string, node: SimNode, carrier: Carrier): void {
    this.#watch(name, node, carrier.closed, () => carrierFault(carrier.inspect() as CarrierInspect))
  }

  session(name: string, node: SimNode, session: { readonly closed: Promise<unknown>; inspect(): unknown }): void {
    this.#watch(name, node, session.closed, () => sessionFault(session.inspect() as SessionInspect))
  }

  /** For as long as the process is there. */
  listener(name: string, node: SimNode, listener: CarrierListener): void {
    this.#watch(name, node, undefined, () =>
      over('links that say nothing', listener.inspect().undecided, MAX_UNDECIDED),
    )
  }

  /** A link to which somebody passes on what comes in on others: he must not take more than it takes. */
  relayed(name: string, node: SimNode, link: SimLink): void {
    this.#watch(name, node, link.closed, () => over('bytes under way', link.inFlight, link.window + RELAY_SLACK))
  }

  association(node: SimNode, side: RpcClient | RpcServer): void {
    const limits = { ...DEFAULT_RPC_LIMITS, ...('shutdown' in side ? RPC_SERVER_LIMITS : RPC_CLIENT_LIMITS) }
    this.#watch(`association of ${node.name}`, node, side.closed, () => rpcFault(side.inspect(), limits))
  }

  /** The objects of a pipe, on either side of it. */
  component(name: string, node: SimNode, side: ObjectServer | ObjectClient): void {
    this.#watch(`${name} of ${node.name}`, node, side.closed, () => {
      const view = side.inspect()
      const fault = over('objects', view.objects, DEFAULT_OBJECT_LIMITS.objects)
      return fault ?? rpcFault(view.rpc, DEFAULT_RPC_LIMITS)
    })
  }

  #watch(name: string, node: SimNode, closed: Promise<unknown> | undefined, fault: Held['fault']): void {
    let all = this.#held.get(node)
    if (all === undefined) this.#held.set(node, (all = new Set()))
    const held = { name, fault }
    all.add(held)
    void closed?.then(() => all.delete(held))
  }
}

function over(what: string, held: number, limit: number): string | undefined {
  return held > limit ? `${held} ${what}, and ${limit} may be` : undefined
}

function carrierFault(found: CarrierInspect): string | undefined {
  const { channels } = DEFAULT_BUS_LIMITS
  if (found.kind === 'dialled') return over('streams', found.streams, channels + REFUSED)
  const unclaimed = over('streams that nothing was said about', found.unclaimed, channels)
  if (found.kind === 'mux') return unclaimed ?? muxFault(found.mux)
  const { streams, awaited } = found
  return unclaimed ?? over('streams', streams, channels) ?? over('awaited streams', awaited, channels + REFUSED)
}

function sessionFault({ channels, offers = 0, backlog }: SessionInspect): string | undefined {
  const limits = DEFAULT_BUS_LIMITS
  const fault = over('channels', channels.length, limits.channels) ?? over('offers', offers, limits.offers)
  return fault ?? over('bytes of control messages', backlog, limits.controlBacklog)
}

function rpcFault(
  { calls, memory }: ReturnType<RpcClient['inspect'] | RpcServer['inspect']>,
  limits: RpcLimits,
): string | undefined {
  const busy = 'running' in calls ? calls.running : calls.pending
  const held = over('bytes of a PDU', memory.partial, limits.fragment)
  const whole = held ?? over('bytes of fragments', memory.reassembly, limits.reassembly)
  // What was running when the server stopped to read is answered all the same.
  const answers = limits.unsent + limits.calls * (limits.response + limits.fragment)
  const queued = 'running' in calls ? over('bytes of unread answers', memory.unsent, answers) : undefined
  return whole ?? queued ?? over('calls', busy, limits.calls)
}

function muxFault(mux: MuxInspect): string | undefined {
  if (mux.control > MUX_LIMITS.control) return `${mux.control} control frames wait`
  if (mux.unsettled > MUX_LIMITS.linkQueue + LINK_SLACK) return `${mux.unsettled} bytes wait for the link`
  let grown = 0
  for (const { id, unread, receiveCredit, receiveWindow, queued } of mux.streams) {
    grown += receiveWindow - INITIAL_WINDOW
    if (unread + receiveCredit > receiveWindow) {
      return `stream ${id} holds ${unread} unread bytes, with ${receiveCredit} still allowed of ${receiveWindow}`
    }
    if (queued > MUX_LIMITS.sendQueue + QUEUE_SLACK) return `stream ${id} queues ${queued} bytes`
  }
  if (grown + mux.windowBudget === MUX_LIMITS.windowBudget) return undefined
  return `windows grew by ${grown}, and ${mux.windowBudget} bytes are left for it`
}
