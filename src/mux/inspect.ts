import type { StreamCore } from './stream-core.ts'
import type { StreamState } from './state.ts'

/** One stream, as plain data. */
export interface MuxStreamInspect {
  readonly id: number
  readonly state: StreamState['kind']
  /** Whether SYN (ours) or ACK (the peer's) went out. */
  readonly announced: boolean
  /** `bytes` that we may still send. */
  readonly sendWindow: number
  /** Size of our receive window, `bytes`. */
  readonly receiveWindow: number
  /** `bytes` that the peer may still send. */
  readonly receiveCredit: number
  /** `bytes` written and not yet handed to the link. */
  readonly queued: number
  /** `bytes` that arrived and were not read. */
  readonly unread: number
}

/** A session, as plain data. */
export interface MuxInspect {
  readonly role: 'client' | 'server'
  readonly state: 'live' | 'leaving' | 'over'
  readonly streams: readonly MuxStreamInspect[]
  /** Streams ever opened by this side, accepted from the peer, and refused. */
  readonly opened: number
  readonly accepted: number
  readonly refused: number
  /** `bytes` that arrived for streams that are over. */
  readonly dropped: number
  /** Control frames that wait for the link. */
  readonly control: number
  /** `bytes` written to the link that it has not taken. */
  readonly unsettled: number
  /** `bytes` by which windows may still grow. */
  readonly windowBudget: number
  /** Pings without reply. */
  readonly pings: number
}

export function inspectStream(core: StreamCore): MuxStreamInspect {
  return {
    id: core.id,
    state: core.state.kind,
    announced: core.announced,
    sendWindow: core.sendWindow,
    receiveWindow: core.window.size,
    receiveCredit: core.window.credit,
    queued: core.queued,
    unread: core.unread,
  }
}
