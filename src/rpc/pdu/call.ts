import { BusbarError } from '../../errors/index.ts'
import { PFC, type PduHeader, WHOLE, writeHeader } from './header.ts'
import { fixedBytes, offsetOf, PDUS } from './table.ts'

/** Fixed part of a request, and so where its object UUID or its stub starts, `bytes`. */
export const REQUEST_BYTES: number = fixedBytes('request')
/** Fixed part of a response, `bytes`. */
export const RESPONSE_BYTES: number = fixedBytes('response')
/** A fault without data of its own, `bytes`. */
export const FAULT_BYTES: number = fixedBytes('fault')
/** An object UUID, `bytes`. */
export const OBJECT_BYTES = 16

const HINT: number = offsetOf('request', 'alloc_hint')
const CONTEXT: number = offsetOf('request', 'context_id')
const OPNUM: number = offsetOf('request', 'opnum')
const CANCELS: number = offsetOf('response', 'cancel_count')
const FAULT_FLAGS: number = offsetOf('fault', 'flags')
const STATUS: number = offsetOf('fault', 'status')
const FAULT_PAD: number = offsetOf('fault', 'pad')

/** Writes the fixed part of a request; the object UUID and the stub follow it. */
export function writeRequest(
  view: DataView,
  at: number,
  flags: number,
  length: number,
  callId: number,
  hint: number,
  contextId: number,
  opnum: number,
  little = true,
): void {
  writeHeader(view, at, PDUS.request.number, flags, length, callId, little)
  view.setUint32(at + HINT, hint, little)
  view.setUint16(at + CONTEXT, contextId, little)
  view.setUint16(at + OPNUM, opnum, little)
}

/** Writes the fixed part of a response; the stub follows it. */
export function writeResponse(
  view: DataView,
  at: number,
  flags: number,
  length: number,
  callId: number,
  hint: number,
  contextId: number,
  little = true,
): void {
  writeHeader(view, at, PDUS.response.number, flags, length, callId, little)
  view.setUint32(at + HINT, hint, little)
  view.setUint16(at + CONTEXT, contextId, little)
  view.setUint16(at + CANCELS, 0)
}

/** Writes a whole fault. */
export function writeFault(
  view: DataView,
  at: number,
  callId: number,
  contextId: number,
  status: number,
  notExecuted: boolean,
  little = true,
): void {
  const flags = WHOLE | (notExecuted ? PFC.DID_NOT_EXECUTE : 0)
  writeHeader(view, at, PDUS.fault.number, flags, FAULT_BYTES, callId, little)
  // Never 0 in the field: Windows says 32, Samba 24.
  view.setUint32(at + HINT, FAULT_BYTES, little)
  view.setUint16(at + CONTEXT, contextId, little)
  view.setUint8(at + CANCELS, 0)
  view.setUint8(at + FAULT_FLAGS, 0)
  view.setUint32(at + STATUS, status, little)
  view.setUint32(at + FAULT_PAD, 0)
}

export function readHint(view: DataView, at: number, little: boolean): number {
  return view.getUint32(at + HINT, little)
}

export function readContextId(view: DataView, at: number, little: boolean): number {
  return view.getUint16(at + CONTEXT, little)
}

export function readOpnum(view: DataView, at: number, little: boolean): number {
  return view.getUint16(at + OPNUM, little)
}

export function readStatus(view: DataView, at: number, little: boolean): number {
  return view.getUint32(at + STATUS, little)
}

/** Where the stub of a request starts in the PDU, `bytes`; `MALFORMED` when an announced object UUID does not fit. */
export function stubOffset(header: PduHeader): number {
  if ((header.flags & PFC.OBJECT_UUID) === 0) return REQUEST_BYTES
  if (header.length < REQUEST_BYTES + OBJECT_BYTES) {
    throw new BusbarError('MALFORMED', `a request of ${header.length} bytes has no room for its object UUID`)
  }
  return REQUEST_BYTES + OBJECT_BYTES
}

/**
 * How much is in front of the stub of a fragment of a request, `bytes`; 0 for everything else: what comes in one piece, has no stub, or is
 * authenticated.
 */
export function requestFront({ type, flags, authLength, length }: PduHeader): number {
  if (type !== PDUS.request.number || authLength !== 0 || (flags & WHOLE) === WHOLE) return 0
  const front = (flags & PFC.OBJECT_UUID) === 0 ? REQUEST_BYTES : REQUEST_BYTES + OBJECT_BYTES
  return length > front ? front : 0
}

/** The same of a response. */
export function responseFront({ type, flags, authLength, length }: PduHeader): number {
  if (type !== PDUS.response.number || authLength !== 0 || (flags & WHOLE) === WHOLE) return 0
  return length > RESPONSE_BYTES ? RESPONSE_BYTES : 0
}
