import { BusbarError } from '../../errors/index.ts'
import { HEADER_BYTES, type KnownPdu, PDU_BY_NUMBER, pduName } from './table.ts'

/** `pfc_flags` of the common header (C706 12.6.3.1, MS-RPCE 2.2.2.3). */
export const PFC = {
  FIRST: 0x01,
  LAST: 0x02,
  /** On a request: a cancel is pending. */
  PENDING_CANCEL: 0x04,
  /** The same bit on a bind: headers can be signed. Repeated in the answer as others do; without security it means nothing. */
  HEADER_SIGNING: 0x04,
  /** Several calls may be outstanding. */
  CONC_MPX: 0x10,
  /** On a fault: the call did not run. */
  DID_NOT_EXECUTE: 0x20,
  /** On a request: no answer is wanted. */
  MAYBE: 0x40,
  /** On a request: an object UUID is in front of the stub. */
  OBJECT_UUID: 0x80,
} as const

/** A PDU that is not fragmented. */
export const WHOLE: number = PFC.FIRST | PFC.LAST

const VERSION = 5
/** Little-endian integers, ASCII, IEEE floats; zero is big-endian (C706 14.2.5). */
const DREP_LITTLE = 0x10

/** The common header. One object per association is filled again for every PDU: nobody may keep it. */
export interface PduHeader {
  minor: number
  type: number
  flags: number
  /** Byte order of this PDU's integers, stub included. */
  little: boolean
  /** The whole PDU, `bytes`. */
  length: number
  /** Length of the security token at its end, `bytes`; its 8-byte trailer not counted. */
  authLength: number
  callId: number
}

export function emptyHeader(): PduHeader {
  return { minor: 0, type: 0, flags: 0, little: true, length: 0, authLength: 0, callId: 0 }
}

/**
 * Reads and checks the 16 bytes at `at` before anything behind them is waited for. `MALFORMED` when they are not the
 * header of a known PDU at least as long as its fixed part. The longest length and the minor version are the caller's to
 * judge.
 */
export function readHeader(view: DataView, at: number, into: PduHeader): void {
  const front = view.getUint32(at)
  const drep = view.getUint16(at + 4)
  const type = (front >>> 8) & 0xff
  const known = PDU_BY_NUMBER[type]
  if (front >>> 24 !== VERSION || (drep !== DREP_LITTLE << 8 && drep !== 0) || known === undefined) {
    throw notAHeader(view, at)
  }
  const little = drep !== 0
  const length = view.getUint16(at + 8, little)
  if (length < known.least) throw tooShort(known, length)
  into.minor = (front >>> 16) & 0xff
  into.type = type
  into.flags = front & 0xff
  into.little = little
  into.length = length
  into.authLength = view.getUint16(at + 10, little)
  into.callId = view.getUint32(at + 12, little)
}

/** Texts are made apart from the code that every PDU runs: there they cost even where nothing is wrong. */
function notAHeader(view: DataView, at: number): BusbarError {
  const version = view.getUint8(at)
  if (version !== VERSION) return malformed(`major version ${version}, only ${VERSION} is known`)
  const drep = view.getUint16(at + 4)
  if (drep !== DREP_LITTLE << 8 && drep !== 0) {
    return malformed(`data representation 0x${drep.toString(16)}; only ASCII and IEEE are known`)
  }
  return malformed(`PDU type ${view.getUint8(at + 2)} is not a connection-oriented one`)
}

function tooShort({ name, least }: KnownPdu, length: number): BusbarError {
  return malformed(`${name} of ${length} bytes; it has at least ${least}`)
}

/** Writes the 16 bytes. Ours are little-endian; `little` is for those who play a big-endian peer. */
export function writeHeader(
  view: DataView,
  at: number,
  type: number,
  flags: number,
  length: number,
  callId: number,
  little = true,
): void {
  view.setUint32(at, (VERSION << 24) | (type << 8) | flags)
  view.setUint32(at + 4, little ? DREP_LITTLE << 24 : 0)
  view.setUint16(at + 8, length, little)
  view.setUint16(at + 10, 0)
  view.setUint32(at + 12, callId, little)
}

/** A PDU that is nothing but its header: `shutdown`, `co_cancel`, `orphaned`. */
export function encodeBare(type: number, callId: number, little = true): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES)
  writeHeader(new DataView(bytes.buffer), 0, type, WHOLE, HEADER_BYTES, callId, little)
  return bytes
}

/** The bytes of one PDU, for those who read it as a whole. */
export function pduBytes(header: PduHeader, view: DataView, at: number): Uint8Array {
  return new Uint8Array(view.buffer, at, header.length)
}

/** `PROTOCOL` unless the PDU came in one piece. */
export function requireWhole(header: PduHeader): void {
  if ((header.flags & WHOLE) !== WHOLE) {
    throw new BusbarError('PROTOCOL', `${pduName(header.type)} came in fragments; only requests and responses may`)
  }
}

/** The error for a PDU above the limit of `max` bytes. */
export function tooLong(header: PduHeader, max: number): BusbarError {
  return malformed(`limit fragment: ${pduName(header.type)} of ${header.length} bytes; at most ${max} are taken`)
}

function malformed(found: string): BusbarError {
  return new BusbarError('MALFORMED', `RPC: ${found}`)
}
