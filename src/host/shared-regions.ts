import type { OwnPlaces, Place, PlaceAllocator } from '../bus/index.ts'
import { BusbarError } from '../errors/index.ts'
import { type Libc, PlaceMedium, type RingPoller, SharedMemory, type SharedPlace } from '../transport/index.ts'

/** Who shares memory. */
export interface Sharing {
  /** Machines that policy lets share some with each other. */
  readonly direct: readonly (readonly [string, string])[]
  /** Machines that share some with the bus. */
  readonly withBus: readonly string[]
}

/** A place that a channel has, and who may have it mapped still. */
interface Held {
  readonly place: SharedPlace
  readonly holders: Set<string>
}

interface Region {
  readonly sharers: readonly [string, string]
  /** Made when the first machine of the two starts. */
  memory: SharedMemory | undefined
  readonly held: Set<Held>
  /** How often one of the two had to wake the other: while both look at their rings, never. */
  bells: number
}

/** Stands for the bus among those who share: no partition is called so. */
const BUS = ''

/**
 * The memory that machines share: one region for each pair that policy lets share some, which no third machine gets, and one for each machine and the
 * bus. It is made when the first of the two starts, and is the same until the bus closes: QEMU cannot be given another.
 */
export class SharedRegions implements PlaceAllocator {
  readonly #libc: Libc | BusbarError
  readonly #bytes: number | undefined
  readonly #regions: readonly Region[]
  #failure: BusbarError | undefined

  /** `libc`: what makes memory, or why there is none. `bytes`: how much in one region. */
  constructor({ direct, withBus }: Sharing, libc: Libc | BusbarError, bytes?: number) {
    this.#libc = libc
    this.#bytes = bytes
    const shared = [...direct, ...withBus.map((machine) => [BUS, machine] as const)]
    this.#regions = shared.map((sharers) => ({ sharers, memory: undefined, held: new Set(), bells: 0 }))
  }

  /**
   * What a machine that starts now inherits, in the order of its regions. Empty where it shares memory with nobody, or none can be had: then its
   * channels are streams.
   */
  of(machine: string): readonly SharedMemory[] {
    if (this.#libc instanceof BusbarError) return []
    const libc = this.#libc
    try {
      return this.#with(machine).map((region) => (region.memory ??= new SharedMemory(libc, this.#bytes)))
    } catch (thrown) {
      this.#failure = BusbarError.from(thrown)
      return []
    }
  }

  allocate(caller: string, service: string): Place {
    return this.#allocate(caller, service, `"${caller}" and "${service}" did not share memory when they started`)
  }

  /** What makes the bus an end of rings; absent where no machine shares memory with it, or there is none to map. */
  withBus(poller: RingPoller): OwnPlaces | undefined {
    if (this.#libc instanceof BusbarError || this.#with(BUS).length === 0) return undefined
    const pathOf = (region: number): string => `/proc/self/fd/${this.#with(BUS)[region]?.memory?.fd}`
    return {
      medium: new PlaceMedium(this.#libc, poller, pathOf),
      allocate: (machine) => this.#allocate(BUS, machine, `"${machine}" shared no memory with the bus when it started`),
    }
  }

  /** A machine has stopped: nothing of it has any memory any more. */
  stopped(machine: string): void {
    for (const region of this.#with(machine)) {
      for (const held of region.held) this.#released(region, held, machine)
    }
  }

  inspect(): { direct: readonly object[]; withBus: readonly object[] } {
    const shown = ({ memory, held, bells }: Region): object => ({ ...memory?.inspect(), inUse: held.size, bells })
    const direct = this.#regions.filter(({ sharers }) => !sharers.includes(BUS))
    return {
      direct: direct.map((region) => ({ machines: region.sharers, ...shown(region) })),
      withBus: this.#with(BUS).map((region) => ({ machine: region.sharers[1], ...shown(region) })),
    }
  }

  close(): void {
    for (const { memory } of this.#regions) memory?.close()
  }

  #allocate(caller: string, service: string, none: string): Place {
    const region = this.#regions.find(({ sharers }) => sharers.includes(caller) && sharers.includes(service))
    if (region === undefined || caller === service) throw new BusbarError('UNAVAILABLE', none)
    if (this.#libc instanceof BusbarError) throw this.#libc
    const { memory } = region
    if (memory === undefined) {
      throw this.#failure ?? new BusbarError('UNAVAILABLE', 'the memory of these machines was not made')
    }
    const place = memory.take()
    const held: Held = { place, holders: new Set([caller, service]) }
    region.held.add(held)
    const grant = (sharer: string, side: 0 | 1): Place['grants'][0] => {
      return { region: this.#with(sharer).indexOf(region), ...place, side }
    }
    return {
      grants: [grant(caller, 0), grant(service, 1)],
      rang: () => void region.bells++,
      released: (side) => this.#released(region, held, side === 0 ? caller : service),
    }
  }

  /** In the order of their numbers: those with the bus last. */
  #with(sharer: string): readonly Region[] {
    return this.#regions.filter(({ sharers }) => sharers.includes(sharer))
  }

  /** What one of the two still has is not given to others: he might write there in the middle of their bytes. */
  #released(region: Region, held: Held, sharer: string): void {
    held.holders.delete(sharer)
    if (held.holders.size > 0 || !region.held.delete(held)) return
    region.memory?.giveBack(held.place)
  }
}
