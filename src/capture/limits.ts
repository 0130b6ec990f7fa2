/** What a capture may hold and how it cuts. Every number is ours; the reason stands beside it. */
export interface CaptureLimits {
  /** Bytes that may wait for a file or a reader that is slow; what comes while they wait is counted and left out. */
  queue: number
  /** Payload bytes of one direction after which the other one is shown to acknowledge them: Wireshark warns of a full window else. */
  unacknowledged: number
}

export const DEFAULT_CAPTURE_LIMITS: CaptureLimits = {
  queue: 16_777_216,
  unacknowledged: 1_048_576,
}
