import { BusbarError } from '../../errors/index.ts'
import { type AuthTrailer, decodeAuthTrailer } from '../pdu/auth.ts'
import type { PduHeader } from '../pdu/header.ts'
import { pduName } from '../pdu/table.ts'

/**
 * Where a security provider plugs in: client and server hand every PDU with an authentication trailer here before
 * anything else in it counts, and no PDU without one. A provider would keep a security context per `contextId`, answer
 * the token of a bind, and verify or unseal the stub of a request.
 */
export interface SecurityProvider {
  /** Returns when the PDU may go on; throws `DENIED` when it may not, `MALFORMED` when the trailer does not fit. */
  admit(header: PduHeader, pdu: Uint8Array): void
}

/** The provider of the VM bus, where the channel says who calls: there is nothing to prove, so proof is refused. */
export const NO_SECURITY: SecurityProvider = {
  admit(header, pdu) {
    const { type, level }: AuthTrailer = decodeAuthTrailer(header, pdu)
    const what = `${pduName(header.type)} with authentication type ${type} level ${level}`
    throw new BusbarError('DENIED', `${what}; a pipe authenticates by its channel, send none`)
  },
}
