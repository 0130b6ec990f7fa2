import type { BusbarError } from '../../errors/index.ts'
import { faultStatus, NO_CALL_ACTIVE, PROTO_ERROR } from '../faults.ts'
import { decodeAuthTrailer } from '../pdu/auth.ts'
import { NAK } from '../pdu/bind.ts'
import { PFC, type PduHeader } from '../pdu/header.ts'

/** Authentication levels that mean something: connect 2 to privacy 6 (MS-RPCE 2.2.1.1.8). */
const [CONNECT, PRIVACY] = [2, 6] as const

/** The fault that a client is told before its link closes. */
export interface LastFault {
  readonly callId: number
  readonly contextId: number
  readonly status: number
  readonly notExecuted: boolean
}

/** What a request belongs to when it breaks the protocol. */
export interface Breach {
  /** The call whose fragments are arriving. */
  readonly gathering: { readonly id: number; readonly contextId: number } | undefined
  readonly bound: boolean
  /** Context that the request names. */
  readonly contextId: number
}

/**
 * The fault for a request that breaks the protocol, as Windows and Samba answer it: the call that was broken is named
 * with its context, a stray one without.
 */
export function requestFault(header: PduHeader, error: BusbarError, breach: Breach): LastFault {
  const { gathering, bound, contextId } = breach
  const { callId } = header
  if (error.code === 'DENIED') return { callId, contextId, status: faultStatus(error), notExecuted: false }
  if (gathering !== undefined) {
    return { callId: gathering.id, contextId: gathering.contextId, status: PROTO_ERROR, notExecuted: false }
  }
  const cancelled = bound && (header.flags & PFC.PENDING_CANCEL) !== 0 && (header.flags & PFC.FIRST) !== 0
  const status = cancelled ? NO_CALL_ACTIVE : PROTO_ERROR
  return { callId, contextId: 0, status, notExecuted: cancelled || !bound }
}

/** The fault for an alter_context that cannot be answered otherwise. */
export function alterFault(header: PduHeader, error: BusbarError): LastFault {
  const status = error.code === 'DENIED' ? faultStatus(error) : PROTO_ERROR
  return { callId: header.callId, contextId: 0, status, notExecuted: true }
}

/** Why a bind is refused as a whole. A trailer that does not fit counts as another version, as in Windows and Samba. */
export function nakReason(header: PduHeader, pdu: Uint8Array): number {
  if (header.minor > 1) return NAK.VERSION
  if (header.authLength === 0) return NAK.NOT_SPECIFIED
  try {
    const { level } = decodeAuthTrailer(header, pdu)
    return level >= CONNECT && level <= PRIVACY ? NAK.AUTH_TYPE : NAK.NOT_SPECIFIED
  } catch {
    return NAK.VERSION
  }
}
