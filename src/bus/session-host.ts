import type { BusbarError } from '../errors/index.ts'
import type { Env } from '../link/index.ts'
import type { Incoming } from './channel-table.ts'
import type { BusLimits } from './limits.ts'
import type { OfferDescription } from './made-offers.ts'
import type { RingMedium } from './rings.ts'
import type { ServerSession } from './server-session.ts'

/** Whoever owns the sessions: the broker, or the system object of a VM for the programs in it. */
export interface SessionHost {
  /** The peer speaks our version. */
  attached(session: ServerSession): void
  /** The peer wants a channel; decide with `accept` or `refuse`. */
  open(session: ServerSession, opening: Incoming): void
  /** The peer offers a service; a throw refuses it. */
  offer(session: ServerSession, offerId: number, offer: OfferDescription): void | Promise<void>
  withdraw(session: ServerSession, offerId: number): void
  /** The peer wants to hear of offers, from now on. */
  watch(session: ServerSession): void
  /** Once, whatever happened. */
  detached(session: ServerSession, reason: BusbarError): void
}

export interface ServerSessionOptions {
  /** Whom this link belongs to: known from which link it is. */
  partition: string
  /** What the other ends are told of when it goes; the partition itself when absent. */
  peer?: string
  epoch: number
  env: Env
  host: SessionHost
  limits?: Partial<BusLimits>
  /** Its channels may go over to rings, if it has them: it is a process of this host. */
  rings?: boolean
  /**
   * Its channels may go over to rings in memory that machines share. `program`: when its link ends it is gone, and nothing of it has that memory
   * any more; of a `machine` that is known only when it has stopped.
   */
  places?: 'program' | 'machine' | undefined
  /** What this side needs to be an end of such rings itself. */
  ownPlaces?: RingMedium | undefined
}
