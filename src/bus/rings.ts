import { BusbarError } from '../errors/index.ts'
import type { Awaitable, ByteLink } from '../link/index.ts'
import type { Channel } from './channel.ts'
import type { Messages } from './messages.ts'
import type { PlaceGrant } from './places.ts'
import type { RaisingTurn } from './raising-turns.ts'

/** What carries the bytes of a channel. */
export type PipeMedium = 'stream' | 'ring'

/** Where the memory for the rings of a channel is, as `offerRing` says it. */
export type RingGrant = Omit<Messages['offerRing'], 'channelId'>

/** What an end of rings between machines says: there is no other way than through the bus. */
export interface RingSignals {
  /** Wakes the other side. */
  ring(): void
  /** It does not have the memory any more, or never had it. Once, in every case. */
  released(): void
}

/** A stream that can go over to rings while bytes flow on it. */
export interface RaisableLink extends ByteLink {
  readonly medium: PipeMedium
  /** Maps the memory and gets ready to read; a throw leaves the stream as it is. Which kind of grant it gets, its medium says. */
  take(grant: RingGrant | PlaceGrant, signals: RingSignals): Awaitable<void>
  /** Both ends have it: writes go to the ring from here on. */
  raise(): void
  /** It is not used after all. */
  abandon(): void
  /** The other side rang, where it does so through the bus. */
  rung?(): void
}

/** A partition's means to have rings. */
export interface RingMedium {
  /** What it maps: descriptors of a process of this host, which is what an absent word means, or places in memory that machines share. */
  readonly maps?: 'descriptors' | 'places'
  /** Makes a stream one that can go over to rings. Takes it. */
  wrap(stream: ByteLink): RaisableLink
  /** How it looks for what arrives, for operators. */
  inspect?(): unknown
}

/** Memory for the rings of one channel, until both ends have it or will not. */
export interface RingMemory {
  readonly grant: Omit<RingGrant, 'side'>
  release(): void
}

/** The bus's means to make rings. */
export interface RingAllocator {
  /** Throws when there is no memory now. */
  allocate(): RingMemory
}

/** What a session does for the rings of its channels. */
export interface RingSession {
  readonly partition: string
  /** Both the partition and the bus have rings. */
  readonly hasRings: boolean
  /** The partition has memory that it shares with other machines. */
  readonly hasPlaces: boolean
  /** Offers the memory to the end of that channel; settles when it has mapped it, rejects when it has not. */
  offerRing(channel: Channel, grant: RingGrant): Promise<void>
  /** Waits no longer for what the end of that channel says: the offer is refused for this reason. */
  recall(channel: Channel, reason: BusbarError): void
  /** The same with a place in memory that machines share; `signals` hears from then on what that end says. */
  offerPlace(channel: Channel, grant: PlaceGrant, signals: RingSignals): Promise<void>
  /** The other end of that channel rang. */
  rang(channel: Channel): void
  /** The other end has it too; or it has not, or the bus thought better of it, for this reason. */
  useRing(channel: Channel, refused: BusbarError | undefined): void
}

/** One end of a pipe that the bus joined. */
export interface JoinedEnd {
  readonly session: RingSession
  readonly channel: Channel
}

/**
 * Brings a pipe that is open over to rings, if both ends can; until then, and if not, its bytes go through the bus. `allowed` is asked at
 * the end once more; `turn` is told which partition has answered, and may be recalled. Settles with the reason when there are none, never rejects.
 */
export async function raiseToRings(
  caller: JoinedEnd,
  service: JoinedEnd,
  allocator: RingAllocator,
  allowed: () => boolean,
  turn: RaisingTurn,
): Promise<BusbarError | undefined> {
  let memory: RingMemory
  try {
    memory = allocator.allocate()
  } catch (thrown) {
    return BusbarError.from(thrown)
  }
  const { grant } = memory
  const offer = async ({ session, channel }: JoinedEnd, side: number): Promise<void> => {
    let has = false
    try {
      await session.offerRing(channel, { ...grant, side })
      has = true
    } finally {
      turn.answered(session.partition, has)
    }
  }
  const offers = [offer(caller, 0), offer(service, 1)]
  turn.recall = (reason) => {
    for (const { session, channel } of [caller, service]) session.recall(channel, reason)
  }
  const answers = await Promise.allSettled(offers)
  memory.release()
  return useOrNot(caller, service, answers, allowed)
}

/** Tells both ends what becomes of the rings that were offered to them. Returns why they are not used. */
export function useOrNot(
  caller: JoinedEnd,
  service: JoinedEnd,
  answers: readonly PromiseSettledResult<void>[],
  allowed: () => boolean,
): BusbarError | undefined {
  let refused = reasonOf(answers)
  if (!allowed()) refused ??= captured()
  caller.session.useRing(caller.channel, refused)
  service.session.useRing(service.channel, refused)
  return refused
}

/** Why an end has not what it was offered, if one has not. */
export function reasonOf(answers: readonly PromiseSettledResult<void>[]): BusbarError | undefined {
  const failed = answers.find((answer) => answer.status === 'rejected')
  return failed && BusbarError.from(failed.reason)
}

/** Why there are no rings while somebody hears what pipes carry. */
export function captured(): BusbarError {
  return new BusbarError('CANCELLED', 'the bytes of this pipe are captured')
}
