import { BusbarError } from '../../errors/index.ts'
import type { Reader, Writer } from '../../bytes/index.ts'
import { unwatchSignal, watchSignal } from '../../link/index.ts'
import type { Numbered } from './call-table.ts'
import type { Reassembly } from './reassembly.ts'

/** What came back from a call: its marshalled results and the byte order they are in. */
export interface RpcReply {
  readonly stub: Uint8Array
  readonly little: boolean
}

/** How the calls of one operation are packaged: what an RPC object knows of its contract. */
export interface Packaging<A = unknown, R = unknown> {
  /** About the `bytes` of a request. */
  measure(args: A): number
  /** What it throws the call rejects with, and nothing was sent. */
  write(writer: Writer, args: A): void
  /** Reads a whole answer; what it throws the call rejects with, as it is. Must neither call nor wait. */
  read(reader: Reader): R
  /** An answer may give what has to go back when nobody takes it. */
  readonly gives?: boolean
  /** What the call rejects with when it failed with `reason`, before its answer was read: an error, or a promise that rejects. */
  failed(reason: BusbarError): BusbarError | Promise<never>
}

/** Whoever counts the calls that have no outcome yet. */
export interface CallCounter {
  calls: number
  /** One of them has its outcome. */
  settled(): void
}

export interface CallOptions {
  /** UUID of the object that is called. */
  readonly object?: string
  readonly signal?: AbortSignal
  /** Counts the call until it has its outcome. */
  readonly counter?: CallCounter
  /** It leaves with what else is sent in this turn, also where no other call is under way: some that follow it may be made by then. */
  readonly gathers?: boolean
  /**
   * Takes the answer of a call whose signal fired first: what it gives can then be given back. Not called when the call
   * was never sent, when it failed, or when the link ends first. An answer that passes a limit, late or not, ends the association:
   * nobody could give back what it gives.
   */
  readonly late?: (reply: RpcReply) => void
  /** Told, before the call rejects, that its signal fired while it was still on this side: the request was never sent. */
  readonly unsent?: () => void
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
  readonly late: ((reply: RpcReply) => void) | undefined
  unsent: (() => void) | undefined
  /** The answer may give what has to go back: it is read, or the association is over. */
  readonly gives: boolean
  readonly #packaging: Packaging
  readonly #resolve: (result: unknown) => void
  readonly #reject: (reason: BusbarError) => void
  readonly #counter: CallCounter | undefined
  #signal: AbortSignal | undefined
  #aborted: (() => void) | undefined
  /** The caller has its outcome, and `late` takes the answer. */
  #handedOver = false

  constructor(
    packaging: Packaging,
    resolve: (result: unknown) => void,
    reject: (reason: BusbarError) => void,
    counter?: CallCounter,
    late?: (reply: RpcReply) => void,
  ) {
    this.late = late
    this.gives = late !== undefined || packaging.gives === true
    this.#packaging = packaging
    this.#resolve = resolve
    this.#reject = reject
    this.#counter = counter
    if (counter !== undefined) counter.calls++
  }

  /** Calls `aborted` when the signal fires before the call has its outcome. */
  watch(signal: AbortSignal, aborted: () => void): void {
    this.#signal = signal
    this.#aborted = aborted
    watchSignal(signal, aborted)
  }

  /** It was never sent. */
  forget(): void {
    this.#unwatch()
    this.#counter?.settled()
  }

  /** The answer is in. */
  succeed(answer: Reader): void {
    if (this.#aborted !== undefined) this.#unwatch()
    if (this.#handedOver) return this.late?.(RAW.read(answer))
    this.#counter?.settled()
    let result: unknown
    try {
      result = this.#packaging.read(answer)
    } catch (thrown) {
      this.#reject(BusbarError.from(thrown))
      return
    }
    this.#resolve(result)
  }

  fail(reason: BusbarError): void {
    this.#unwatch()
    if (this.#handedOver) return
    this.#counter?.settled()
    const failure = this.#packaging.failed(reason)
    if (failure instanceof Promise) this.#resolve(failure)
    else this.#reject(failure)
  }

  /** The caller has its outcome; the answer, if one comes, goes to `late`. */
  handOver(): void {
    this.#handedOver = true
  }

  #unwatch(): void {
    if (this.#aborted === undefined || this.#signal === undefined) return
    unwatchSignal(this.#signal, this.#aborted)
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

/** Stubs that are marshalled elsewhere. */
export const RAW: Packaging<Uint8Array, RpcReply> = {
  measure: (stub) => stub.length,
  write: (writer, stub) => writer.bytes(stub),
  read: (reader) => ({ stub: reader.bytes(reader.left), little: reader.little }),
  failed: (reason) => reason,
}
