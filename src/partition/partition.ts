/** How a partition ended. */
export interface PartitionExit {
  /** Exit status of QEMU or of the program; `null` when a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /**
   * What QEMU said of it: `guest-shutdown` (the guest powered off), `guest-reset` (its kernel panicked or rebooted),
   * `host-signal` ... `undefined` when it had no time to say, and for processes.
   */
  readonly reason: string | undefined
}

export interface StopOptions {
  /** How long the partition may take to end by itself before it is ended, `ms`. Default 5000. */
  readonly graceMs?: number
}

/** What every running partition does, whatever it is made of. Whoever launched it owns it: `stop`, or `await using`. */
export interface RunningPartition extends AsyncDisposable {
  readonly name: string
  /** Process id on this machine, of QEMU or of the program; it leads its process group. */
  readonly pid: number
  /** Settles when the process is gone and its files are removed; never rejects. */
  readonly exited: Promise<PartitionExit>
  /** Asks for an orderly end, then ends it; returns when it is gone. Safe to call twice. */
  stop(options?: StopOptions): Promise<PartitionExit>
  /** Sends a signal to the whole process group at once. Default `SIGKILL`. */
  kill(signal?: NodeJS.Signals): void
  /** Plain data for an operator. */
  inspect(): Readonly<Record<string, unknown>>
}

/** Default of `StopOptions.graceMs` (our choice: an emulated guest needs about one second). */
export const DEFAULT_GRACE_MS = 5000

/** A name is a file name, a host name and part of service names. */
export const PARTITION_NAME: RegExp = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
