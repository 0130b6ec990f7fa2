import { BusbarError } from '../../errors/index.ts'
import type { Numbered } from './call-table.ts'
import type { Reassembly } from './reassembly.ts'

/** What came back from a call: its marshalled results and the byte order they are in. */
export interface RpcReply {
  readonly stub: Uint8Array
  readonly little: boolean
}

export interface CallOptions {
  /** UUID of the object that is called. */
  readonly object?: string
  readonly signal?: AbortSignal
  /**
   * Takes the answer of a call whose signal fired first: what it gives can then be given back. Not called when the call
   * was never sent, when it failed, or when the link ends first.
   */
  readonly late?: (reply: RpcReply) => void
}

type State =
  /** Waits on this side for its turn. */
  | 'queued'
  /** The request is out, nothing of the answer is in. */
  | 'sent'
  /** Part of the response is in. */
  | 'receiving'
  /** The caller has its outcome; the slot waits for the rest of the answer or for the end of the grace time. */
  | 'dropped'

/** One call of this client from the moment it is made until its slot is free again. */
export class PendingCall implements Numbered {
  id = 0
  state: State = 'queued'
  /** The first fragment of the answer is in, whatever became of the call. */
  begun = false
  parts: Reassembly | undefined
  little = true
  /** When a cancelled call is orphaned, `milliseconds` of the clock. */
  orphanAt = 0
  /** Who takes the answer once the caller has its outcome. */
  late: ((reply: RpcReply) => void) | undefined
  #resolve: (reply: RpcReply) => void
  #reject: (reason: BusbarError) => void
  #signal: AbortSignal | undefined
  #aborted: (() => void) | undefined

  constructor(resolve: (reply: RpcReply) => void, reject: (reason: BusbarError) => void) {
    this.#resolve = resolve
    this.#reject = reject
  }

  /** Calls `aborted` when the signal fires before the call has its outcome. */
  watch(signal: AbortSignal, aborted: () => void): void {
    this.#signal = signal
    this.#aborted = aborted
    signal.addEventListener('abort', aborted, { once: true })
  }

  succeed(reply: RpcReply): void {
    this.#unwatch()
    this.#resolve(reply)
  }

  fail(reason: BusbarError): void {
    this.#unwatch()
    this.#reject(reason)
  }

  /** The caller has its outcome; the answer, if one comes, goes to `late`. */
  handOver(late: (reply: RpcReply) => void): void {
    this.#resolve = late
    this.#reject = () => {}
  }

  #unwatch(): void {
    if (this.#aborted === undefined) return
    this.#signal?.removeEventListener('abort', this.#aborted)
    this.#signal = undefined
    this.#aborted = undefined
  }
}

/** The error for a fired signal: its own reason when that is one of ours (a deadline, say), else `CANCELLED`. */
export function abortError(signal: AbortSignal): BusbarError {
  const { reason } = signal
  if (reason instanceof BusbarError) return reason
  return new BusbarError('CANCELLED', 'the caller cancelled the call', { cause: reason })
}
