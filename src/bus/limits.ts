/** What one peer may make a session hold. Every number is ours; the reason stands beside it. */
export interface BusLimits {
  /** Channels open or opening at once in one session: bounds slots, and with the mux window, bytes. */
  channels: number
  /** Of those, the ones that one calling partition may have: half, so that no caller alone keeps all others out. */
  channelsPerCaller: number
  /** Offers that one partition may have at once. */
  offers: number
  /**
   * Offers that one partition may make in a second, in the long run: each is told to all who watch. Twice `offers` are made
   * without delay: who restarts makes all of them again.
   */
  offersPerSecond: number
  /** Offers of others that a partition keeps: 64 partitions of 64. What is beyond is counted and can be opened all the same. */
  knownOffers: number
  /** Bytes of one control message after its length: the longest legal one is about 1 KiB. */
  controlMessage: number
  /** Bytes of control messages that may wait for a peer that does not read: more means it is gone or hostile. */
  controlBacklog: number
  /**
   * Bytes of those with which no channel is opened to that peer: callers that open and leave without end must not fill the rest, which it takes to say what
   * becomes of the channels that are there.
   */
  openBacklog: number
  /** Milliseconds that a new link has to say `initiateContact`. */
  contactTime: number
  /** Milliseconds that a channel may stay half open when the caller named no deadline. */
  openTime: number
  /**
   * Milliseconds that an end of a channel may take to say whether it has the memory for rings; until then the channel is a stream. As long as a program of an
   * emulated machine on a busy host may be kept from running while it starts.
   */
  ringTime: number
  /**
   * Milliseconds after which a channel that an end has not answered for loses its turn to go over to rings, when all turns are taken and others wait who leave
   * less unanswered. Far more than an end needs that runs.
   */
  ringTurn: number
  /** Milliseconds that a reset stream waits for the control message that says why. */
  reasonTime: number
  /** Milliseconds between an answer of an attached partition and the next question whether it is there; 0: nothing is ever asked. */
  keepAliveInterval: number
  /**
   * Milliseconds that a partition may take to answer that: then its session ends. Far more than an emulated machine on a busy host needs, or a program that
   * computes; the time in which this process itself did not run does not count.
   */
  keepAliveTime: number
}

export const DEFAULT_BUS_LIMITS: BusLimits = {
  channels: 200,
  channelsPerCaller: 100,
  offers: 64,
  offersPerSecond: 16,
  knownOffers: 4096,
  controlMessage: 4096,
  controlBacklog: 1_048_576,
  openBacklog: 262_144,
  contactTime: 10_000,
  openTime: 10_000,
  ringTime: 60_000,
  ringTurn: 2_000,
  reasonTime: 1000,
  keepAliveInterval: 30_000,
  keepAliveTime: 120_000,
}
