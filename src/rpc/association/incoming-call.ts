import { type Guid, Reader, type Writer } from '../../bytes/index.ts'
import type { BusbarError } from '../../errors/index.ts'
import type { Awaitable } from '../../link/index.ts'
import type { InterfaceId } from '../pdu/syntax.ts'

/** A call as its interface sees it. */
export interface IncomingCall {
  readonly opnum: number
  /** UUID of the object that is called. */
  readonly object: Guid | undefined
  /** Marshalled arguments: a view of received memory, free to be kept. Made when it is first asked for. */
  readonly stub: Uint8Array
  /** Byte order of the stub. */
  readonly little: boolean
  /** Fires when the caller cancels or is gone. Made when it is first asked for. */
  readonly signal: AbortSignal
  /** The same as a flag, which costs nothing. */
  readonly cancelled: boolean
  /** The marshalled arguments, from their start. */
  arguments(): Reader
  /**
   * A writer for marshalled results of about `size` bytes, where they can be sent from. What is written must be given to `answer` before
   * anything else is done; where that cannot be, `discard` it. `leaves`: long bytes among them are sent from where they lie, and pass to the link.
   */
  results(size: number, leaves?: boolean): Writer
  /**
   * Says that nobody looks at the arguments any more when this call is answered: their memory is then taken away, and used again for the
   * next calls of this caller. What was kept of them is empty from then on.
   */
  recycle(): void
  /**
   * Whether so many answers wait for the peer to read them that long results should not be made yet, since other calls would wait behind them: then `relieved` is told once, when
   * they may be, or nobody waits for them any more.
   */
  crowded(relieved: () => void): boolean
  /** Sends the results, once. */
  answer(results: Writer): void
  /** Throws away what was written of the results. */
  discard(): void
  /** Sends what was thrown as a fault, instead of results. */
  fail(thrown: unknown): void
}

/** Where the answer of a call goes. */
export interface Answering {
  results(size: number, leaves: boolean): Writer
  crowded(relieved: () => void): boolean
  answer(call: ServerCall, results: Writer): void
  discard(): void
  fail(call: ServerCall, thrown: unknown): void
}

/** What a server serves under one interface id. */
export interface RpcInterface {
  readonly id: InterfaceId
  /** How many operations there are: requests for a higher opnum are refused before dispatch. */
  readonly opnums: number
  /**
   * Runs one call. Its results go to `call.answer`, now or later, or it gives them marshalled, and then they pass to the link. What
   * it throws becomes a fault.
   */
  dispatch(call: IncomingCall): Awaitable<Uint8Array> | undefined
}

/** One call of a server from its first fragment to its answer. */
export class ServerCall implements IncomingCall {
  readonly id: number
  readonly contextId: number
  readonly opnum: number
  readonly object: Guid | undefined
  readonly little: boolean
  readonly target: RpcInterface
  /** Nobody waits for the answer. */
  silent: boolean
  /** What it holds of the memory for requests that came in fragments, `bytes`. */
  held = 0
  /** Nobody looks at its arguments any more when it is answered. */
  recycles = false
  readonly #answering: Answering
  #view: DataView
  #at: number
  #length: number
  #stub: Uint8Array | undefined
  #reason: BusbarError | undefined
  #controller: AbortController | undefined

  constructor(
    id: number,
    contextId: number,
    opnum: number,
    object: Guid | undefined,
    little: boolean,
    target: RpcInterface,
    silent: boolean,
    answering: Answering,
    view: DataView,
    at: number,
    length: number,
  ) {
    this.id = id
    this.contextId = contextId
    this.opnum = opnum
    this.object = object
    this.little = little
    this.target = target
    this.silent = silent
    this.#answering = answering
    this.#view = view
    this.#at = at
    this.#length = length
  }

  get stub(): Uint8Array {
    this.#stub ??= new Uint8Array(this.#view.buffer, this.#at, this.#length)
    return this.#stub
  }

  /** The stub was put together from fragments. */
  set stub(stub: Uint8Array) {
    this.#stub = stub
    this.#view = new DataView(stub.buffer)
    this.#at = stub.byteOffset
    this.#length = stub.length
  }

  arguments(): Reader {
    return new Reader(this.#view, this.little, this.#at, this.#length)
  }

  results(size: number, leaves: boolean = false): Writer {
    return this.#answering.results(size, leaves)
  }

  recycle(): void {
    this.recycles = true
  }

  crowded(relieved: () => void): boolean {
    return this.#answering.crowded(relieved)
  }

  answer(results: Writer): void {
    this.#answering.answer(this, results)
  }

  discard(): void {
    this.#answering.discard()
  }

  fail(thrown: unknown): void {
    this.#answering.fail(this, thrown)
  }

  get cancelled(): boolean {
    return this.#reason !== undefined
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#reason !== undefined) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  /** First reason wins. */
  cancel(reason: BusbarError): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    this.#controller?.abort(reason)
  }
}
