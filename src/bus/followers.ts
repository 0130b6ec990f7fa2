import type { BusbarError } from '../errors/index.ts'
import type { PumpTap } from '../link/index.ts'
import type { Channel } from './channel.ts'
import { contain } from './contain.ts'
import type { PipeMode } from './messages.ts'
import type { Relay } from './relay.ts'

/** A pipe that the broker joined, as somebody who follows it is told of it. */
export interface JoinedPipe {
  readonly caller: string
  readonly callerEpoch: number
  readonly partition: string
  readonly service: string
  readonly mode: PipeMode
  /** It was open before. */
  readonly joinedLate: boolean
}

/** Hears what one pipe carries, before it is passed on. It must not change or keep a chunk; one that throws hears no more. */
export interface PipeTap {
  bytes(fromCaller: boolean, chunk: Uint8Array): void
  /** That direction ended in order. */
  ended(fromCaller: boolean): void
  /** The pipe is over: in order, or for a reason. Nothing comes after it. */
  closed(reason: BusbarError | undefined): void
}

/** Is told of each pipe; what it returns hears it. */
export type PipeFollower = (pipe: JoinedPipe) => PipeTap | undefined

interface Followed {
  readonly pipe: Omit<JoinedPipe, 'joinedLate'>
  readonly relay: Relay
  readonly taps: Map<PipeFollower, PipeTap>
}

/** Who follows the pipes of a broker. While nobody does, a pipe costs one entry here and a chunk nothing. */
export class PipeFollowers {
  readonly #followers = new Set<PipeFollower>()
  readonly #pipes = new Set<Followed>()

  /** Follows the pipes that are open and those that will be, until the function it returns is called. */
  add(follower: PipeFollower): () => void {
    this.#followers.add(follower)
    for (const followed of this.#pipes) this.#tap(followed, follower, true)
    return () => {
      this.#followers.delete(follower)
      for (const followed of this.#pipes) {
        followed.taps.delete(follower)
        listen(followed)
      }
    }
  }

  /** Whether anybody hears, or may hear, what pipes carry. */
  get any(): boolean {
    return this.#followers.size > 0
  }

  /** A pipe was joined: `origin` is the caller's channel. */
  joined(relay: Relay, callerEpoch: number, mode: PipeMode, origin: Channel): void {
    const { caller, partition, service } = relay
    const followed = { pipe: { caller, callerEpoch, partition, service, mode }, relay, taps: new Map() }
    this.#pipes.add(followed)
    for (const follower of this.#followers) this.#tap(followed, follower, false)
    void origin.closed.then((reason) => {
      this.#pipes.delete(followed)
      for (const tap of followed.taps.values()) contain(() => tap.closed(reason))
      followed.taps.clear()
      listen(followed)
    })
  }

  #tap(followed: Followed, follower: PipeFollower, joinedLate: boolean): void {
    contain(() => {
      const tap = follower({ ...followed.pipe, joinedLate })
      if (tap !== undefined) followed.taps.set(follower, tap)
    })
    if (followed.taps.size > 0) listen(followed)
  }
}

/** Makes the relay tell its taps, or nobody when there are none. */
function listen(followed: Followed): void {
  const { relay, taps } = followed
  const each = (tell: (tap: PipeTap) => void): void => {
    for (const [follower, tap] of taps) {
      try {
        tell(tap)
      } catch {
        // The pipe goes on. What it has heard has a hole now, so the rest would only mislead.
        taps.delete(follower)
        listen(followed)
      }
    }
  }
  const direction = (fromCaller: boolean): PumpTap | undefined => {
    if (taps.size === 0) return undefined
    return {
      bytes: (chunk) => each((tap) => tap.bytes(fromCaller, chunk)),
      ended: () => each((tap) => tap.ended(fromCaller)),
    }
  }
  relay.listen(true, direction(true))
  relay.listen(false, direction(false))
}
