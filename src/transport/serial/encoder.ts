import { cutMarker, findMarker } from './marker.ts'
import { FRAME, type FrameType, HEADER_BYTES, MARKER, MAX_PAYLOAD, SEQUENCES, writeHeader } from './wire.ts'

/** Payloads up to this many `bytes` are copied behind their header: one write costs more than the copy (our choice). */
const JOIN_BYTES = 1024

/** Makes the frames of one direction of one session. The marker never occurs in what it makes. */
export class FrameEncoder {
  #sequence = 0

  /** The pieces to write for `chunk`, in order. Long payloads are not copied. */
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
    const joined = payload.length <= JOIN_BYTES
    const head = new Uint8Array(HEADER_BYTES + (joined ? payload.length : 0))
    writeHeader(head, type, this.#sequence, payload.length)
    this.#sequence = (this.#sequence + 1) % SEQUENCES
    pieces.push(head)
    if (joined) head.set(payload, HEADER_BYTES)
    else pieces.push(payload)
  }
}
