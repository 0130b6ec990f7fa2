/** Ethernet, IPv4 and TCP headers without options, `bytes`. */
const FRAME_HEAD = 54
/** What a SYN has on top: maximum segment size and window scale, `bytes`. */
const SYN_OPTIONS = 8
/** Most payload of one frame, `bytes`: an IPv4 packet has at most 65,535 (RFC 791). */
export const MAX_PAYLOAD = 65_495

/** Flags of a TCP header (RFC 9293). */
export const FIN = 0x01
export const SYN = 0x02
export const RST = 0x04
export const PSH = 0x08
export const ACK = 0x10

const ETHERNET_HEAD = 14
const IP_HEAD = 20
/** A window of 1 GiB: 65,535 shifted by the largest scale (RFC 7323). Nothing here is ever full. */
const WINDOW = 0xffff
const WINDOW_SCALE = 14

/** One end of a connection. */
export interface End {
  readonly address: Uint8Array
  readonly port: number
}

export interface Segment {
  readonly from: End
  readonly to: End
  readonly sequence: number
  readonly acknowledged: number
  readonly flags: number
  readonly payload: Uint8Array
}

/** Bytes that a segment takes as a frame. */
export function frameBytes({ flags, payload }: Segment): number {
  return FRAME_HEAD + ((flags & SYN) === 0 ? 0 : SYN_OPTIONS) + payload.length
}

/** Writes a segment as an Ethernet frame with correct lengths; the bytes at `at` and behind must still be zero. */
export function writeFrame(bytes: Uint8Array, view: DataView, at: number, segment: Segment): void {
  const { from, to, flags, payload } = segment
  const synOptions = (flags & SYN) === 0 ? 0 : SYN_OPTIONS
  // Locally administered addresses that end in the IPv4 address.
  bytes.set([0x02, 0xbb], at)
  bytes.set(to.address, at + 2)
  bytes.set([0x02, 0xbb], at + 6)
  bytes.set(from.address, at + 8)
  view.setUint16(at + 12, 0x0800)

  const ip = at + ETHERNET_HEAD
  const tcpLength = FRAME_HEAD - ETHERNET_HEAD - IP_HEAD + synOptions + payload.length
  bytes[ip] = 0x45
  view.setUint16(ip + 2, IP_HEAD + tcpLength)
  // Do not fragment; 64 hops; TCP.
  bytes[ip + 6] = 0x40
  bytes[ip + 8] = 64
  bytes[ip + 9] = 6
  bytes.set(from.address, ip + 12)
  bytes.set(to.address, ip + 16)
  view.setUint16(ip + 10, ~fold(sum(view, ip, IP_HEAD)) & 0xffff)

  const tcp = ip + IP_HEAD
  view.setUint16(tcp, from.port)
  view.setUint16(tcp + 2, to.port)
  view.setUint32(tcp + 4, segment.sequence)
  view.setUint32(tcp + 8, (flags & ACK) === 0 ? 0 : segment.acknowledged)
  bytes[tcp + 12] = ((FRAME_HEAD - ETHERNET_HEAD - IP_HEAD + synOptions) / 4) << 4
  bytes[tcp + 13] = flags
  view.setUint16(tcp + 14, WINDOW)
  // The sum of the pseudo header alone, as in a frame whose checksum is left to the network card: nothing reads the payload.
  view.setUint16(tcp + 16, fold(sum(view, ip + 12, 8) + 6 + tcpLength))
  if (synOptions > 0) bytes.set([2, 4, MAX_PAYLOAD >> 8, MAX_PAYLOAD & 0xff, 1, 3, 3, WINDOW_SCALE], tcp + 20)
  bytes.set(payload, tcp + 20 + synOptions)
}

/** The sum of 16-bit words of RFC 1071, before it is folded. */
function sum(view: DataView, at: number, length: number): number {
  let total = 0
  for (let i = 0; i < length; i += 2) total += view.getUint16(at + i)
  return total
}

function fold(total: number): number {
  const once = (total & 0xffff) + Math.floor(total / 0x1_0000)
  return (once & 0xffff) + (once >>> 16)
}
