import type { Guid, Reader, Writer } from '../../bytes/index.ts'
import { readUuid, writeUuid } from './uuid.ts'

/** An interface with its version: what a presentation context is about. */
export interface InterfaceId {
  readonly uuid: Guid
  readonly major: number
  readonly minor: number
}

/** An abstract or transfer syntax: a UUID and a version, 20 bytes on the wire. */
export type Syntax = InterfaceId

/** NDR 2.0 (C706 14, MS-RPCE 2.2.4.12). */
export const NDR20: Syntax = { uuid: '8a885d04-1ceb-11c9-9fe8-08002b104860', major: 2, minor: 0 }

/** Filled in where a result carries no syntax. */
export const NO_SYNTAX: Syntax = { uuid: '00000000-0000-0000-0000-000000000000', major: 0, minor: 0 }

/** Bits of bind-time feature negotiation (MS-RPCE 2.2.2.14). */
export const FEATURE = {
  /** Several security contexts on one connection. */
  SECURITY_MULTIPLEXING: 1,
  /** The connection outlives an orphaned call. */
  KEEP_ON_ORPHAN: 2,
  /** Our own, which no other peer offers or accepts: fragments of different calls may mix. */
  INTERLEAVED: 0x80,
  /** Our own as well: calls may be made on what a call that has no answer yet is going to give (`docs/protocol/objects.md`). */
  PIPELINED: 0x40,
} as const

/** First half of the pseudo transfer syntax whose second half is a bit mask. */
const FEATURES_PREFIX = '6cb71c2c-9812-4540-'

/** The pseudo transfer syntax that offers `bits` (at most 8 of them are in use). */
export function featureSyntax(bits: number): Syntax {
  return {
    uuid: `${FEATURES_PREFIX}${(bits & 0xff).toString(16).padStart(2, '0')}00-000000000000`,
    major: 1,
    minor: 0,
  }
}

/** The offered bits; `undefined` when this is an ordinary transfer syntax. */
export function offeredFeatures(syntax: Syntax): number | undefined {
  if (!syntax.uuid.startsWith(FEATURES_PREFIX) || syntax.major !== 1) return undefined
  return Number.parseInt(syntax.uuid.slice(FEATURES_PREFIX.length, FEATURES_PREFIX.length + 2), 16)
}

export function sameSyntax(a: Syntax, b: Syntax): boolean {
  return a.uuid === b.uuid && a.major === b.major && a.minor === b.minor
}

export function decodeSyntax(reader: Reader): Syntax {
  const uuid = readUuid(reader)
  const version = reader.u32()
  return { uuid, major: version & 0xffff, minor: version >>> 16 }
}

export function encodeSyntax(writer: Writer, syntax: Syntax, little: boolean): void {
  writeUuid(writer, syntax.uuid, little)
  writer.u32(((syntax.minor << 16) | syntax.major) >>> 0)
}
