/** What crosses the bus, as a pcapng file that Wireshark reads. */
export {
  Capture,
  type CaptureCounts,
  type CapturedPipe,
  type CaptureFilter,
  type CaptureOptions,
  type PipeTap,
} from './capture.ts'
export { type CaptureLimits, DEFAULT_CAPTURE_LIMITS } from './limits.ts'
export { encodeStatistics } from './pcapng.ts'
