/**
 * A VMBus ring in memory: a control page, then the data. All fields are little-endian u32. Fixed by VMBus
 * (Linux `include/linux/hyperv.h`, `struct hv_ring_buffer`; openvmm `vmbus_ring/src/lib.rs`, module `protocol`).
 */

/** Bytes of a page. The control page is one; the data is a whole number of them. */
export const PAGE_BYTES = 4096

/** Cells of the control page, counted in u32 from its start. Each is written by one side only. */
export const CELLS = {
  /** Producer: where it will write next, in bytes from the start of the data. A multiple of 8. */
  WRITE_INDEX: 0,
  /** Consumer: where it will read next. */
  READ_INDEX: 1,
  /** Consumer: not 0 means "do not signal me, I am looking". */
  INTERRUPT_MASK: 2,
  /** Producer: 0, or "signal me when so many bytes are free". */
  PENDING_SEND: 3,
  /** Producer, once: see `FEATURES`. */
  FEATURE_BITS: 16,
} as const

/** Bits of the feature cell. */
export const FEATURES = {
  /** The producer sets its pending send size, and honours that of the ring in the other direction. */
  PENDING_SEND: 1,
} as const

/** Bytes of a packet descriptor: u16 type, u16 offset of the data, u16 length (both in units of 8), u16 flags, u64 transaction id. */
export const DESCRIPTOR_BYTES = 16
/** Bytes of `vmpipe_proto_header`: u32 type, u32 size. In front of the payload of each packet of a pipe. */
export const PIPE_HEADER_BYTES = 8
/** Bytes behind each packet: u32 0, u32 offset in the ring at which the packet began. */
export const FOOTER_BYTES = 8
/** Bytes of a packet besides its payload, which is padded to 8. */
export const PACKET_BYTES: number = DESCRIPTOR_BYTES + PIPE_HEADER_BYTES + FOOTER_BYTES

/** Descriptor type of a packet whose payload is in the ring: `VM_PKT_DATA_INBAND`. */
export const TYPE_IN_BAND = 6
/** First word of a descriptor as we write it: in-band, the data right behind the descriptor. */
export const DESCRIPTOR_WORD: number = TYPE_IN_BAND | ((DESCRIPTOR_BYTES / 8) << 16)
/** Pipe packet type "data". A size of 0 is the end. */
export const PIPE_DATA = 1

/** Bytes that are never filled: a full ring would look like an empty one. */
export const GAP_BYTES = 8

/** The padded length of a payload. */
export function padded(length: number): number {
  return (length + 7) & ~7
}
