import { BusbarError } from '../errors/index.ts'
import type { ByteLink } from '../link/index.ts'
import type { Channel } from './channel.ts'
import type { Messages } from './messages.ts'

/** What carries the bytes of a channel. */
export type PipeMedium = 'stream' | 'ring'

/** Where the memory for the rings of a channel is, as `offerRing` says it. */
export type RingGrant = Omit<Messages['offerRing'], 'channelId'>

/** A stream that can go over to rings while bytes flow on it. */
export interface RaisableLink extends ByteLink {
  readonly medium: PipeMedium
  /** Maps the memory and gets ready to read; a throw leaves the stream as it is. */
  take(grant: RingGrant): void
  /** Both ends have it: writes go to the ring from here on. */
  raise(): void
  /** It is not used after all. */
  abandon(): void
}

/** A partition's means to have rings. */
export interface RingMedium {
  /** Makes a stream one that can go over to rings. Takes it. */
  wrap(stream: ByteLink): RaisableLink
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
  /** Both the partition and the bus have rings. */
  readonly hasRings: boolean
  /** Offers the memory to the end of that channel; settles when it has mapped it, rejects when it has not. */
  offerRing(channel: Channel, grant: RingGrant): Promise<void>
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
 * the end once more. Settles with the reason when there are none, never rejects.
 */
export async function raiseToRings(
  caller: JoinedEnd,
  service: JoinedEnd,
  allocator: RingAllocator,
  allowed: () => boolean,
): Promise<BusbarError | undefined> {
  let memory: RingMemory
  try {
    memory = allocator.allocate()
  } catch (thrown) {
    return BusbarError.from(thrown)
  }
  const { grant } = memory
  const answers = await Promise.allSettled([
    caller.session.offerRing(caller.channel, { ...grant, side: 0 }),
    service.session.offerRing(service.channel, { ...grant, side: 1 }),
  ])
  memory.release()
  const failed = answers.find((answer) => answer.status === 'rejected')
  let refused = failed && BusbarError.from(failed.reason)
  if (!allowed()) refused ??= new BusbarError('CANCELLED', 'the bytes of this pipe are captured')
  caller.session.useRing(caller.channel, refused)
  service.session.useRing(service.channel, refused)
  return refused
}
