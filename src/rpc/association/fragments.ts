import type { Slab } from '../../bytes/index.ts'
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
import { COPY_BELOW } from '../pdu-slab.ts'

/** A marshalled stub in pieces that follow one another. They pass to the link. */
export type Stub = readonly Uint8Array[]

/**
 * Sends a request in as many fragments as it takes: one behind the other, with nothing between them unless fragments may mix. `behind`:
 * it must not overtake bulk that waits.
 */
export function sendRequest(
  access: RpcAccess,
  max: number,
  callId: number,
  contextId: number,
  opnum: number,
  object: Uint8Array | undefined,
  stub: Stub,
  behind = false,
): void {
  const front = object === undefined ? REQUEST_BYTES : REQUEST_BYTES + OBJECT_BYTES
  const first: number = object === undefined ? PFC.FIRST : PFC.FIRST | PFC.OBJECT_UUID
  send(
    access,
    max,
    front,
    stub,
    (bytes, view, at, size, left, place) => {
      const flags = (place & PFC.FIRST ? first : first & ~PFC.FIRST) | (place & PFC.LAST)
      writeRequest(view, at, flags, front + size, callId, left, contextId, opnum)
      if (object !== undefined) bytes.set(object, at + REQUEST_BYTES)
    },
    behind,
  )
}

/** Sends a response in as many fragments as it takes. */
export function sendResponse(access: RpcAccess, max: number, callId: number, contextId: number, stub: Stub): void {
  send(access, max, RESPONSE_BYTES, stub, (_, view, at, size, left, place) => {
    writeResponse(view, at, place, RESPONSE_BYTES + size, callId, left, contextId)
  })
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

/**
 * Writes the front of a fragment at `at`: `size` bytes of stub are in it, `left` come with it and behind it, and `place` says by
 * PFC flags whether it is the first and the last.
 */
type WriteFront = (bytes: Uint8Array, view: DataView, at: number, size: number, left: number, place: number) => void

function send(access: RpcAccess, max: number, front: number, stub: Stub, write: WriteFront, behind = false): void {
  const most = (max - front) & ~7
  let left = 0
  for (const { length } of stub) left += length
  let place: number = PFC.FIRST
  const cursor = { stub, piece: 0, at: 0 }
  const mixes = access.interleaves && (behind || left > max - front)
  do {
    const size = left <= max - front ? left : most
    if (size === left) place |= PFC.LAST
    if (mixes) access.bulk(fragment(access.heads, cursor, front, size, left, place, write))
    else {
      const copied = size < COPY_BELOW
      const at = access.reserve(copied ? front + size : front)
      write(access.bytes, access.view, at, size, left, place)
      if (copied) copy(access, cursor, size, at + front)
      else append(access, cursor, size)
    }
    left -= size
    place &= ~WHOLE
  } while (left > 0)
}

/** Where the next byte of a stub is. */
interface Cursor {
  readonly stub: Stub
  piece: number
  at: number
}

/** A fragment in pieces. What is short in front of what is long is copied behind the front, which `write` writes. */
function fragment(
  heads: Slab,
  cursor: Cursor,
  front: number,
  size: number,
  left: number,
  place: number,
  write: WriteFront,
): readonly Uint8Array[] {
  const parts: Uint8Array[] = []
  let length = front
  let short = 0
  for (let done = 0; done < size; ) {
    const part = next(cursor, size - done)
    if (short === parts.length && part.length < COPY_BELOW) {
      length += part.length
      short++
    }
    parts.push(part)
    done += part.length
  }
  let start = heads.take(length)
  const own = start < 0
  if (own) start = 0
  const bytes = own ? new Uint8Array(length) : heads.bytes
  write(bytes, own ? new DataView(bytes.buffer) : heads.view, start, size, left, place)
  let at = start + front
  for (let i = 0; i < short; i++) {
    const part = parts[i] as Uint8Array
    bytes.set(part, at)
    at += part.length
  }
  const head = own ? bytes : bytes.subarray(start, at)
  if (short === 0) parts.unshift(head)
  else parts.splice(0, short, head)
  return parts
}

function copy(access: RpcAccess, cursor: Cursor, size: number, to: number): void {
  for (let done = 0; done < size; ) {
    const part = next(cursor, size - done)
    access.bytes.set(part, to + done)
    done += part.length
  }
}

function append(access: RpcAccess, cursor: Cursor, size: number): void {
  for (let done = 0; done < size; ) {
    const part = next(cursor, size - done)
    done += part.length
    // A few bytes between the front and the rest cost less to copy than to write by themselves.
    if (part.length < COPY_BELOW) {
      const at = access.reserve(part.length)
      access.bytes.set(part, at)
    } else access.append(part)
  }
}

function next(cursor: Cursor, most: number): Uint8Array {
  const piece = cursor.stub[cursor.piece] as Uint8Array
  const end = Math.min(piece.length, cursor.at + most)
  const part = cursor.at === 0 && end === piece.length ? piece : piece.subarray(cursor.at, end)
  if (end === piece.length) {
    cursor.piece++
    cursor.at = 0
  } else cursor.at = end
  return part
}
