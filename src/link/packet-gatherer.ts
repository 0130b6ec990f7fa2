import { PACKET_HEADER_BYTES, writePacketHeader } from './packet-header.ts'

/** Memory that packets are written into, `bytes` (our choice: some four hundred short ones, and little for a link that is idle). */
const SLAB_BYTES = 32_768

const NOTHING = new Uint8Array(0)

/** Short packets, one behind the other, to be written to a link at once. What was taken is never touched again, unless it was given back. */
export class PacketGatherer {
  #bytes: Uint8Array = NOTHING
  /** What was not taken. */
  #start = 0
  #end = 0

  /** Copies a payload behind its header; false, and nothing happens, when what is here must be taken first. */
  add(payload: Uint8Array): boolean {
    const { length } = payload
    const at = this.#end
    const end = at + PACKET_HEADER_BYTES + length
    if (end > this.#bytes.length) {
      if (at > this.#start) return false
      this.#bytes = new Uint8Array(Math.max(SLAB_BYTES, PACKET_HEADER_BYTES + length))
      this.#start = 0
      this.#end = 0
      return this.add(payload)
    }
    writePacketHeader(this.#bytes, at, length)
    this.#bytes.set(payload, at + PACKET_HEADER_BYTES)
    this.#end = end
    return true
  }

  /** What was added since the last time, if anything. */
  take(): Uint8Array | undefined {
    const start = this.#start
    const end = this.#end
    if (start === end) return undefined
    this.#start = end
    return new Uint8Array(this.#bytes.buffer, start, end - start)
  }

  /** What was taken was copied: its memory serves again, unless there is more behind it. */
  giveBack(): void {
    if (this.#start !== this.#end) return
    this.#start = 0
    this.#end = 0
  }

  clear(): void {
    this.#bytes = NOTHING
    this.#start = 0
    this.#end = 0
  }
}
