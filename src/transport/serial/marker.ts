import { MARKER } from './wire.ts'

const FIRST = MARKER[0] as number
const marker = Buffer.from(MARKER.buffer, MARKER.byteOffset, MARKER.length)

/** Where the marker begins in `bytes` at or after `from`; -1 when it is not there whole. */
export function findMarker(bytes: Uint8Array, from: number): number {
  // Most short messages do not even hold its first byte, and this look-up needs no other object.
  const first = bytes.indexOf(FIRST, from)
  if (first < 0) return -1
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(marker, first)
}

/** How many bytes at the end of `bytes` are the beginning of a marker, whole ones not counted. */
export function cutMarker(bytes: Uint8Array): number {
  for (let at = Math.max(0, bytes.length - MARKER.length + 1); at < bytes.length; at++) {
    if (bytes[at] !== FIRST) continue
    let same = 1
    while (at + same < bytes.length && bytes[at + same] === MARKER[same]) same++
    if (at + same === bytes.length) return same
  }
  return 0
}

/** What the scanner finds, in order. */
export interface Found {
  bytes(bytes: Uint8Array): void
  marker(): void
}

/** Finds markers in a stream, wherever it is cut. Bytes that may be the beginning of one are held until the next ones tell. */
export class MarkerScanner {
  readonly #found: Found
  /** How many bytes of a marker the stream ends with. */
  #held = 0

  constructor(found: Found) {
    this.#found = found
  }

  /** Another stream begins. */
  restart(): void {
    this.#held = 0
  }

  push(chunk: Uint8Array): void {
    let at = this.#held > 0 ? this.#resume(chunk) : 0
    if (this.#held > 0) return
    for (;;) {
      const next = findMarker(chunk, at)
      if (next < 0) break
      if (next > at) this.#found.bytes(chunk.subarray(at, next))
      at = next + MARKER.length
      this.#found.marker()
    }
    if (at === chunk.length) return
    const rest = at === 0 ? chunk : chunk.subarray(at)
    this.#held = cutMarker(rest)
    if (this.#held < rest.length)
      this.#found.bytes(this.#held === 0 ? rest : rest.subarray(0, rest.length - this.#held))
  }

  /** Goes on with a marker that the last chunk cut; returns how many bytes of this chunk belonged to it. */
  #resume(chunk: Uint8Array): number {
    let at = 0
    while (at < chunk.length && this.#held < MARKER.length && chunk[at] === MARKER[this.#held]) {
      at++
      this.#held++
    }
    if (this.#held === MARKER.length) {
      this.#held = 0
      this.#found.marker()
      return at
    }
    if (at === chunk.length) return at
    // Not a marker after all: its bytes were payload, and as the first one is not repeated no other marker began in them.
    const held = this.#held
    this.#held = 0
    this.#found.bytes(MARKER.subarray(0, held))
    return at
  }
}
