import { BusbarError } from '../errors/index.ts'
import { type RpcLimits, rpcLimits } from '../rpc/index.ts'

/** What the objects of one association may cost. Every quantity that a peer could grow has its bound here. */
export interface ObjectLimits {
  /** Objects given to the peer and not released, or taken from it, `objects`. */
  readonly objects: number
  /** Streams among them, `streams`. */
  readonly streams: number
  /** Items in one page of a stream, `items`. */
  readonly pageItems: number
  /** Largest page; a single larger item still travels, alone, `bytes`. */
  readonly pageBytes: number
  /** Objects that one peer holds, on all its pipes together, `objects`. */
  readonly peerObjects: number
  /** References to those, `references`: an object may be held many times. */
  readonly peerReferences: number
  /** References of one peer that this side holds, on all its pipes together: lent in arguments, or given in results, `references`. */
  readonly peerLent: number
  /** Calls of one peer that run at the same time, on all its pipes together, `calls`. */
  readonly peerCalls: number
  /** Arguments of those calls, `bytes`. A call that runs alone is only bound by what one request may be. */
  readonly peerBytes: number
  /** Limits of the association below, calls at a time among them. */
  readonly rpc: Partial<RpcLimits>
}

export const DEFAULT_OBJECT_LIMITS: ObjectLimits = {
  /** Our choice: some tens of megabytes of table at most. */
  objects: 65_536,
  /** Our choice: each holds up to two pages. */
  streams: 1_024,
  /** Our choice: enough for one call to cost little beside its items. */
  pageItems: 1_024,
  /** Our choice, measured: twelve chunks of 64 KiB and what is around them, stays far from the 4 MiB that foreign peers take. */
  pageBytes: 798_720,
  /** Our choice: what four pipes of one peer may hold. */
  peerObjects: 262_144,
  /** Our choice: sixteen for each object; foreign peers ask for five at a time. */
  peerReferences: 4_194_304,
  /** Our choice: what four pipes of one peer may lend. */
  peerLent: 262_144,
  /** Our choice: four times what one pipe takes at a time. */
  peerCalls: 4_096,
  /** Our choice: 64 requests of the largest default size. */
  peerBytes: 256 * 1024 * 1024,
  rpc: {},
}

/** The defaults with `chosen` over them; `INVALID_ARGUMENT` names the limit that cannot be. */
export function objectLimits(chosen: Partial<ObjectLimits> = {}): ObjectLimits {
  const limits = { ...DEFAULT_OBJECT_LIMITS, ...chosen }
  for (const name of [
    'objects',
    'streams',
    'pageItems',
    'pageBytes',
    'peerObjects',
    'peerReferences',
    'peerLent',
    'peerCalls',
    'peerBytes',
  ] as const) {
    const value = limits[name]
    if (!(Number.isInteger(value) && value >= 1 && value <= 0x7fff_ffff)) {
      throw new BusbarError(
        'INVALID_ARGUMENT',
        `object limit ${name} is ${value}; it must be an integer from 1 to 2^31 - 1`,
      )
    }
  }
  rpcLimits(limits.rpc)
  return limits
}

/** Longest texts of an error that crosses, UTF-16 units. Our choice: a message for people, never a dump. */
export const MAX_ERROR_NAME = 100
export const MAX_ERROR_MESSAGE = 1_000
/** Most extents in one call or answer. Our choice: MS-DCOM defines two, and we add a few. */
export const MAX_EXTENTS = 16
/** Most callers that a call names behind the one that makes it, `hops`. Our choice: deeper chains keep the nearest. */
export const MAX_HOPS = 15
/** Most references released by one call. Fixed by the protocol as 65535 (MS-DCOM 3.1.1.5.6.1.3); ours keeps requests small. */
export const MAX_RELEASES = 1_024
/** Most interfaces asked for by one query. Our choice: far more than an object has. */
export const MAX_QUERIES = 64
/** Most references to one object that a peer may hold, `references`. Our choice: no counter overflows. */
export const MAX_REFERENCES = 0x7fff_ffff
/** Most pages of one stream asked for at a time. Our choice: twice what we ask for. */
export const MAX_ASKED = 8
/** Size of the pages that the reader of a stream asks for at first, `bytes`. Our choice: four chunks of 64 KiB and what is around them, a slow reader leaves no more unread. */
export const FIRST_PAGE_BYTES = 266_240
/** Pages that the reader of a stream asks for, or holds, beyond the one it reads. Our choice, measured: more is not faster over a socket. */
export const MAX_AHEAD = 4
