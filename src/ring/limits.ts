import { BusbarError } from '../errors/index.ts'
import { DESCRIPTOR_BYTES, GAP_BYTES, PACKET_BYTES, PAGE_BYTES, PIPE_HEADER_BYTES } from './layout.ts'

/** Least bytes of data. Fixed by VMBus: one page. */
export const MIN_DATA: number = PAGE_BYTES
/** Most bytes of data. Our choice: 1 GiB, so that the sum of two offsets stays far below 2^31. */
export const MAX_DATA = 0x4000_0000
/** Longest payload of a pipe packet, `bytes`, unless both sides agreed on more. Fixed by hvsock and openvmm. */
export const DEFAULT_PAYLOAD = 16_384
/** Longest payload that a descriptor can say, `bytes`: its length has 16 bits, in units of 8. */
const MAX_PAYLOAD: number = 0xffff * 8 - DESCRIPTOR_BYTES - PIPE_HEADER_BYTES

/**
 * What a ring of `dataBytes` takes in one packet at most, when the sides agreed on `asked`: one packet and the end must
 * fit. `INVALID_ARGUMENT` for less than 1.
 */
export function payloadLimit(dataBytes: number, asked: number): number {
  if (!Number.isInteger(asked) || asked < 1) {
    throw new BusbarError('INVALID_ARGUMENT', `a longest payload of ${asked} bytes: an integer of at least 1 is needed`)
  }
  return Math.min(asked, MAX_PAYLOAD, dataBytes - GAP_BYTES - 2 * PACKET_BYTES)
}
