import { BusbarError } from '../errors/index.ts'
import { sha1 } from './sha1.ts'

/** A GUID in its text form: lower-case, `8d5a2c6e-....`. Compared as text; bytes only exist on the wire. */
export type Guid = string

const PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** `00000000-0000-0000-0000-000000000000`, "no object". */
export const NIL_GUID: Guid = '00000000-0000-0000-0000-000000000000'

const HEX: readonly string[] = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'))

/** Checks and lower-cases a GUID's text; `INVALID_ARGUMENT` when it is not one. */
export function parseGuid(text: string): Guid {
  const lower = text.toLowerCase()
  if (!PATTERN.test(lower)) throw new BusbarError('INVALID_ARGUMENT', `"${text}" is not a GUID`)
  return lower
}

/** The 16 bytes in network order (RFC 9562). */
export function guidToBytes(guid: Guid): Uint8Array {
  const bytes = new Uint8Array(16)
  let at = 0
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) at++
    bytes[i] = (digit(guid.charCodeAt(at)) << 4) | digit(guid.charCodeAt(at + 1))
    at += 2
  }
  return bytes
}

/** The value of a hexadecimal digit: in ASCII letters have bit 0x40, and `a` and `A` end in 1. */
function digit(code: number): number {
  return code & 0x40 ? (code & 0x0f) + 9 : code & 0x0f
}

/** The text of 16 bytes in network order. */
export function guidFromBytes(bytes: Uint8Array): Guid {
  let text = ''
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) text += '-'
    text += HEX[bytes[i] ?? 0]
  }
  return text
}

/** Reverses the first three fields in place: between network order and the little-endian layout of DCE/RPC (C706, A.1). */
export function swapGuidFields(bytes: Uint8Array): Uint8Array {
  swap(bytes, 0, 3)
  swap(bytes, 1, 2)
  swap(bytes, 4, 5)
  swap(bytes, 6, 7)
  return bytes
}

function swap(bytes: Uint8Array, a: number, b: number): void {
  const kept = bytes[a] as number
  bytes[a] = bytes[b] as number
  bytes[b] = kept
}

/** A version 4 GUID from 16 random bytes, which are overwritten. */
export function guidFromRandom(random: Uint8Array): Guid {
  random[6] = ((random[6] ?? 0) & 0x0f) | 0x40
  random[8] = ((random[8] ?? 0) & 0x3f) | 0x80
  return guidFromBytes(random)
}

/** A version 5 GUID: the same name in the same namespace gives the same GUID, everywhere. */
export function guidFromName(namespace: Guid, name: string): Guid {
  const text = new TextEncoder().encode(name)
  const message = new Uint8Array(16 + text.length)
  message.set(guidToBytes(namespace))
  message.set(text, 16)
  const bytes = sha1(message).subarray(0, 16)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x50
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  return guidFromBytes(bytes)
}
