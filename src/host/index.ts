/** The host's side: the broker with its policy, and the partitions of a configuration. */
export { BusCapture, type BusCaptureFile, RunningCapture } from './capture.ts'
export { type ConfiguredHostOptions, openConfiguredHost } from './configured-host.ts'
export { BusHost, type BusHostOptions } from './host.ts'
export type { HostEvent } from './host-events.ts'
export type { Launched } from './launched.ts'
