import { BusbarError } from '../errors/index.ts'

/** Bytes of every header. Fixed by the protocol (HashiCorp yamux `spec.md`, "Framing"). */
export const HEADER_BYTES = 12
/** The only version. Fixed by the protocol (`spec.md`, "Version Field"). */
const VERSION = 0
/** Window of each direction of a new stream, `bytes`. Fixed by the protocol (`spec.md`, "Flow Control"). */
export const INITIAL_WINDOW = 262_144
/** Largest window that can be granted, `bytes`: implementations keep it in 32 bits (HashiCorp `stream.go`, `sendWindow`). */
export const MAX_WINDOW = 0xffff_ffff
/** Stream ids are 32 bits wide. Fixed by the protocol (`spec.md`, "Framing"). */
export const MAX_STREAM_ID = 0xffff_ffff

/** Flags. Fixed by the protocol (`spec.md`, "Flag Field"). */
export const FLAGS = {
  /** A new stream; on a ping, the request. */
  SYN: 1,
  /** The stream is accepted; on a ping, the reply. */
  ACK: 2,
  /** The sender will send no more data on this stream. */
  FIN: 4,
  /** The stream is over at once in both directions. */
  RST: 8,
} as const

/** SYN, ACK, FIN and RST. */
const STREAM_FLAGS = 15
/** SYN and ACK. */
const PING_FLAGS = 3

export type FrameName = 'data' | 'window-update' | 'ping' | 'go-away'

/** One row of the frame table. */
export interface FrameRow {
  readonly number: number
  /** Whether the stream id names a stream; otherwise it is 0, the session. */
  readonly onStream: boolean
  /** The flags that may be set. */
  readonly flags: number
  /** What the length field holds. */
  readonly length: string
}

/** The frames. Fixed by the protocol (`spec.md`, "Type Field" and "Length Field"). */
export const FRAMES: Readonly<Record<FrameName, FrameRow>> = {
  data: { number: 0, onStream: true, flags: STREAM_FLAGS, length: 'bytes that follow the header' },
  'window-update': { number: 1, onStream: true, flags: STREAM_FLAGS, length: 'bytes added to the window' },
  ping: { number: 2, onStream: false, flags: PING_FLAGS, length: 'opaque value, sent back' },
  'go-away': { number: 3, onStream: false, flags: 0, length: 'reason: 0 normal, 1 protocol error, 2 internal error' },
}

export const DATA: number = FRAMES.data.number
export const WINDOW_UPDATE: number = FRAMES['window-update'].number
export const PING: number = FRAMES.ping.number
export const GO_AWAY: number = FRAMES['go-away'].number

/** Reasons of a go-away. Fixed by the protocol (`spec.md`, "Session termination"). */
export const GO_AWAY_REASONS = { NORMAL: 0, PROTOCOL: 1, INTERNAL: 2 } as const

const rows: readonly FrameRow[] = Object.values(FRAMES).sort((a, b) => a.number - b.number)

/** Writes one header, big-endian, at `at`. */
export function encodeHeader(
  into: Uint8Array,
  at: number,
  type: number,
  flags: number,
  id: number,
  length: number,
): void {
  into[at] = VERSION
  into[at + 1] = type
  into[at + 2] = flags >>> 8
  into[at + 3] = flags
  into[at + 4] = id >>> 24
  into[at + 5] = id >>> 16
  into[at + 6] = id >>> 8
  into[at + 7] = id
  into[at + 8] = length >>> 24
  into[at + 9] = length >>> 16
  into[at + 10] = length >>> 8
  into[at + 11] = length
}

/** The 16 bits at `at`, big-endian. */
export function u16At(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
}

/** The 32 bits at `at`, big-endian, unsigned. */
export function u32At(bytes: Uint8Array, at: number): number {
  const signed =
    ((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)
  return signed >>> 0
}

/** Refuses with `MALFORMED` what no state allows: unknown version, type or flags, a stream id where none belongs. */
export function checkHeader(version: number, type: number, flags: number, id: number): void {
  if (version !== VERSION) throw malformed(`version ${version}, only ${VERSION} is known`)
  const row = rows[type]
  if (row === undefined) throw malformed(`frame type ${type}, 0 to ${rows.length - 1} are known`)
  if ((flags & ~row.flags) !== 0) throw malformed(`flags 0x${flags.toString(16)} on frame type ${type}`)
  if (row.onStream !== (id !== 0)) throw malformed(`frame type ${type} on stream ${id}`)
  if (type === PING && flags !== FLAGS.SYN && flags !== FLAGS.ACK) throw malformed(`ping with flags ${flags}`)
}

function malformed(found: string): BusbarError {
  return new BusbarError('MALFORMED', `yamux: ${found}`)
}
