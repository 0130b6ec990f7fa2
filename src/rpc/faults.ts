import { BusbarError, CODES, codeFromNumber, codeNumber, type ErrorCode } from '../errors/index.ts'

export interface FaultRow {
  /** The name that the standard and Wireshark print. */
  readonly name: string
  /** What our caller sees. */
  readonly code: ErrorCode
}

/** The peer broke the protocol. */
export const PROTO_ERROR = 0x1c01_000b
/** There is no such call, or it was cancelled before it came. */
export const NO_CALL_ACTIVE = 0x0000_06bd

/** A context handle that was not given to this association group. */
const CONTEXT_MISMATCH = 0x1c00_001a

/**
 * Fault statuses by number (C706 appendix E, MS-ERREF, samba dcerpc.idl), as in `docs/protocol/rpc.md`. Everything else arrives as
 * `FAULT`.
 */
export const FAULTS: ReadonlyMap<number, FaultRow> = new Map<number, FaultRow>([
  [0x0000_0005, { name: 'access_denied', code: 'DENIED' }],
  [NO_CALL_ACTIVE, { name: 'no_call_active', code: 'PROTOCOL' }],
  [0x0000_06c6, { name: 'invalid_bound', code: 'BAD_VALUE' }],
  [0x0000_06f7, { name: 'bad_stub_data', code: 'BAD_VALUE' }],
  [0x0000_0721, { name: 'sec_pkg_error', code: 'DENIED' }],
  [0x1c00_0006, { name: 'nca_s_fault_invalid_tag', code: 'BAD_VALUE' }],
  [0x1c00_0007, { name: 'nca_s_fault_invalid_bound', code: 'BAD_VALUE' }],
  [0x1c00_000d, { name: 'nca_s_fault_cancel', code: 'CANCELLED' }],
  [0x1c00_0012, { name: 'nca_s_fault_unspec', code: 'FAULT' }],
  [CONTEXT_MISMATCH, { name: 'nca_s_fault_context_mismatch', code: 'NO_SUCH_OBJECT' }],
  [0x1c00_001b, { name: 'nca_s_fault_remote_no_memory', code: 'LIMIT' }],
  [0x1c00_001c, { name: 'nca_s_invalid_pres_context_id', code: 'NO_SUCH_INTERFACE' }],
  [0x1c00_0024, { name: 'nca_s_fault_object_not_found', code: 'NO_SUCH_OBJECT' }],
  [0x1c01_0002, { name: 'nca_s_op_rng_error', code: 'NOT_IN_CONTRACT' }],
  [0x1c01_0003, { name: 'nca_s_unk_if', code: 'NO_SUCH_INTERFACE' }],
  [PROTO_ERROR, { name: 'nca_s_proto_error', code: 'PROTOCOL' }],
  [0x1c01_0013, { name: 'nca_s_out_args_too_big', code: 'LIMIT' }],
  [0x1c01_0014, { name: 'nca_s_server_too_busy', code: 'BUSY' }],
  [0x1c01_0017, { name: 'nca_s_unsupported_type', code: 'PROTOCOL' }],
])

/** The standard status for a code, where one says the same thing. */
export const STATUS_OF: Partial<Record<ErrorCode, number>> = {
  NOT_IN_CONTRACT: 0x1c01_0002,
  NO_SUCH_INTERFACE: 0x1c01_0003,
  PROTOCOL: PROTO_ERROR,
  DENIED: 0x0000_0005,
  MALFORMED: 0x0000_06f7,
  BAD_VALUE: 0x0000_06f7,
  CANCELLED: 0x1c00_000d,
  BUSY: 0x1c01_0014,
  LIMIT: 0x1c00_001b,
  NO_SUCH_OBJECT: 0x1c00_0024,
  FAULT: 0x1c00_0012,
}

/**
 * Codes without a standard status travel as a failure HRESULT with the customer bit, facility 0xbb and the code's number
 * (our choice; to a foreign peer it is an unknown status, which is what it should be).
 */
const PRIVATE_STATUS = 0xa0bb_0000

/**
 * A fault with its number: what a call rejects with when a server answers with one, and what a server throws when its
 * clients look for a certain number. Everyone else goes by the code.
 */
export class FaultError extends BusbarError {
  /** As on the wire (C706 appendix E, MS-ERREF). */
  readonly status: number

  constructor(status: number, code: ErrorCode, message: string) {
    super(code, message, { stage: 'call' })
    this.status = status
  }

  /** What a server says to a context handle that it did not give to this association group. */
  static contextMismatch(): FaultError {
    return new FaultError(CONTEXT_MISMATCH, 'NO_SUCH_OBJECT', 'no such context handle in this association group')
  }
}

/** Server: the fault status for what a dispatch threw. */
export function faultStatus(error: BusbarError): number {
  if (error instanceof FaultError) return error.status
  return STATUS_OF[error.code] ?? PRIVATE_STATUS + codeNumber(error.code)
}

/** Client: the error for a fault. `notExecuted` is the peer's word that the call did not run. */
export function faultError(status: number, notExecuted: boolean): FaultError {
  const row = FAULTS.get(status)
  const code = row?.code ?? privateCode(status)
  const name = row === undefined ? '' : ` (${row.name})`
  const executed = notExecuted ? ', the call did not execute' : ''
  const number = `0x${status.toString(16).padStart(8, '0')}`
  return new FaultError(
    status,
    code,
    `the server answered with fault ${number}${name}${executed}: ${CODES[code].meaning}`,
  )
}

/** A peer's own bugs are its own: `INTERNAL` never crosses as such. */
function privateCode(status: number): ErrorCode {
  if ((status & 0xffff_0000) >>> 0 !== PRIVATE_STATUS) return 'FAULT'
  const code = codeFromNumber(status & 0xffff)
  return code === undefined || code === 'INTERNAL' ? 'FAULT' : code
}
