import { type Guid, guidFromName, type Reader, type Writer } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import { BUSBAR_NAMESPACE, readUuid, writeUuid } from '../rpc/index.ts'
import { MAX_EXTENTS } from './limits.ts'

/** In ORPCTHIS: how long the caller will wait. Data: u32 milliseconds, little-endian. */
export const EXTENT_DEADLINE: Guid = guidFromName(BUSBAR_NAMESPACE, 'extent deadline 1')
/** In ORPCTHIS: W3C trace context. Data: see `trace.ts`. */
export const EXTENT_TRACE: Guid = guidFromName(BUSBAR_NAMESPACE, 'extent trace 1')
/** In ORPCTHIS: who called whom before. Data: see `chain.ts`. */
export const EXTENT_CHAIN: Guid = guidFromName(BUSBAR_NAMESPACE, 'extent chain 1')
/** In ORPCTHAT: why the call failed. Data: see `docs/protocol/objects.md`. */
export const EXTENT_ERROR: Guid = guidFromName(BUSBAR_NAMESPACE, 'extent error 1')

/** One extent: whose it is, and what it says. */
export interface Extent {
  readonly id: Guid
  readonly data: Uint8Array
}

/** Any value but zero: the pointer is not null. */
const REFERENT = 0x0002_0000

/**
 * Writes the list of extents behind ORPCTHIS or ORPCTHAT, whose pointer was written as not null. The array of
 * pointers is rounded up to an even count and the data to a multiple of 8 (MS-DCOM 2.2.21.3, 2.2.21.4).
 */
export function writeExtents(writer: Writer, extents: readonly Extent[]): void {
  const slots = (extents.length + 1) & ~1
  writer.u32(extents.length)
  writer.u32(0)
  writer.u32(REFERENT)
  writer.u32(slots)
  for (let i = 0; i < slots; i++) writer.u32(i < extents.length ? REFERENT + 4 * i : 0)
  for (const { id, data } of extents) {
    const rounded = (data.length + 7) & ~7
    writer.u32(rounded)
    writeUuid(writer, id, true)
    // Wireshark 4.0 takes so many bytes and does not round up, so both are the same: zeros end the data.
    writer.u32(rounded)
    writer.bytes(data)
    writer.zeros(rounded - data.length)
  }
}

/** What is left of an extent's data: zeros up to a multiple of 8. `MALFORMED` when it is more. */
export function endOfExtent(reader: Reader, what: string): void {
  if (reader.left > 7 || reader.bytes(reader.left).some(Boolean)) {
    throw new BusbarError('MALFORMED', `${what} extent goes on behind its end`)
  }
}

/** About the `bytes` of such a list. */
export function measureExtents(extents: readonly Extent[]): number {
  return extents.reduce((sum, { data }) => sum + 40 + data.length, 24)
}

/** The pointer to the list of extents, not null. */
export function pointToExtents(writer: Writer): void {
  writer.u32(REFERENT)
}

/**
 * Reads the list of extents behind ORPCTHIS or ORPCTHAT, and says of each what it holds; whoever does not know one skips it, as
 * MS-DCOM asks. `MALFORMED` or `LIMIT` when the list is not one.
 */
export function readExtents(reader: Reader, each: (id: Guid, data: Uint8Array) => void): void {
  reader.align(4)
  const count = reader.u32()
  reader.skip(4)
  const pointer = reader.u32()
  if (count > MAX_EXTENTS) throw new BusbarError('LIMIT', `${count} extents, at most ${MAX_EXTENTS} are taken`)
  if (pointer === 0) {
    if (count !== 0) throw new BusbarError('MALFORMED', `${count} extents behind a null pointer`)
    return
  }
  const slots = reader.u32()
  if (slots !== ((count + 1) & ~1)) throw new BusbarError('MALFORMED', `${slots} pointers for ${count} extents`)
  let present = 0
  for (let i = 0; i < slots; i++) if (reader.u32() !== 0) present++
  for (let i = 0; i < present; i++) {
    reader.align(4)
    const room = reader.u32()
    const id = readUuid(reader)
    const size = reader.u32()
    if (room < size || room - size > 7)
      throw new BusbarError('MALFORMED', `extent of ${size} bytes in room for ${room}`)
    const data = reader.bytes(room)
    each(id, data.subarray(0, size))
  }
}
