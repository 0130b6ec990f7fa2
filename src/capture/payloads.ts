/** `u32 type, u32 size` in front of each pipe packet; type 1 is data (docs/protocol/control.md). */
const HEAD = 8
const TYPE_DATA = 1

/** Hears the payload of packets in pieces; `last` when the packet is complete. */
export type EachPayload = (piece: Uint8Array, last: boolean) => void

/**
 * Takes the headers out of a stream of pipe packets that begins anywhere. What turns out not to be packets is passed on
 * as it is from there: whoever wrote it is not trusted, and a capture shows what there was.
 */
export class Payloads {
  readonly #head = new Uint8Array(HEAD)
  #had = 0
  #left: number
  #broken = false

  /** `left` bytes of the packet under way are still to come. */
  constructor(left: number) {
    this.#left = left
  }

  push(chunk: Uint8Array, each: EachPayload): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#broken) return each(at === 0 ? chunk : chunk.subarray(at), true)
      if (this.#left > 0) {
        const end = Math.min(chunk.length, at + this.#left)
        this.#left -= end - at
        each(chunk.subarray(at, end), this.#left === 0)
        at = end
      } else {
        const end = Math.min(chunk.length, at + HEAD - this.#had)
        this.#head.set(chunk.subarray(at, end), this.#had)
        this.#had += end - at
        at = end
        if (this.#had === HEAD) this.#begin(each)
      }
    }
  }

  #begin(each: EachPayload): void {
    this.#had = 0
    const view = new DataView(this.#head.buffer)
    if (view.getUint32(0, true) === TYPE_DATA) this.#left = view.getUint32(4, true)
    else {
      this.#broken = true
      each(this.#head.slice(), true)
    }
  }
}
