import { BusbarError } from '../errors/index.ts'
import type { Messages } from './messages.ts'
import { type JoinedEnd, type RingSignals, useOrNot } from './rings.ts'

/** Where the memory for the rings of a channel is, as `offerPlace` says it to one end. */
export type PlaceGrant = Omit<Messages['offerPlace'], 'channelId'>

/** A place in memory that two machines share, for the rings of one channel. It is free again when neither end has it. */
export interface Place {
  /** What each end is told: they number their regions by themselves. */
  readonly grants: readonly [caller: PlaceGrant, service: PlaceGrant]
  /** One end had to wake the other. */
  rang(): void
  /** That end does not have it mapped any more. Idempotent. */
  released(side: 0 | 1): void
}

/** Memory that pairs of machines share. */
export interface PlaceAllocator {
  /** Throws `UNAVAILABLE` when these two share none, `BUSY` when all of it is in use. */
  allocate(caller: string, service: string): Place
}

/**
 * Brings a pipe between two machines that is open over to rings in memory that only those two share, as `raiseToRings` does for processes.
 * Settles with the reason when there are none, never rejects.
 */
export async function raiseToPlaces(
  caller: JoinedEnd,
  service: JoinedEnd,
  allocator: PlaceAllocator,
  allowed: () => boolean,
): Promise<BusbarError | undefined> {
  const without = [caller, service].find(({ session }) => !session.hasPlaces)
  if (without !== undefined) {
    return new BusbarError('UNAVAILABLE', `partition "${without.session.partition}" has no memory to share`)
  }
  let place: Place
  try {
    place = allocator.allocate(caller.session.partition, service.session.partition)
  } catch (thrown) {
    return BusbarError.from(thrown)
  }
  // What one end says is for the other: to whoever is there, that it has been rung for.
  const signals = (side: 0 | 1, other: JoinedEnd): RingSignals => ({
    ring: () => {
      place.rang()
      other.session.rang(other.channel)
    },
    released: () => place.released(side),
  })
  const answers = await Promise.allSettled([
    caller.session.offerPlace(caller.channel, place.grants[0], signals(0, service)),
    service.session.offerPlace(service.channel, place.grants[1], signals(1, caller)),
  ])
  return useOrNot(caller, service, answers, allowed)
}
