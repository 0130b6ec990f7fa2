import type { BusbarError } from '../errors/index.ts'
import type { Awaitable, ByteLink } from '../link/index.ts'

/** A stream of a carrier and the id by which both sides know it. */
export interface CarrierStream {
  readonly id: number
  /** There at once on a mux; on a carrier whose peer dials, when it did. */
  readonly link: Awaitable<ByteLink>
}

/**
 * How one session travels: a control stream and a byte stream for each channel. Two keep this contract: a mux (all in
 * one byte link) and sockets (one for each stream). Ids are odd on the partition's side and even on the bus's side, and
 * never used twice.
 */
export interface Carrier {
  /** The control stream; both sides find it by themselves. */
  readonly control: Awaitable<ByteLink>
  /** Key by which a stream proves to belong to this session, where the medium does not prove it; else zeros. */
  readonly token: Uint8Array
  /** Tells the partition's side the token that the bus's side gave out. */
  authorise(token: Uint8Array): void
  /**
   * Opens a stream of ours; throws `LIMIT` or the reason the carrier closed. `unwanted` aborts when nobody waits for the
   * stream any more: a carrier that still waits for the peer to dial it then stops.
   */
  open(unwanted: AbortSignal): CarrierStream
  /**
   * Takes the stream that the peer opened under this id; throws `PROTOCOL` when there is none. Where streams are dialled
   * it may still come, and is waited for until `unwanted` aborts.
   */
  claim(id: number, unwanted: AbortSignal): Awaitable<ByteLink>
  /**
   * Settles when the other end has shown that it is there; rejects when the carrier is over. Absent where the medium has nothing to ask with: then it is asked
   * on the control stream.
   */
  ping?(): Promise<unknown>
  /** Closes everything at once; every stream fails with `reason`. */
  close(reason?: BusbarError): void
  readonly closed: Promise<BusbarError | undefined>
  /** What it holds, as plain data. */
  inspect(): unknown
}
