import { MUX_LIMITS, type MuxInspect } from '../../mux/index.ts'
import { RPC_CLIENT_LIMITS, RPC_SERVER_LIMITS } from './rpc-echo.ts'
import type { World } from './world.ts'

/** What `MuxCarrier.inspect` gives. */
interface CarrierInspect {
  readonly unclaimed: number
  readonly mux: MuxInspect
}

/** Window of a new stream, `bytes`. Fixed by the protocol. */
const INITIAL_WINDOW = 262_144
/** Streams that may wait for their `openChannel`, as in the carrier. */
const MAX_UNCLAIMED = 32
/** Most `bytes` above the limit of a queue: the write that filled it. The workload's largest is a message of 60,000. */
const QUEUE_SLACK = 65_536
/** The same for the link: one frame with its header, and a slab of small ones. */
const LINK_SLACK = 65_536 + 16_384

/** I7, one session a step in turn: nobody holds more than was promised, and nobody was sent more than he allowed. */
export class MemoryCheck {
  readonly #world: World
  #turn = 0

  constructor(world: World) {
    this.#world = world
  }

  step(): void {
    this.#associations()
    const { muxes } = this.#world.wiring
    const observed = muxes[this.#turn++ % Math.max(1, muxes.length)]
    if (observed === undefined || !observed.node.alive) return
    const { mux, unclaimed } = observed.carrier.inspect() as CarrierInspect
    const fault = unclaimed > MAX_UNCLAIMED ? `${unclaimed} streams that nothing was said about` : faultOf(mux)
    if (fault !== undefined) this.#world.report.fail('I7', `${observed.name}: ${fault}`)
  }

  /** The association that began last, and one other in turn. */
  #associations(): void {
    const { associations, report } = this.#world
    const { length } = associations
    if (length === 0) return
    for (const at of [length - 1, this.#turn % length]) {
      const { side, node } = associations[at] as (typeof associations)[number]
      if (!node.alive) continue
      const { calls, memory } = side.inspect()
      const limits = 'running' in calls ? RPC_SERVER_LIMITS : RPC_CLIENT_LIMITS
      const busy = 'running' in calls ? calls.running : calls.pending
      const holds = busy <= limits.calls && memory.reassembly <= limits.reassembly && memory.partial <= limits.fragment
      report.check(holds, 'I7', () => `association of ${node.name}: ${busy} calls, ${JSON.stringify(memory)}`)
    }
  }
}

/** What is above its limit; `undefined` when nothing is. */
function faultOf(mux: MuxInspect): string | undefined {
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
