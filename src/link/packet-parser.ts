import { PACKET_HEADER_BYTES, parsePacketHeader } from './packet-header.ts'

const NOTHING = new Uint8Array(0)

/**
 * Takes chunks of any size apart into the payloads of whole packets. What lies in one chunk is a view of it; what is split is gathered, after its
 * size was checked. Belongs to one link. Holds one chunk and one packet at most.
 */
export class PacketParser {
  readonly #max: number
  #chunk: Uint8Array = NOTHING
  /** Of the chunk. Asking it for them each time costs more than reading a header. */
  #buffer: ArrayBufferLike = NOTHING.buffer
  #offset = 0
  #at = 0
  /** The first bytes of a header whose other bytes have not come. */
  readonly #split = new Uint8Array(PACKET_HEADER_BYTES)
  #have = 0
  /** The packet that comes in several chunks, and how much of it is here. */
  #packet: Uint8Array | undefined
  #filled = 0
  #ended = false

  /** `max`: longest payload, `bytes`. */
  constructor(max: number) {
    this.#max = max
  }

  /** The end packet has come. */
  get ended(): boolean {
    return this.#ended
  }

  /** Bytes of the last chunk that were not looked at. */
  get left(): number {
    return this.#chunk.length - this.#at
  }

  /** The next chunk, once `next` has nothing more. */
  push(chunk: Uint8Array): void {
    this.#chunk = chunk
    this.#buffer = chunk.buffer
    this.#offset = chunk.byteOffset
    this.#at = 0
  }

  clear(): void {
    this.push(NOTHING)
    this.#packet = undefined
    this.#have = 0
  }

  /** The next payload that is here whole; `undefined` when there is none, or at the end. `MALFORMED` or `LIMIT` for a wrong header. */
  next(): Uint8Array | undefined {
    const start = this.#at
    const payload = start + PACKET_HEADER_BYTES
    if (this.#ended || this.#have !== 0 || this.#packet !== undefined || payload > this.#chunk.length) {
      return this.#ended ? undefined : this.#gather()
    }
    const size = parsePacketHeader(this.#chunk, start, this.#max)
    if (size === 0 || payload + size > this.#chunk.length) return this.#gather()
    this.#at = payload + size
    return new Uint8Array(this.#buffer, this.#offset + payload, size)
  }

  /** What is not whole in this chunk. */
  #gather(): Uint8Array | undefined {
    const chunk = this.#chunk
    if (this.#packet === undefined) {
      while (this.#have < PACKET_HEADER_BYTES && this.#at < chunk.length) {
        this.#split[this.#have++] = chunk[this.#at++] as number
      }
      if (this.#have < PACKET_HEADER_BYTES) return undefined
      this.#have = 0
      const size = parsePacketHeader(this.#split, 0, this.#max)
      this.#ended = size === 0
      if (this.#ended) return undefined
      this.#packet = new Uint8Array(size)
      this.#filled = 0
    }
    const packet = this.#packet
    const end = Math.min(chunk.length, this.#at + packet.length - this.#filled)
    packet.set(chunk.subarray(this.#at, end), this.#filled)
    this.#filled += end - this.#at
    this.#at = end
    if (this.#filled < packet.length) return undefined
    this.#packet = undefined
    return packet
  }
}
