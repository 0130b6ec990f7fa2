import { BusbarError } from '../errors/index.ts'
import type { Messages } from './messages.ts'
import { type JoinedEnd, reasonOf, type RingMedium, type RingSignals, useOrNot } from './rings.ts'

/** Where the memory for the rings of a channel is, as `offerPlace` says it to one end. */
export type PlaceGrant = Omit<Messages['offerPlace'], 'channelId'>

/** A place in memory that two machines share, or one with the bus, for the rings of one channel. It is free again when neither end has it. */
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

/** Memory that machines share with the bus, which is an end of rings there like any program. */
export interface OwnPlaces {
  /** What maps the bus's own ends. */
  readonly medium: RingMedium
  /** A place whose first end is the bus. Throws `UNAVAILABLE` when that machine shares none, `BUSY` when all of it is in use. */
  allocate(machine: string): Place
}

/** Memory for a pipe between two machines; throws when they have none. */
export function placeBetween(caller: JoinedEnd, service: JoinedEnd, allocator: PlaceAllocator): Place {
  const without = [caller, service].find(({ session }) => !session.hasPlaces)
  if (without !== undefined) {
    throw new BusbarError('UNAVAILABLE', `partition "${without.session.partition}" has no memory to share`)
  }
  return allocator.allocate(caller.session.partition, service.session.partition)
}

/**
 * Brings a pipe between two machines that is open over to rings in memory that only those two share, as `raiseToRings` does for processes.
 * Settles with the reason when there are none, never rejects.
 */
export async function raiseToPlace(
  caller: JoinedEnd,
  service: JoinedEnd,
  place: Place,
  allowed: () => boolean,
): Promise<BusbarError | undefined> {
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

/**
 * Brings the way from the bus to the program of a machine over to rings in memory that only these two share, while the pipe is open. The bus passes on
 * what comes there to whatever the other end has. Settles with the reason when there are none, never rejects.
 */
export async function raiseWithBus(
  { session, channel }: JoinedEnd,
  allocate: OwnPlaces['allocate'],
): Promise<BusbarError | undefined> {
  const own = channel.raisable
  if (own === undefined || !session.hasPlaces) {
    return new BusbarError('UNAVAILABLE', `partition "${session.partition}" has no memory to share`)
  }
  let place: Place
  try {
    place = allocate(session.partition)
  } catch (thrown) {
    return BusbarError.from(thrown)
  }
  const signals = (side: 0 | 1, wake: () => void): RingSignals => ({
    ring: () => {
      place.rang()
      wake()
    },
    released: () => place.released(side),
  })
  const take = async (): Promise<void> =>
    own.take(
      place.grants[0],
      signals(0, () => session.rang(channel)),
    )
  const answers = await Promise.allSettled([
    session.offerPlace(
      channel,
      place.grants[1],
      signals(1, () => own.rung?.()),
    ),
    take(),
  ])
  const refused = reasonOf(answers)
  if (refused === undefined) own.raise()
  else own.abandon()
  session.useRing(channel, refused)
  return refused
}
