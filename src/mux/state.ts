import type { BusbarError } from '../errors/index.ts'

/** What the two sides have said on one stream. Whether SYN or ACK went out is a separate fact. */
export type StreamState =
  /** Neither side has ended: both may send. */
  | { readonly kind: 'open' }
  /** Our FIN was handed to the link: only the peer may send. */
  | { readonly kind: 'ended' }
  /** The peer's FIN has arrived: only we may send. */
  | { readonly kind: 'peer-ended' }
  /** Both FINs have passed, and some of what arrived is unread. */
  | { readonly kind: 'finished' }
  /** Read to the end after both FINs (no reason), reset by a side, or lost with the session. */
  | { readonly kind: 'over'; readonly reason: BusbarError | undefined }

const OPEN: StreamState = { kind: 'open' }
const ENDED: StreamState = { kind: 'ended' }
const PEER_ENDED: StreamState = { kind: 'peer-ended' }
const FINISHED: StreamState = { kind: 'finished' }

export function initialState(): StreamState {
  return OPEN
}

/** Our FIN went out. */
export function afterEnd(state: StreamState): StreamState {
  switch (state.kind) {
    case 'open':
      return ENDED
    case 'peer-ended':
      return FINISHED
    case 'ended':
    case 'finished':
    case 'over':
      return state
    default:
      return state satisfies never
  }
}

/** The peer's FIN arrived; `undefined` when it had ended before, which the protocol does not allow. */
export function afterPeerEnd(state: StreamState): StreamState | undefined {
  switch (state.kind) {
    case 'open':
      return PEER_ENDED
    case 'ended':
      return FINISHED
    case 'peer-ended':
    case 'finished':
      return undefined
    case 'over':
      return state
    default:
      return state satisfies never
  }
}

/** Whether the peer may send data in this state. */
export function peerMaySend(state: StreamState): boolean {
  return state.kind === 'open' || state.kind === 'ended'
}
