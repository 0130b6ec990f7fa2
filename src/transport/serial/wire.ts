/**
 * Begins every HELLO and occurs nowhere else in the stream (our choice). All sixteen bytes are 0x80 or more, which no byte of a header or
 * of a HELLO's body is; the first one is not repeated, so that a cut marker followed by a whole one is found without going back.
 */
export const MARKER: Uint8Array = Uint8Array.from([
  0xf5, 0x9b, 0xe3, 0xc7, 0x8d, 0xb2, 0xfa, 0xd6, 0xa9, 0xee, 0x91, 0xcb, 0xb8, 0xe5, 0x9c, 0xd3,
])

/** The version of this protocol. */
const VERSION = 1
/** Bytes of a nonce, each below 0x80: 70 random bits. Our choice: no two of one port's lifetime are ever equal. */
const NONCE_BYTES = 10
/** Bytes of a HELLO behind the marker: version, kind, nonce, echo. */
export const HELLO_BODY_BYTES: number = 2 + 2 * NONCE_BYTES
/** Bytes of a frame header: 28 bits in four bytes below 0x80. */
export const HEADER_BYTES = 4
/** Longest payload of a frame, `bytes` (our choice: what a mux frame holds). */
export const MAX_PAYLOAD = 65_536
/** Frames are numbered modulo this, from 0 in each session and direction. */
export const SEQUENCES = 256

/** What a HELLO asks for. */
export const HELLO = {
  /** "I have no session: answer me." */
  SEEK: 0,
  /** "I have a session with you, and nothing was sent in it yet." Not answered. */
  ANSWER: 1,
  /** "I have a session with you, and frames were sent in it already." Not answered; whoever has no session yet missed them. */
  LATE: 2,
} as const
export type HelloKind = (typeof HELLO)[keyof typeof HELLO]

/** What a frame is. */
export const FRAME = {
  /** Payload of the session. May be empty: then it only proves that the bytes before it were no cut marker. */
  DATA: 0,
  /** No more DATA in this direction. No payload. */
  END: 1,
  /** The session is over in both directions. Payload: the code, u16 big-endian. */
  CLOSE: 2,
} as const
export type FrameType = (typeof FRAME)[keyof typeof FRAME]

export interface Hello {
  readonly kind: HelloKind
  /** The sender's nonce of this session or of this attempt. */
  readonly nonce: string
  /** The nonce that the sender last heard, or the empty string. */
  readonly echo: string
}

/** A whole HELLO with its marker. Nonces are texts of `NONCE_BYTES` characters below U+0080. */
export function encodeHello(hello: Hello): Uint8Array {
  const bytes = new Uint8Array(MARKER.length + HELLO_BODY_BYTES)
  bytes.set(MARKER)
  bytes[MARKER.length] = VERSION
  bytes[MARKER.length + 1] = hello.kind
  for (let i = 0; i < NONCE_BYTES; i++) {
    bytes[MARKER.length + 2 + i] = hello.nonce.charCodeAt(i)
    bytes[MARKER.length + 2 + NONCE_BYTES + i] = hello.echo === '' ? 0 : hello.echo.charCodeAt(i)
  }
  return bytes
}

/** A HELLO from its body; `undefined` when a newer version or a cut made it unreadable, which is the same as not heard. */
export function decodeHello(body: Uint8Array): Hello | undefined {
  const [version, kind] = body
  if (version !== VERSION) return undefined
  if (kind !== HELLO.SEEK && kind !== HELLO.ANSWER && kind !== HELLO.LATE) return undefined
  const nonce = text(body.subarray(2, 2 + NONCE_BYTES))
  const echo = text(body.subarray(2 + NONCE_BYTES, HELLO_BODY_BYTES))
  if (nonce === '') return undefined
  return { kind, nonce, echo }
}

/** A fresh nonce from `random`. */
export function makeNonce(random: (into: Uint8Array) => Uint8Array): string {
  for (;;) {
    const nonce = text(random(new Uint8Array(NONCE_BYTES)).map((byte) => byte & 0x7f))
    if (nonce !== '') return nonce
  }
}

/** All zeros mean no nonce. */
function text(bytes: Uint8Array): string {
  return bytes.every((byte) => byte === 0) ? '' : String.fromCharCode(...bytes)
}

/** Writes the four bytes of a header: type (3 bits), sequence (8 bits), length (17 bits), seven bits a byte, highest first. */
export function writeHeader(into: Uint8Array, type: FrameType, sequence: number, length: number): void {
  const bits = (type << 25) | (sequence << 17) | length
  into[0] = bits >>> 21
  into[1] = (bits >>> 14) & 0x7f
  into[2] = (bits >>> 7) & 0x7f
  into[3] = bits & 0x7f
}

/** The fields of 28 header bits. */
export function readHeader(bits: number): { type: number; sequence: number; length: number } {
  return { type: bits >>> 25, sequence: (bits >>> 17) & 0xff, length: bits & 0x1_ffff }
}
