import { Slab } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'

/** `vmpipe_proto_header`: u32 type, u32 size, little-endian. Fixed by VMBus (Linux `net/vmw_vsock/hyperv_transport.c`). */
export const PACKET_HEADER_BYTES = 8
/** Packet type "data" of that header. */
const TYPE_DATA = 1

/** Short packets of all streams of this process share their memory: of up to a quarter of it, what two batches of small calls need. */
const SLAB = new Slab(65_536, 16_392)

/** The header of a data packet of `size` payload bytes; size zero is the end. */
export function encodePacketHeader(size: number): Uint8Array {
  const header = new Uint8Array(PACKET_HEADER_BYTES)
  writePacketHeader(header, 0, size)
  return header
}

/** One packet: the header and a copy of the payload. */
export function encodePacket(payload: Uint8Array): Uint8Array {
  const length = PACKET_HEADER_BYTES + payload.length
  const at = SLAB.take(length)
  const packet = at < 0 ? new Uint8Array(length) : new Uint8Array(SLAB.bytes.buffer, at, length)
  writePacketHeader(packet, 0, payload.length)
  packet.set(payload, PACKET_HEADER_BYTES)
  return packet
}

/**
 * The payload size that the header at `at` declares; `MALFORMED` when it is not a data packet, `LIMIT` when it is above `max`.
 * All eight bytes must be there.
 */
export function parsePacketHeader(bytes: Uint8Array, at: number, max: number): number {
  const type = readUint32(bytes, at)
  const size = readUint32(bytes, at + 4)
  if (type !== TYPE_DATA) throw new BusbarError('MALFORMED', `pipe packet of type ${type}, only ${TYPE_DATA} is known`)
  if (size > max) throw new BusbarError('LIMIT', `a pipe packet of ${size} bytes, at most ${max} are allowed`)
  return size
}

/** The same in memory that is there, at `at`. */
export function writePacketHeader(into: Uint8Array, at: number, size: number): void {
  into[at] = TYPE_DATA
  into[at + 1] = 0
  into[at + 2] = 0
  into[at + 3] = 0
  into[at + 4] = size
  into[at + 5] = size >>> 8
  into[at + 6] = size >>> 16
  into[at + 7] = size >>> 24
}

/** Byte by byte: a view for eight bytes costs more than reading them. */
function readUint32(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16)
  return (low | ((bytes[at + 3] as number) << 24)) >>> 0
}
