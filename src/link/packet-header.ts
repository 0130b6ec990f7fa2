import { BusbarError } from '../errors/index.ts'

/** `vmpipe_proto_header`: u32 type, u32 size, little-endian. Fixed by VMBus (Linux `net/vmw_vsock/hyperv_transport.c`). */
export const PACKET_HEADER_BYTES = 8
/** Packet type "data" of that header. */
const TYPE_DATA = 1

/** The header of a data packet of `size` payload bytes; size zero is the end. */
export function encodePacketHeader(size: number): Uint8Array {
  const header = new Uint8Array(PACKET_HEADER_BYTES)
  writePacketHeader(header, size)
  return header
}

/** Writes the header into the first eight bytes. */
export function writePacketHeader(packet: Uint8Array, size: number): void {
  const view = new DataView(packet.buffer, packet.byteOffset, PACKET_HEADER_BYTES)
  view.setUint32(0, TYPE_DATA, true)
  view.setUint32(4, size, true)
}

/** The payload size a header declares; `MALFORMED` when it is not a data packet, `LIMIT` when it is above `max`. */
export function parsePacketHeader(header: Uint8Array, max: number): number {
  const view = new DataView(header.buffer, header.byteOffset, PACKET_HEADER_BYTES)
  const type = view.getUint32(0, true)
  const size = view.getUint32(4, true)
  if (type !== TYPE_DATA) throw new BusbarError('MALFORMED', `pipe packet of type ${type}, only ${TYPE_DATA} is known`)
  if (size > max) throw new BusbarError('LIMIT', `a pipe packet of ${size} bytes, at most ${max} are allowed`)
  return size
}
