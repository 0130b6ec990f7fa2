import { BusbarError } from '../errors/index.ts'
import type { CallContext, Caller, Env, Hop, Timer } from '../rpc/index.ts'
import type { Consumer } from './consumer.ts'
import type { Held } from './held.ts'
import type { Said } from './orpc.ts'
import type { PromisedResult } from './promised-results.ts'

/** What the association tells about a call. */
interface Watched {
  readonly signal: AbortSignal
  recycle(): void
  /** As of `IncomingCall`. */
  crowded?(relieved: () => void): boolean
}

/**
 * The context of one call. Nothing is made before somebody looks: a method that never asks for its signal costs neither
 * a controller nor a timer. For a stream it lives on until the stream does not.
 */
export class ServedCall implements CallContext {
  readonly caller: Caller
  /** Of the call's arguments, `bytes`. */
  readonly size: number
  readonly #call: Watched
  readonly #env: Env
  readonly #said: Said | undefined
  readonly #due: number | undefined
  readonly #streaming: boolean
  /** What calls wait for that go to the reference in the answer; absent when nobody can name that. */
  promise: PromisedResult | undefined
  #controller: AbortController | undefined
  #timer: Timer | undefined
  #over: BusbarError | undefined
  /** Streams among the arguments. */
  #streams: readonly Consumer[] | undefined
  /** References that this side took only to pass them on. */
  #passing: Held[] | undefined
  #ended = false
  #chain: readonly Hop[] | undefined

  /**
   * `said` by the caller, just now or at `since`; `size` of the arguments in `bytes`; `streaming` when the call may outlive its
   * answer.
   */
  constructor(
    caller: Caller,
    call: Watched,
    env: Env,
    said: Said | undefined,
    streaming: boolean,
    size = 0,
    since?: number,
  ) {
    this.size = size
    const deadline = said?.deadline
    this.#said = said
    this.caller = caller
    this.#call = call
    this.#env = env
    this.#due = deadline === undefined ? undefined : (since ?? env.now()) + deadline
    this.#streaming = streaming
  }

  get trace(): string | undefined {
    return this.#said?.trace
  }

  get chain(): readonly Hop[] {
    this.#chain ??= Object.freeze([...(this.#said?.chain ?? []), Object.freeze({ ...this.caller, attested: true })])
    return this.#chain
  }

  get deadline(): number | undefined {
    return this.#due === undefined ? undefined : Math.max(0, this.#due - this.#env.now())
  }

  get signal(): AbortSignal {
    if (this.#due === undefined && !this.#streaming) return this.#call.signal
    this.#controller ??= this.#watch()
    return this.#controller.signal
  }

  recycle(): void {
    // Whoever gives a stream may look at the arguments as long as that is read.
    if (!this.#streaming) this.#call.recycle()
  }

  /** Whether long results should not be made yet: see `IncomingCall`. */
  crowded(relieved: () => void): boolean {
    return this.#call.crowded?.(relieved) ?? false
  }

  /** These can be read until the call, or the stream it opened, is over. */
  lend(streams: readonly Consumer[]): void {
    this.#streams = streams
  }

  /** These were taken only to be passed on: when the call, or the stream it opened, is over, this side needs them no more. */
  passes(taken: readonly Held[]): void {
    if (this.#ended) for (const held of taken) void held.release()
    else if (taken.length > 0) this.#passing = [...(this.#passing ?? []), ...taken]
  }

  /** The call, or the stream it opened, is over: nothing fires any more, or it fires now with `reason`. */
  end(reason?: BusbarError): void {
    this.#ended = true
    if (this.#streams !== undefined) for (const stream of this.#streams) void stream.return()
    if (this.#passing !== undefined) for (const held of this.#passing.splice(0)) void held.release()
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#over !== undefined || reason === undefined) return
    this.#over = reason
    this.#controller?.abort(reason)
  }

  #watch(): AbortController {
    const controller = new AbortController()
    const { signal } = this.#call
    const left = this.deadline
    if (this.#over !== undefined) controller.abort(this.#over)
    else if (signal.aborted) controller.abort(signal.reason)
    else if (left === 0) controller.abort(passed())
    else {
      signal.addEventListener('abort', () => this.#abort(controller, signal.reason), { once: true })
      if (left !== undefined) this.#timer = this.#env.timer(left, () => this.#abort(controller, passed()))
    }
    return controller
  }

  #abort(controller: AbortController, reason: unknown): void {
    this.#timer?.cancel()
    this.#timer = undefined
    controller.abort(reason)
  }
}

function passed(): BusbarError {
  return new BusbarError('DEADLINE', 'the deadline of the call passed', { stage: 'call' })
}
