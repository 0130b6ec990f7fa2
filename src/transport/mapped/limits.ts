import { PAGE_BYTES } from '../../ring/index.ts'

/** Every limit of rings in mapped memory: the default, its unit, the reason. */
export interface RingLimits {
  /** Data of one ring, `bytes`: a channel has two. What is in flight in one direction at most. */
  readonly ringBytes: number
  /** Arrived and not read before the ring is left as it is, `bytes`. */
  readonly unread: number
  /** Taken out of one ring before everything else has its turn, `bytes`. */
  readonly turn: number
  /** How long a process looks for more before it sleeps, `ms`; 0: never. */
  readonly window: number
  /** How long it looks before the event loop has a turn, `ms`: everything else in the process waits meanwhile. */
  readonly spin: number
}

export const RING_LIMITS: RingLimits = {
  // As much as a Unix socket takes; both rings of a channel stay in the second-level cache.
  ringBytes: 262_144,
  // The ring itself is the buffer: one read ahead is enough.
  unread: 65_536,
  // As sockets do (`socket/turn.ts`), and one ring full.
  turn: 262_144,
  // About as long as a call takes whose other side must be woken first, or both would never come to look at once. With 0.3 and a third
  // process on two cores, a call took 354 µs, because the other side got its processor only when this one slept.
  window: 0.1,
  // A turn of the event loop takes 2 µs.
  spin: 0.03,
}

/**
 * How long the link of a stream that is over may stay without its end, `ms`. Our choice: an honest end sends it right behind the one in the ring, and may
 * be kept from running as long as when it is offered rings.
 */
export const LINK_END = 60_000

/** Longest window that can be set, `ms` (our choice: longer than any doorbell takes; who looks holds a processor). */
export const MAX_WINDOW = 1000
/** Most `bytes` that can be set where a limit counts those of one ring (our choice: as much as the largest ring holds). */
export const MAX_UNREAD: number = 4096 * PAGE_BYTES

/**
 * Data of one ring where nothing but the two ends shares the memory, `bytes`: between processes and between threads. Each time that a ring is full its
 * reader wakes the writer, which takes as long as copying a megabyte: with eight times less a pipe carried little more than half. And more than a second-level cache holds:
 * what the reader has in his, the writer must take away from it (with 1 MiB a pipe carried 14 to 16 GB/s, so 20 to 26, on processors that are close). Memory is taken as it is touched.
 */
export const PRIVATE_RING_BYTES = 2_097_152

/** Longest payload of one packet, `bytes`. Fixed by version 1 of the region: one write of a bulk stream. */
export const RING_PAYLOAD = 65_536
/** What the two sides agree on beside the region. Fixed by version 1 of the region. */
export const RING_OPTIONS: { readonly mode: 'byte'; readonly maxPayload: number } = {
  mode: 'byte',
  maxPayload: RING_PAYLOAD,
}
/** Largest ring that is mapped, `bytes` of data (our choice). */
export const MAX_RING_BYTES: number = 4096 * PAGE_BYTES
/** Memory that two machines share, `bytes` (our choice: rings for 31 channels at once; only what is touched is taken). A power of two, since PCI has it so. */
export const SHARED_BYTES: number = 16 * 1024 ** 2
/** Regions of one machine: each is a function of a PCI device, eight to a slot, in eight slots (our choice). */
export const MAX_REGIONS = 64
/**
 * The same as `RING_LIMITS.window` between machines, `ms`: some round trips of a doorbell, which goes through two virtio-serial ports and the bus
 * and takes 15 to 30 ms where the processors are emulated. Who stops looking before a doorbell can come never looks again: with 5 ms every call
 * waited for one. A machine that looks takes its own processor only.
 */
export const MACHINE_WINDOW = 100
/**
 * The same as `RING_LIMITS.window` in the bus, where the other end is a machine, `ms`. One that is emulated takes a millisecond for a call until its code is
 * compiled, and a tenth afterwards: with 3 looking did not always begin to pay, with 1 never, and calls waited for glances.
 */
export const BUS_WINDOW = 5
/**
 * How long the bus glances at such rings before it waits for a doorbell, `ms` (our choice: as long as a program of a machine looks, and some more, so that
 * neither needs a doorbell while calls follow each other). A glance takes some 20 µs, 2 % of a processor while it lasts.
 */
export const DOZE = 200
/** Time between two glances, `ms`: the least that a timer does. */
export const DOZE_TICK = 1
