/** What one session may cost. Every field has a default in `MUX_LIMITS`; pass only those that differ. */
export interface MuxLimits {
  /**
   * Streams open at the same moment, counted for each opener, `streams`. 256: the accept backlog of HashiCorp's
   * implementation, so its clients never wait for us. One more SYN is refused with RST; one more `open` throws `LIMIT`.
   * Every stream comes with a window of 262,144 bytes by protocol, so this bounds memory: 256 * 256 KiB = 64 MiB for each opener.
   */
  readonly streams: number
  /** Largest receive window of one stream, `bytes`. 1 MiB: keeps a fast reader busy over a slow round trip. */
  readonly window: number
  /** All receive windows together beyond the initial ones, `bytes`. 8 MiB: eight bulk streams at full size. */
  readonly windowBudget: number
  /** A window grows when half of it was read within this time, `ms`. 250: about 0.5 MB/s, so a trickle never takes budget. */
  readonly growWithin: number
  /** Bytes queued on one stream before its writer waits, `bytes`. 256 KiB: one initial window. */
  readonly sendQueue: number
  /**
   * Bytes written to the link and not yet taken by it, `bytes`. 128 KiB: two full frames, so that a small frame never
   * waits behind more than these.
   */
  readonly linkQueue: number
  /** Ping replies and resets that wait for the link, `frames`. 1,024: all streams of both openers twice; then the peer floods. */
  readonly control: number
  /** Own pings that wait for their reply, `pings`. 64: more means that nobody looks at the result. */
  readonly pings: number
  /**
   * Ids that a peer may skip and open later, `ids`. 0: strictly rising. A Go peer that opens streams from several goroutines
   * may send their SYNs out of order (HashiCorp `session.go`, `OpenStream`); 256 (its accept backlog) is enough for it.
   */
  readonly lateOpens: number
  /** How long an orderly close waits for the peer to end its direction, `ms`. 1,000: then the link is closed. */
  readonly closeGrace: number
}

export const MUX_LIMITS: MuxLimits = {
  streams: 256,
  window: 1_048_576,
  windowBudget: 8_388_608,
  growWithin: 250,
  sendQueue: 262_144,
  linkQueue: 131_072,
  control: 1024,
  pings: 64,
  lateOpens: 0,
  closeGrace: 1000,
}
