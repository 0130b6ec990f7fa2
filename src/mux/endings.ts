import { BusbarError, type ErrorCode } from '../errors/index.ts'
import { GO_AWAY_REASONS } from './codec.ts'

/** Reasons of a link that say what happened to the peer; streams show them as they are. */
const LIVENESS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['LINK_LOST', 'PEER_DIED', 'STALE_EPOCH'])

/** What streams fail with when their session broke: `LINK_LOST` with the reason as cause, unless the reason says it better. */
export function linkLost(reason: BusbarError): BusbarError {
  if (LIVENESS.has(reason.code)) return reason
  return new BusbarError('LINK_LOST', `the link of the session broke: ${reason.message}`, { cause: reason })
}

/** What a peer's go-away means for streams. */
export function goAwayReason(code: number): BusbarError {
  if (code === GO_AWAY_REASONS.NORMAL) return new BusbarError('LINK_LOST', 'the peer ended the session')
  const cause =
    code === GO_AWAY_REASONS.PROTOCOL
      ? new BusbarError('PROTOCOL', 'the peer says that this side broke the yamux protocol')
      : new BusbarError('INTERNAL', `the peer ended the session with go-away ${code}`)
  return new BusbarError('LINK_LOST', `the peer ended the session with go-away ${code}`, { cause })
}

/** The go-away that tells the peer why this side ends. */
export function reasonOfGoAway(code: ErrorCode): number {
  switch (code) {
    case 'MALFORMED':
    case 'PROTOCOL':
    case 'LIMIT':
    case 'VERSION':
      return GO_AWAY_REASONS.PROTOCOL
    case 'INTERNAL':
      return GO_AWAY_REASONS.INTERNAL
    default:
      return GO_AWAY_REASONS.NORMAL
  }
}
