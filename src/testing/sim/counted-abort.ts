/** An `AbortController` whose signal knows how many listeners are on it: I9 wants none to stay. */
export class CountedAbort {
  readonly #controller = new AbortController()
  readonly #listeners = new Set<unknown>()

  constructor() {
    const { signal } = this.#controller
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    signal.addEventListener = (...listening: Parameters<typeof add>) => {
      this.#listeners.add(listening[1])
      add(...listening)
    }
    signal.removeEventListener = (...listening: Parameters<typeof remove>) => {
      this.#listeners.delete(listening[1])
      remove(...listening)
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get listeners(): number {
    return this.#listeners.size
  }

  abort(): void {
    this.#controller.abort()
  }
}
