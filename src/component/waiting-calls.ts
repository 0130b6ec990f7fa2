import { BusbarError } from '../errors/index.ts'
import type { Env, IncomingCall } from '../rpc/index.ts'
import type { Interface } from './interface.ts'
import type { PipeUsage } from './peer-usage.ts'
import type { PromisedResult, WaitingCall } from './promised-results.ts'

export interface WaitingCallsOptions {
  readonly env: Env
  readonly usage: PipeUsage
  /** Serves a call that waited; throws when it cannot be. */
  readonly serve: (waited: WaitingCall) => void
  /** It was refused, and what it was to give will not come. */
  readonly refused: (promise: PromisedResult) => void
}

/** The calls of one association on what other calls are going to give, which still run or wait as well. They count as calls that run. */
export class WaitingCalls {
  readonly #options: WaitingCallsOptions
  /** Calls whose object has come, or will never come. */
  #ready: WaitingCall[] = []

  constructor(options: WaitingCallsOptions) {
    this.#options = options
  }

  /** One more, which is going to give `promise` itself if that is a reference. */
  add(on: PromisedResult, through: Interface, call: IncomingCall, promise: PromisedResult | undefined): void {
    const { env, usage } = this.#options
    const size = call.arguments().left
    usage.begin(size)
    on.add({ through, call, size, since: env.now(), promise }, () => this.resume(on))
  }

  /** Serves the calls that waited, in the order in which they came, or refuses them: one after the other, however long the chain. */
  resume(on: PromisedResult): void {
    const waiting = on.take()
    if (waiting.length === 0) return
    const resuming = this.#ready.length > 0
    this.#ready.push(...waiting)
    if (resuming) return
    const { usage, serve, refused } = this.#options
    for (let next = this.#ready[0]; next !== undefined; next = this.#ready[0]) {
      const { call, size, promise } = next
      usage.finish(size)
      try {
        if (call.cancelled) throw new BusbarError('CANCELLED', 'the caller is no longer waiting')
        serve(next)
      } catch (thrown) {
        call.fail(thrown)
      }
      // Where it was refused, so are those behind it.
      if (promise?.runs === false) refused(promise)
      this.#ready.shift()
    }
  }
}
