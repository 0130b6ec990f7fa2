import { Reader } from '../../bytes/index.ts'
import { BusbarError } from '../../errors/index.ts'
import type { PduHeader } from './header.ts'
import { fixedBytes, PDU_BY_NUMBER, pduName } from './table.ts'

/** `auth_length` in the common header, and `frag_length` (C706 12.6.3.1). */
const [FRAG_LENGTH, AUTH_LENGTH] = [8, 10] as const

/** `sec_trailer` in front of the token, `bytes` (MS-RPCE 2.2.2.11). */
const TRAILER_BYTES = 8

/** What a security trailer claims. */
export interface AuthTrailer {
  /** SPNEGO 9, NTLMSSP 10, Kerberos 16 ... */
  readonly type: number
  /** None 1 ... integrity 5, privacy 6. */
  readonly level: number
  /** Padding between body and trailer, `bytes`. */
  readonly padding: number
  readonly contextId: number
  /** What is in front of padding and trailer, `bytes` of the PDU. */
  readonly body: number
  readonly token: Uint8Array
}

/** Parses the trailer at the end of a PDU whose header declares one; `MALFORMED` when the lengths do not fit. */
export function decodeAuthTrailer(header: PduHeader, pdu: Uint8Array): AuthTrailer {
  const name = PDU_BY_NUMBER[header.type]?.name
  const body = header.length - header.authLength - TRAILER_BYTES
  const least = name === undefined ? header.length : fixedBytes(name)
  if (body < least) {
    throw new BusbarError('MALFORMED', `${pduName(header.type)} with a token of ${header.authLength} bytes: no room`)
  }
  const reader = new Reader(pdu.subarray(body, body + TRAILER_BYTES), header.little)
  const [type, level, padding] = [reader.u8(), reader.u8(), reader.u8()]
  reader.skip(1)
  const contextId = reader.u32()
  if (padding > body - least) {
    throw new BusbarError('MALFORMED', `${padding} bytes of auth padding in a body of ${body - least}`)
  }
  const token = pdu.subarray(body + TRAILER_BYTES, header.length)
  return { type, level, padding, contextId, body: body - padding, token }
}

/** A PDU with a trailer and a token behind it, padded to 4 (MS-RPCE 2.2.2.11). Ours are little-endian. */
export function withAuthTrailer(
  pdu: Uint8Array,
  trailer: Pick<AuthTrailer, 'type' | 'level' | 'contextId'>,
  token: Uint8Array,
): Uint8Array {
  const padding = -pdu.length & 3
  const at = pdu.length + padding
  const whole = new Uint8Array(at + TRAILER_BYTES + token.length)
  const view = new DataView(whole.buffer)
  whole.set(pdu)
  whole.set([trailer.type, trailer.level, padding], at)
  view.setUint32(at + 4, trailer.contextId, true)
  whole.set(token, at + TRAILER_BYTES)
  view.setUint16(FRAG_LENGTH, whole.length, true)
  view.setUint16(AUTH_LENGTH, token.length, true)
  return whole
}
