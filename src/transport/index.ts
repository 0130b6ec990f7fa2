/** Real media: Unix socket, virtio-serial port, hybrid vsock, AF_VSOCK, shared memory. */
export { BusyPoller } from './busy-poller.ts'
export { nodeEnv } from './env.ts'
export { connectHybridVsock, type HybridConnectOptions } from './hybrid/connect.ts'
export { listenHybridVsock } from './hybrid/listen.ts'
export {
  HYBRID_LIMITS,
  maxSocketPath,
  SERIAL_LIMITS,
  type SerialLimits,
  TRANSPORT_LIMITS,
  type TransportLimits,
} from './limits.ts'
export { RingAllocator, type RingMemory } from './mapped/allocator.ts'
export type { Bell } from './mapped/bell.ts'
export { DozingPoller } from './mapped/dozing-poller.ts'
export { type Libc, loadLibc, type Mapping } from './mapped/libc.ts'
export {
  BUS_WINDOW,
  MAX_REGIONS,
  PRIVATE_RING_BYTES,
  RING_LIMITS,
  RING_PAYLOAD,
  type RingLimits,
  SHARED_BYTES,
} from './mapped/limits.ts'
export { MappedStream, type RingGrant, RingMedium } from './mapped/medium.ts'
export { type PlaceGrant, PlaceMedium, type PlaceSignals, PlacedStream } from './mapped/place-medium.ts'
export { type Polled, RingPoller } from './mapped/poller.ts'
export { formatRegion, openRegion, regionBytes } from './mapped/region.ts'
export { openRegionTo, regionAddress, regionPath } from './mapped/region-device.ts'
export { checkedRingLimits, pollWindow, type ProgramRingLimits, ringsSwitch } from './mapped/settings.ts'
export { SharedMemory, type SharedPlace } from './mapped/shared-memory.ts'
export { type Rings, RingStream } from './mapped/stream.ts'
export { DeviceOpener } from './serial/device.ts'
export { type FindOptions, findSerialPort } from './serial/find.ts'
export { serialGuest, type SerialGuestOptions } from './serial/guest.ts'
export { serialHost, type SerialHostOptions } from './serial/host.ts'
export { SerialPort, type SerialPortOptions } from './serial/port.ts'
export type { SerialSession } from './serial/session.ts'
export { type ConnectOptions, connectUnix } from './socket/connect.ts'
export { fdLink, socketLink } from './socket/link.ts'
export { type ListenOptions, listenUnix, type UnixListener } from './socket/listen.ts'
export { transferOf, workerLink, type WorkerPort, workerPorts } from './worker/ports.ts'
