import type { BusbarError } from '../errors/index.ts'
import { unwatchSignal, watchSignal } from '../link/index.ts'

/** One start of a partition, until it runs, does not, or was called off. */
export class Starting {
  /** Settles when the start has its outcome, and nothing of one that was called off is left. */
  readonly over: Promise<void>
  /** Told once. */
  end: () => void = () => {}
  readonly #abort = new AbortController()
  readonly #outer: AbortSignal | undefined
  readonly #stop = (): void => this.#abort.abort(this.#outer?.reason)
  #reason: BusbarError | undefined
  #refuse: (reason: BusbarError) => void = () => {}
  readonly #calledOff: Promise<never>

  /** `outer` gives up connecting too. */
  constructor(outer: AbortSignal | undefined) {
    this.#outer = outer
    this.#calledOff = new Promise((_, reject) => {
      this.#refuse = reject
    })
    this.#calledOff.catch(() => {})
    this.over = new Promise((resolve) => {
      this.end = () => {
        if (outer !== undefined) unwatchSignal(outer, this.#stop)
        resolve()
      }
    })
    if (outer?.aborted === true) this.#stop()
    else if (outer !== undefined) watchSignal(outer, this.#stop)
  }

  /** Gives up connecting to the partition. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Why it was called off, if it was. */
  get reason(): BusbarError | undefined {
    return this.#reason
  }

  /** The first reason counts. */
  callOff(reason: BusbarError): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    this.#refuse(reason)
    this.#abort.abort(reason)
  }

  /** Waits for what goes on for others too, unless it is called off. */
  unlessCalledOff<T>(work: Promise<T>): Promise<T> {
    return Promise.race([this.#calledOff, work])
  }
}
