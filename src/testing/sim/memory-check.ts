import { MUX_LIMITS, type MuxInspect } from '../../mux/index.ts'
import type { World } from './world.ts'

/** What `MuxCarrier.inspect` gives. */
interface CarrierInspect {
  readonly unclaimed: number
  readonly mux: MuxInspect
}

/** Most `bytes` that one stream may hold beside its window: a send queue, and the write that filled it. */
const QUEUE_SLACK = 65_536

/** I7, one session a step in turn: nobody holds more than was promised, and nobody was sent more than he allowed. */
export class MemoryCheck {
  readonly #world: World
  #turn = 0

  constructor(world: World) {
    this.#world = world
  }

  step(): void {
    const { muxes } = this.#world.wiring
    const observed = muxes[this.#turn++ % Math.max(1, muxes.length)]
    if (observed === undefined || !observed.node.alive) return
    const { mux, unclaimed } = observed.carrier.inspect() as CarrierInspect
    const { report } = this.#world
    const about = (text: string): string => `${observed.name}: ${text}`
    report.check(unclaimed <= 32, 'I7', () => about(`${unclaimed} streams that nothing was said about`))
    report.check(mux.control <= MUX_LIMITS.control, 'I7', () => about(`${mux.control} control frames wait`))
    report.check(mux.unsettled <= MUX_LIMITS.linkQueue + QUEUE_SLACK + 16_384, 'I7', () =>
      about(`${mux.unsettled} bytes wait for the link`),
    )
    let grown = 0
    for (const stream of mux.streams) {
      grown += stream.receiveWindow - 262_144
      report.check(stream.unread + stream.receiveCredit <= stream.receiveWindow, 'I7', () => {
        return about(
          `stream ${stream.id} holds ${stream.unread} unread bytes, with ${stream.receiveCredit} still allowed of ${stream.receiveWindow}`,
        )
      })
      report.check(stream.queued <= MUX_LIMITS.sendQueue + QUEUE_SLACK, 'I7', () =>
        about(`stream ${stream.id} queues ${stream.queued} bytes`),
      )
    }
    report.check(grown + mux.windowBudget === MUX_LIMITS.windowBudget, 'I7', () =>
      about(`windows grew by ${grown}, ${mux.windowBudget} are left`),
    )
  }
}
