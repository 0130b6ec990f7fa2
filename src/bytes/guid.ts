import { BusbarError } from '../errors/index.ts'
import { sha1 } from './sha1.ts'

/** A GUID in its text form: lower-case, `8d5a2c6e-....`. Compared as text; bytes only exist on the wire. */
export type Guid = string

const PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** `00000000-0000-0000-0000-000000000000`, "no object". */
export const NIL_GUID: Guid = '00000000-0000-0000-0000-000000000000'

/** Where in the text the digits of each byte stand. */
const DIGITS_AT = Uint8Array.of(0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34)
const HYPHEN = 0x2d
/** The characters of the digits. */
const DIGITS: Uint8Array = Uint8Array.from('0123456789abcdef', (character) => character.charCodeAt(0))
/** The characters of the text that is being made. */
const TEXT: number[] = Array.from({ length: 36 }, () => HYPHEN)

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

/** The text of 16 bytes in network order, from `start` on: one flat text, as the key of a map has to be. */
export function guidFromBytes(bytes: Uint8Array, start: number = 0): Guid {
  for (let i = 0; i < 16; i++) {
    const byte = bytes[start + i] ?? 0
    const at = DIGITS_AT[i] as number
    TEXT[at] = DIGITS[byte >> 4] as number
    TEXT[at + 1] = DIGITS[byte & 0x0f] as number
  }
  return String.fromCharCode.apply(null, TEXT)
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

/** A version 4 GUID from 16 random bytes, from `start` on, which are overwritten. */
export function guidFromRandom(random: Uint8Array, start: number = 0): Guid {
  random[start + 6] = ((random[start + 6] ?? 0) & 0x0f) | 0x40
  random[start + 8] = ((random[start + 8] ?? 0) & 0x3f) | 0x80
  return guidFromBytes(random, start)
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
