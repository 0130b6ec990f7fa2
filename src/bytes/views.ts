/**
 * Remembers the DataView of the buffer that was asked for last: many short messages lie in one received chunk, and making
 * a view costs more than reading a short message.
 */
export class Views {
  #buffer: ArrayBufferLike | undefined
  #view: DataView = new DataView(new ArrayBuffer(0))

  /** A view of the whole buffer behind `bytes`. */
  of(bytes: Uint8Array): DataView {
    const { buffer } = bytes
    if (buffer !== this.#buffer) {
      this.#buffer = buffer
      this.#view = new DataView(buffer)
    }
    return this.#view
  }
}
