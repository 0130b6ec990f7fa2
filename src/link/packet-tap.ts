import { PACKET_HEADER_BYTES, parsePacketHeader } from './packet-header.ts'
import type { PumpTap } from './pump.ts'

/** Tells a tap the payload of packets that pass as they are, as `PacketStream` hands them out: checked, headers never split. */
export class PacketTap implements PumpTap {
  readonly #tap: PumpTap
  #left: number

  /** `left`: the payload bytes of the packet under way that are still to come. */
  constructor(tap: PumpTap, left: number) {
    this.#tap = tap
    this.#left = left
  }

  bytes(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#left === 0) {
        this.#left = parsePacketHeader(chunk, at, Number.POSITIVE_INFINITY)
        at += PACKET_HEADER_BYTES
        continue
      }
      const part = chunk.subarray(at, at + this.#left)
      this.#left -= part.length
      at += part.length
      this.#tap.bytes(part)
    }
  }

  ended(): void {
    this.#tap.ended()
  }
}
