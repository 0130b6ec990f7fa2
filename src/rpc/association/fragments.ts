import type { RpcAccess } from '../access.ts'
import {
  FAULT_BYTES,
  OBJECT_BYTES,
  REQUEST_BYTES,
  RESPONSE_BYTES,
  writeFault,
  writeRequest,
  writeResponse,
} from '../pdu/call.ts'
import { PFC, WHOLE } from '../pdu/header.ts'

/** Stubs from this size on are written as they are, `bytes`; below it copying beats another write (our choice, measured). */
const COPY_BELOW = 16_384

/** Sends a request in as many fragments as it takes, one behind the other: fragments of two requests never mix. */
export function sendRequest(
  access: RpcAccess,
  max: number,
  callId: number,
  contextId: number,
  opnum: number,
  object: Uint8Array | undefined,
  stub: Uint8Array,
): void {
  const fixed = object === undefined ? REQUEST_BYTES : REQUEST_BYTES + OBJECT_BYTES
  const most = (max - fixed) & ~7
  let flags: number = object === undefined ? PFC.FIRST : PFC.FIRST | PFC.OBJECT_UUID
  let from = 0
  do {
    const left = stub.length - from
    const size = left <= max - fixed ? left : most
    if (size === left) flags |= PFC.LAST
    const copied = size < COPY_BELOW
    const at = access.reserve(copied ? fixed + size : fixed)
    writeRequest(access.view, at, flags, fixed + size, callId, left, contextId, opnum)
    if (object !== undefined) access.bytes.set(object, at + REQUEST_BYTES)
    place(access, stub, from, size, copied, at + fixed)
    from += size
    flags &= ~PFC.FIRST
  } while (from < stub.length)
}

/** Sends a response in as many fragments as it takes. */
export function sendResponse(
  access: RpcAccess,
  max: number,
  callId: number,
  contextId: number,
  stub: Uint8Array,
): void {
  const most = (max - RESPONSE_BYTES) & ~7
  let flags: number = PFC.FIRST
  let from = 0
  do {
    const left = stub.length - from
    const size = left <= max - RESPONSE_BYTES ? left : most
    if (size === left) flags |= PFC.LAST
    const copied = size < COPY_BELOW
    const at = access.reserve(copied ? RESPONSE_BYTES + size : RESPONSE_BYTES)
    writeResponse(access.view, at, flags, RESPONSE_BYTES + size, callId, left, contextId)
    place(access, stub, from, size, copied, at + RESPONSE_BYTES)
    from += size
    flags &= ~WHOLE
  } while (from < stub.length)
}

export function sendFault(
  access: RpcAccess,
  callId: number,
  contextId: number,
  status: number,
  notExecuted: boolean,
): void {
  const at = access.reserve(FAULT_BYTES)
  writeFault(access.view, at, callId, contextId, status, notExecuted)
}

function place(access: RpcAccess, stub: Uint8Array, from: number, size: number, copied: boolean, at: number): void {
  if (size === 0) return
  const part = size === stub.length ? stub : stub.subarray(from, from + size)
  if (copied) access.bytes.set(part, at)
  else access.append(part)
}
