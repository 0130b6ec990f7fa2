import { BusbarError } from '../errors/index.ts'
import type { CallOptions, Env, Timer } from '../rpc/index.ts'

/** Longest deadline, `milliseconds`: what 32 bits carry. Fixed by our extent; about 49 days. */
const MAX_DEADLINE = 0xffff_ffff

/** Watches one call, or one stream, that was given a signal or a deadline. Calls without either have none. */
export class Guard {
  readonly #controller = new AbortController()
  readonly #outer: AbortSignal | undefined
  readonly #forward = (): void => this.#abort(cancelled(this.#outer))
  readonly #timer: Timer | undefined

  constructor(env: Env, { signal, deadline }: CallOptions) {
    this.#outer = signal
    if (signal?.aborted === true) {
      this.#forward()
      return
    }
    if (deadline !== undefined) {
      const passed = new BusbarError('DEADLINE', `the deadline of ${deadline} ms passed first`)
      this.#timer = env.timer(deadline, () => this.#abort(passed))
    }
    signal?.addEventListener('abort', this.#forward, { once: true })
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** The same outcome as `pending`, unless the guard fires first. */
  until<T>(pending: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.signal.aborted) return reject(BusbarError.from(this.signal.reason))
      const fired = (): void => reject(BusbarError.from(this.signal.reason))
      this.signal.addEventListener('abort', fired, { once: true })
      pending.then(resolve, reject).finally(() => this.signal.removeEventListener('abort', fired))
    })
  }

  /** What was guarded is over: the timer and the listener go. */
  end(): void {
    this.#timer?.cancel()
    this.#outer?.removeEventListener('abort', this.#forward)
  }

  #abort(reason: BusbarError): void {
    this.end()
    this.#controller.abort(reason)
  }
}

/** Whether the options ask for anything; `INVALID_ARGUMENT` when the deadline is none. */
export function guards(options: CallOptions | undefined): options is CallOptions {
  if (options === undefined || options === null) return false
  const { deadline, signal } = options
  if (deadline !== undefined && !(typeof deadline === 'number' && deadline >= 0 && deadline <= MAX_DEADLINE)) {
    throw new BusbarError(
      'INVALID_ARGUMENT',
      `deadline ${deadline} is not a number of milliseconds up to ${MAX_DEADLINE}`,
    )
  }
  return deadline !== undefined || signal !== undefined
}

function cancelled(signal: AbortSignal | undefined): BusbarError {
  const reason: unknown = signal?.reason
  if (reason instanceof BusbarError) return reason
  return new BusbarError('CANCELLED', 'the caller cancelled the call', { cause: reason })
}
