import { BusbarError } from '../../errors/index.ts'
import { type AuthTrailer, decodeAuthTrailer } from '../pdu/auth.ts'
import type { PduHeader } from '../pdu/header.ts'
import { PDUS, pduName } from '../pdu/table.ts'

/**
 * Where a security provider plugs in: one for each association, in the options of a client or a server. It proves in the PDUs of
 * binding who this side is, and judges what the other one proves there and in any PDU with an authentication trailer. That is what
 * level connect needs (MS-RPCE 2.2.1.1.8); levels that protect each request and response would have to see those before they are sent, and
 * there is no place for that.
 */
export interface SecurityProvider {
  /**
   * A bind, an alter_context or the answer to one, as it is to be sent: as it is, or with a trailer (`withAuthTrailer`). What it throws is the end of
   * the association.
   */
  prove(pdu: Uint8Array): Uint8Array
  /**
   * Asked before anything else in a PDU counts, of each that has a trailer, and of each that `prove` is asked for at the other side. Returns how
   * many bytes of the PDU count from here on: those in front of padding and trailer, which may have been unsealed in place. Throws
   * `DENIED` when it may not go on, `MALFORMED` when the trailer does not fit.
   */
  admit(header: PduHeader, pdu: Uint8Array): number
}

/** The provider of the VM bus, where the channel says who calls: there is nothing to prove, so proof is refused. */
export const NO_SECURITY: SecurityProvider = {
  prove: (pdu) => pdu,
  admit(header, pdu) {
    if (header.authLength === 0) return header.length
    const { type, level }: AuthTrailer = decodeAuthTrailer(header, pdu)
    const what = `${pduName(header.type)} with authentication type ${type} level ${level}`
    throw new BusbarError('DENIED', `${what}; a pipe authenticates by its channel, send none`)
  },
}

const BINDING: ReadonlySet<number> = new Set([
  PDUS.bind.number,
  PDUS.bind_ack.number,
  PDUS.alter_context.number,
  PDUS.alter_context_resp.number,
])

/** Asks the provider where it has to be asked; then the header says what counts of the PDU. */
export function admit(security: SecurityProvider, header: PduHeader, view: DataView, at: number): void {
  if (header.authLength === 0 && !BINDING.has(header.type)) return
  const body = security.admit(header, new Uint8Array(view.buffer, at, header.length))
  header.length = body
  header.authLength = 0
}
