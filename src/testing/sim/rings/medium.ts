import type { RaisableLink, RingAllocator, RingGrant, RingMedium, RingMemory } from '../../../bus/index.ts'
import { BusbarError } from '../../../errors/index.ts'
import type { Awaitable, ByteLink } from '../../../link/index.ts'
import { RingStream } from '../../../transport/index.ts'
import type { SimNode } from '../node.ts'
import type { SimRandom } from '../random.ts'
import { SimPoller } from './poller.ts'
import { type RegionWorld, SimRegion } from './region.ts'

/** How often there is no memory, or a process cannot map it. */
const REFUSALS = 0.08

/** All memory for rings of a run. */
export class SimRings {
  readonly #world: RegionWorld
  readonly #random: SimRandom
  readonly #all: SimRegion[] = []
  #live: SimRegion[] = []
  #turn = 0

  constructor(world: RegionWorld) {
    this.#world = world
    this.#random = world.random
  }

  /** What the bus makes rings with. */
  allocator(bus: SimNode): RingAllocator {
    return { allocate: () => this.#allocate(bus) }
  }

  /** What a process maps them with. */
  medium(node: SimNode): RingMedium {
    const { scheduler } = this.#world
    const poller = new SimPoller(node, scheduler, this.#random.fork(`poller ${node.id}`))
    return { wrap: (stream) => new SimRingStream(stream, this, node, poller) }
  }

  map({ memory, side, key }: RingGrant, node: SimNode, stream: RingStream, poller: SimPoller): Awaitable<void> {
    const { report, scheduler } = this.#world
    const region = this.#all[memory]
    if (region === undefined || (side !== 0 && side !== 1)) throw new BusbarError('MALFORMED', 'no such memory')
    if (this.#random.chance(REFUSALS)) {
      report.sometimes('one end could not map the memory of rings')
      throw new BusbarError('UNAVAILABLE', 'as planned')
    }
    const take = (): void => stream.prepare(region.map(side, key, node, stream, poller))
    if (this.#random.chance(0.7)) return take()
    return new Promise((resolve) => {
      scheduler.after(this.#random.below(20), node, 'maps rings', () => {
        take()
        resolve()
      })
    })
  }

  /** I13 and I17. */
  step(): void {
    const live = this.#live
    if (live.length === 0) return
    if (++this.#turn % 64 === 0) this.#live = live.filter((region) => region.held)
    for (const region of live) region.check()
  }

  endedInOrder(): void {
    this.#world.report.sometimes('a pipe ended in order on rings')
  }

  /** I9: memory that somebody holds, when all pipes are over. */
  get left(): number {
    return this.#all.filter((region) => region.held).length
  }

  #allocate(bus: SimNode): RingMemory {
    const { report } = this.#world
    if (this.#random.chance(REFUSALS)) {
      report.sometimes('there was no memory for rings')
      throw new BusbarError('LIMIT', 'as planned')
    }
    const id = this.#all.length
    const size = this.#random.pick([4096, 4096, 16_384, 65_536])
    const key = this.#random.fill(new Uint8Array(16))
    const region = new SimRegion(id, size, key, bus, this.#world)
    this.#all.push(region)
    this.#live.push(region)
    return {
      grant: { process: bus.id, memory: id, callerBell: 0, serviceBell: 1, key },
      release: () => {
        region.kept = false
      },
    }
  }
}

/** The stream that ships, on memory of the simulation. */
class SimRingStream extends RingStream implements RaisableLink {
  readonly #rings: SimRings
  readonly #node: SimNode
  readonly #poller: SimPoller

  constructor(below: ByteLink, rings: SimRings, node: SimNode, poller: SimPoller) {
    super(below, poller, { unread: 8_192, turn: 8_192 })
    this.#rings = rings
    this.#node = node
    this.#poller = poller
    void this.closed.then((reason) => {
      if (reason === undefined && this.medium === 'ring') rings.endedInOrder()
    })
  }

  take(grant: RingGrant): Awaitable<void> {
    return this.#rings.map(grant, this.#node, this, this.#poller)
  }
}
