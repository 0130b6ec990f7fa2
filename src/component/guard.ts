import { BusbarError } from '../errors/index.ts'
import { type Env, type Timer, unwatchSignal, watchSignal } from '../rpc/index.ts'
import type { Terms } from './terms.ts'

/** Watches one call, or one stream, that was given a signal or a deadline. Calls without either have none. */
export class Guard {
  readonly #controller = new AbortController()
  readonly #outer: readonly AbortSignal[]
  readonly #forward = (): void => this.#abort(cancelled(this.#outer.find(({ aborted }) => aborted)))
  readonly #timer: Timer | undefined

  constructor(env: Env, { signals, deadline }: Terms) {
    this.#outer = signals
    if (signals.some(({ aborted }) => aborted)) {
      this.#forward()
      return
    }
    if (deadline !== undefined) {
      const passed = new BusbarError('DEADLINE', `the deadline of ${deadline} ms passed first`, { stage: 'call' })
      this.#timer = env.timer(deadline, () => this.#abort(passed))
    }
    for (const signal of signals) watchSignal(signal, this.#forward)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** The same outcome as `pending`, unless the guard fires first. */
  until<T>(pending: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.signal.aborted) {
        // Nobody waits for it now, however it ends.
        pending.catch(() => {})
        return reject(BusbarError.from(this.signal.reason))
      }
      const fired = (): void => reject(BusbarError.from(this.signal.reason))
      this.signal.addEventListener('abort', fired, { once: true })
      pending.then(resolve, reject).finally(() => this.signal.removeEventListener('abort', fired))
    })
  }

  /** What was guarded is over: the timer and the listener go. */
  end(): void {
    this.#timer?.cancel()
    for (const signal of this.#outer) unwatchSignal(signal, this.#forward)
  }

  #abort(reason: BusbarError): void {
    this.end()
    this.#controller.abort(reason)
  }
}

/** Makes the guards of the calls of one caller. */
export class Guards {
  readonly #env: Env

  constructor(env: Env) {
    this.#env = env
  }

  /** Watches a call, where its terms give anything to watch. */
  of(terms: Terms | undefined): Guard | undefined {
    if (terms === undefined || (terms.deadline === undefined && terms.signals.length === 0)) return undefined
    return new Guard(this.#env, terms)
  }
}

function cancelled(signal: AbortSignal | undefined): BusbarError {
  const reason: unknown = signal?.reason
  if (reason instanceof BusbarError) return reason
  return new BusbarError('CANCELLED', 'the caller cancelled the call', { cause: reason })
}
