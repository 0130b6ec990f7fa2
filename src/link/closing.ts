import type { BusbarError } from '../errors/index.ts'

/** The one close event of a link: settles once, with a reason or with none. */
export class Closing {
  readonly closed: Promise<BusbarError | undefined>
  #settle: (reason: BusbarError | undefined) => void = () => {}
  #over = false

  constructor() {
    this.closed = new Promise((resolve) => {
      this.#settle = resolve
    })
  }

  /** Whether it has settled. */
  get over(): boolean {
    return this.#over
  }

  /** Settles with `reason`; false when it was settled before, and then nothing happens. */
  settle(reason?: BusbarError): boolean {
    if (this.#over) return false
    this.#over = true
    this.#settle(reason)
    return true
  }
}
