import { cutMarker, findMarker } from './marker.ts'
import { FRAME, type FrameType, HEADER_BYTES, MARKER, MAX_PAYLOAD, SEQUENCES, writeHeader } from './wire.ts'

/** Makes the frames of one direction of one session. The marker never occurs in what it makes. */
export class FrameEncoder {
  readonly #join: number
  #sequence = 0

  /** Payloads of up to `join` `bytes` are copied behind their header, so that both are one piece. */
  constructor(join: number) {
    this.#join = join
  }

  /** The pieces to write for `chunk`, in order. */
  data(chunk: Uint8Array): Uint8Array[] {
    const pieces: Uint8Array[] = []
    let at = 0
    while (at < chunk.length) {
      let end = Math.min(chunk.length, at + MAX_PAYLOAD)
      const marker = findMarker(chunk.subarray(at, end), 0)
      // The next header then stands in the middle of the marker.
      if (marker >= 0) end = at + marker + MARKER.length / 2
      this.#frame(pieces, FRAME.DATA, chunk.subarray(at, end))
      at = end
    }
    // The reader holds what may be a cut marker back until something follows.
    if (cutMarker(chunk) > 0) this.#frame(pieces, FRAME.DATA, new Uint8Array(0))
    return pieces
  }

  /** The END frame. */
  end(): Uint8Array[] {
    const pieces: Uint8Array[] = []
    this.#frame(pieces, FRAME.END, new Uint8Array(0))
    return pieces
  }

  /** The CLOSE frame with the number of an error code. */
  close(code: number): Uint8Array[] {
    const pieces: Uint8Array[] = []
    this.#frame(pieces, FRAME.CLOSE, Uint8Array.of(code >>> 8, code & 0xff))
    return pieces
  }

  #frame(pieces: Uint8Array[], type: FrameType, payload: Uint8Array): void {
    const joined = payload.length <= this.#join
    // Every byte is written below. Small ones come from Node's pool, which costs a third of memory of their own.
    const head = Buffer.allocUnsafe(HEADER_BYTES + (joined ? payload.length : 0))
    writeHeader(head, type, this.#sequence, payload.length)
    this.#sequence = (this.#sequence + 1) % SEQUENCES
    pieces.push(head)
    if (joined) head.set(payload, HEADER_BYTES)
    else pieces.push(payload)
  }
}
