import { Reader } from '../../bytes/index.ts'
import { BusbarError } from '../../errors/index.ts'
import type { PduHeader } from './header.ts'
import { fixedBytes, PDU_BY_NUMBER, pduName } from './table.ts'

/** `sec_trailer` in front of the token, `bytes` (MS-RPCE 2.2.2.11). */
const TRAILER_BYTES = 8

/** What a security trailer claims; the token is behind it. */
export interface AuthTrailer {
  /** SPNEGO 9, NTLMSSP 10, Kerberos 16 ... */
  readonly type: number
  /** None 1 ... integrity 5, privacy 6. */
  readonly level: number
  /** Padding between body and trailer, `bytes`. */
  readonly padding: number
  readonly contextId: number
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
  const trailer = { type, level, padding, contextId: reader.u32() }
  if (trailer.padding > body - least) {
    throw new BusbarError('MALFORMED', `${trailer.padding} bytes of auth padding in a body of ${body - least}`)
  }
  return trailer
}
