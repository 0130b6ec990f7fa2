import { checkHeader, DATA, HEADER_BYTES, u16At, u32At } from './codec.ts'

/** Where decoded frames go. */
export interface FrameSink {
  /** A whole header. When it is a data frame, its `length` bytes follow through `payload`. */
  frame(type: number, flags: number, id: number, length: number): void
  /** The next bytes of the current data frame, a view into the received chunk; `last` when the frame is complete. */
  payload(piece: Uint8Array, last: boolean): void
}

/**
 * Cuts received chunks into frames. Holds at most one split header: payload is passed on as it arrives, never buffered and
 * never copied. Throws `MALFORMED`, and is of no use afterwards. Belongs to one session.
 */
export class FrameDecoder {
  readonly #split = new Uint8Array(HEADER_BYTES)
  /** Bytes in `#split`. */
  #have = 0
  /** Payload `bytes` of the current data frame that have not arrived. */
  #left = 0

  /** Whether a frame has begun and is not complete. */
  get partial(): boolean {
    return this.#have > 0 || this.#left > 0
  }

  push(chunk: Uint8Array, sink: FrameSink): void {
    const end = chunk.length
    let at = 0
    while (at < end) {
      if (this.#left > 0) {
        const length = Math.min(this.#left, end - at)
        this.#left -= length
        const whole = length === end
        const piece = whole ? chunk : new Uint8Array(chunk.buffer, chunk.byteOffset + at, length)
        at += length
        sink.payload(piece, this.#left === 0)
      } else if (this.#have === 0 && end - at >= HEADER_BYTES) {
        this.#header(chunk, at, sink)
        at += HEADER_BYTES
      } else {
        this.#split[this.#have++] = chunk[at++] as number
        if (this.#have < HEADER_BYTES) continue
        this.#have = 0
        this.#header(this.#split, 0, sink)
      }
    }
  }

  #header(bytes: Uint8Array, at: number, sink: FrameSink): void {
    const type = bytes[at + 1] as number
    const flags = u16At(bytes, at + 2)
    const id = u32At(bytes, at + 4)
    const length = u32At(bytes, at + 8)
    checkHeader(bytes[at] as number, type, flags, id)
    if (type === DATA) this.#left = length
    sink.frame(type, flags, id, length)
  }
}
