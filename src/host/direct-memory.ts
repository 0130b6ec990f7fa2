import type { Place, PlaceAllocator } from '../bus/index.ts'
import { BusbarError } from '../errors/index.ts'
import { type Libc, SharedMemory, type SharedPlace } from '../transport/index.ts'

/** A place that a channel has, and the machines that may have it mapped still. */
interface Held {
  readonly place: SharedPlace
  readonly holders: Set<string>
}

interface Pair {
  readonly machines: readonly [string, string]
  /** Made when the first of the two starts. */
  memory: SharedMemory | undefined
  readonly held: Set<Held>
  /** How often one of the two had to wake the other: while both look at their rings, never. */
  bells: number
}

/**
 * The memory of the pairs of machines that policy lets share some: one region for each pair, which no third machine gets. It is made when the first
 * of the two starts, and is the same until the bus closes: QEMU cannot be given another.
 */
export class DirectMemory implements PlaceAllocator {
  readonly #libc: Libc | BusbarError
  readonly #pairs: readonly Pair[]
  #failure: BusbarError | undefined

  /** `libc`: what makes memory, or why there is none. */
  constructor(pairs: readonly (readonly [string, string])[], libc: Libc | BusbarError) {
    this.#libc = libc
    this.#pairs = pairs.map((machines) => ({ machines, memory: undefined, held: new Set(), bells: 0 }))
  }

  /**
   * What a machine that starts now inherits, in the order of its regions. Empty where it shares memory with nobody, or none can be had: then its
   * channels go through the bus.
   */
  of(machine: string): readonly SharedMemory[] {
    if (this.#libc instanceof BusbarError) return []
    const libc = this.#libc
    try {
      return this.#with(machine).map((pair) => (pair.memory ??= new SharedMemory(libc)))
    } catch (thrown) {
      this.#failure = BusbarError.from(thrown)
      return []
    }
  }

  allocate(caller: string, service: string): Place {
    const pair = this.#pairs.find(({ machines }) => machines.includes(caller) && machines.includes(service))
    if (pair === undefined || caller === service) {
      throw new BusbarError('UNAVAILABLE', `"${caller}" and "${service}" did not share memory when they started`)
    }
    if (this.#libc instanceof BusbarError) throw this.#libc
    const { memory } = pair
    if (memory === undefined) {
      throw this.#failure ?? new BusbarError('UNAVAILABLE', 'the memory of these machines was not made')
    }
    const place = memory.take()
    const held: Held = { place, holders: new Set([caller, service]) }
    pair.held.add(held)
    const grant = (machine: string, side: 0 | 1): Place['grants'][0] => {
      return { region: this.#with(machine).indexOf(pair), ...place, side }
    }
    return {
      grants: [grant(caller, 0), grant(service, 1)],
      rang: () => void pair.bells++,
      released: (side) => this.#released(pair, held, side === 0 ? caller : service),
    }
  }

  /** A machine has stopped: nothing of it has any memory any more. */
  stopped(machine: string): void {
    for (const pair of this.#with(machine)) for (const held of pair.held) this.#released(pair, held, machine)
  }

  inspect(): unknown {
    return this.#pairs.map(({ machines, memory, held, bells }) => {
      return { machines, ...memory?.inspect(), inUse: held.size, bells }
    })
  }

  close(): void {
    for (const { memory } of this.#pairs) memory?.close()
  }

  #with(machine: string): readonly Pair[] {
    return this.#pairs.filter(({ machines }) => machines.includes(machine))
  }

  /** What one machine still has is not given to others: it might write there in the middle of their bytes. */
  #released(pair: Pair, held: Held, machine: string): void {
    held.holders.delete(machine)
    if (held.holders.size > 0 || !pair.held.delete(held)) return
    pair.memory?.giveBack(held.place)
  }
}
