import type { Guid } from '../../bytes/index.ts'
import type { BusbarError } from '../../errors/index.ts'
import type { Awaitable } from '../../link/index.ts'
import type { InterfaceId } from '../pdu/syntax.ts'

/** A call as its interface sees it. */
export interface IncomingCall {
  readonly opnum: number
  /** UUID of the object that is called. */
  readonly object: Guid | undefined
  /** Marshalled arguments: a view of received memory, free to be kept. */
  readonly stub: Uint8Array
  /** Byte order of the stub. */
  readonly little: boolean
  /** Fires when the caller cancels or is gone. Made when it is first asked for. */
  readonly signal: AbortSignal
  /** The same as a flag, which costs nothing. */
  readonly cancelled: boolean
}

/** What a server serves under one interface id. */
export interface RpcInterface {
  readonly id: InterfaceId
  /** How many operations there are: requests for a higher opnum are refused before dispatch. */
  readonly opnums: number
  /** Runs one call and gives its marshalled results, which pass to the link. What it throws becomes a fault. */
  dispatch(call: IncomingCall): Awaitable<Uint8Array>
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
  stub: Uint8Array
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
    stub: Uint8Array,
  ) {
    this.id = id
    this.contextId = contextId
    this.opnum = opnum
    this.object = object
    this.little = little
    this.target = target
    this.silent = silent
    this.stub = stub
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
