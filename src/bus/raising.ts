import { BusbarError } from '../errors/index.ts'
import type { Env } from '../link/index.ts'
import { type OwnPlaces, placeBetween, type PlaceAllocator, raiseToPlace, raiseWithBus } from './places.ts'
import { RaisingTurns } from './raising-turns.ts'
import type { Relay } from './relay.ts'
import { captured, type JoinedEnd, raiseToRings, type RingAllocator } from './rings.ts'

/** What there is to make rings with. */
export interface RaisingMeans {
  readonly rings: RingAllocator | undefined
  readonly places: PlaceAllocator | undefined
  readonly ownPlaces: OwnPlaces | undefined
  readonly env: Env
  /** When a channel that goes over to rings may lose its turn, `ms` after it has got it. */
  readonly turnTime: number
  /** Whether anybody hears what pipes carry: then it must pass the bus. */
  captured(): boolean
}

/** Brings pipes over to rings: from end to end where the ends share memory, else from the bus to each machine that shares some with it. */
export class Raising {
  readonly #means: RaisingMeans
  readonly #turns: RaisingTurns

  constructor(means: RaisingMeans) {
    this.#means = means
    this.#turns = new RaisingTurns(means.env, means.turnTime)
  }

  /** Settles when it is known, and shown by `joined`, what carries the bytes. `direct`: also from machine to machine. */
  async raise(joined: Relay, caller: JoinedEnd, service: JoinedEnd, direct: boolean): Promise<void> {
    const fromEndToEnd = this.#fromEndToEnd(joined, caller, service, direct)
    if (fromEndToEnd === undefined) {
      await this.#withBus(joined, [caller, service])
      if (joined.medium === 'stream') joined.refused ??= this.#whyNone(caller, service)
      return
    }
    joined.refused = await fromEndToEnd
    if (joined.refused !== undefined) return
    joined.medium = 'ring'
    joined.direct = true
  }

  /** Past the bus, if that may be and there is memory for it. */
  #fromEndToEnd(
    joined: Relay,
    caller: JoinedEnd,
    service: JoinedEnd,
    direct: boolean,
  ): Promise<BusbarError | undefined> | undefined {
    const { rings, places } = this.#means
    const allowed = (): boolean => !this.#means.captured()
    if (!allowed()) return undefined
    if (rings !== undefined && caller.session.hasRings && service.session.hasRings) {
      const partitions = [caller.session.partition, service.session.partition]
      return this.#turns.take(partitions, (turn) => raiseToRings(caller, service, rings, allowed, turn))
    }
    if (places === undefined || !direct) return undefined
    try {
      return raiseToPlace(caller, service, placeBetween(caller, service, places), allowed)
    } catch (thrown) {
      joined.refused = BusbarError.from(thrown)
      return undefined
    }
  }

  /** Each machine by itself: the bytes pass the bus, and it may show them to others. */
  async #withBus(joined: Relay, ends: readonly JoinedEnd[]): Promise<void> {
    const { ownPlaces } = this.#means
    const sharing = ends.filter(({ channel }) => channel.raisable !== undefined)
    if (ownPlaces === undefined || sharing.length === 0) return
    const allocate = (machine: string): ReturnType<OwnPlaces['allocate']> => ownPlaces.allocate(machine)
    const answers = await Promise.all(sharing.map((end) => raiseWithBus(end, allocate)))
    const refused = answers.find((answer) => answer !== undefined)
    if (refused === undefined) joined.medium = 'ring'
    joined.refused = refused ?? joined.refused
  }

  /** Why rings were not even tried. Where the bus makes none, whoever runs it knows why. */
  #whyNone(caller: JoinedEnd, service: JoinedEnd): BusbarError | undefined {
    if (this.#means.rings === undefined) return undefined
    const without = [caller, service].find(({ session }) => !session.hasRings)
    if (without === undefined) return captured()
    const { partition } = without.session
    return new BusbarError(
      'UNAVAILABLE',
      `"${partition}" has no rings: it turned them off, has no koffi, or shares no memory with the bus`,
    )
  }
}
