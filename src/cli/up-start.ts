import { setTimeout as sleep } from 'node:timers/promises'
import { BusbarError } from '../errors/index.ts'
import type { BusHost, Launched } from '../host/index.ts'

/** How long after a failed attempt a partition that somebody else starts is tried again, `ms`: twice as long each time (our choice). */
const FIRST_DELAY = 250
const LONGEST_DELAY = 5000

/** A partition could not be started, or reached. `again`: it is tried again until it can. */
export interface StartFailed {
  readonly kind: 'failed'
  readonly partition: string
  readonly reason: BusbarError
  readonly again: boolean
}

/** What starting needs of the bus. */
export type StartHost = Pick<BusHost, 'names' | 'isExternal' | 'start' | 'attached'>

export interface StartOptions {
  /** Ends everything that is under way. */
  readonly signal: AbortSignal
  /** Hears of each failure when it happens. */
  readonly tell: (failure: StartFailed) => void
  /** Waits so many `ms`, or until the signal aborts. */
  readonly pause?: (delay: number) => Promise<void>
}

/** The partitions of a bus while they are started. */
export class Starting {
  readonly #host: StartHost
  readonly #options: StartOptions
  readonly #missing: Set<string>
  readonly #pause: (delay: number) => Promise<void>
  readonly #tried: Promise<unknown>
  readonly #under = new Set<Promise<unknown>>()
  /** Settles when every partition that the bus starts itself has attached. Rejects as soon as one of them cannot, with its reason. */
  readonly own: Promise<void>

  /**
   * Begins at once. What the bus starts itself must start: a file that asks for what cannot be is to be mended, and half a bus would hide that. What
   * somebody else starts may come later, or go and come again: it is connected to whenever it is there.
   */
  constructor(host: StartHost, options: StartOptions) {
    this.#host = host
    this.#options = options
    this.#missing = new Set(host.names)
    const { signal } = options
    this.#pause = options.pause ?? ((delay) => sleep(delay, undefined, { signal }).catch(() => {}))
    const external = host.names.filter((name) => host.isExternal(name))
    this.#tried = Promise.all(external.map((name) => this.#firstTry(name)))
    const own = host.names.filter((name) => !host.isExternal(name))
    this.own = Promise.all(own.map((name) => this.#begin(name))).then(() => {})
    this.own.catch(() => {})
  }

  /** The partitions that have not attached yet, or no more. */
  get missing(): readonly string[] {
    return [...this.#missing]
  }

  /** Settles when each partition that somebody else starts has attached, or was found not to be there. */
  get tried(): Promise<unknown> {
    return this.#tried
  }

  /** Settles when nothing is being started any more; abort the signal first. */
  async over(): Promise<void> {
    await Promise.allSettled([...this.#under])
  }

  async #begin(partition: string): Promise<void> {
    try {
      await this.#attempt(partition)
    } catch (thrown) {
      const reason = BusbarError.from(thrown)
      if (!this.#options.signal.aborted) this.#options.tell({ kind: 'failed', partition, reason, again: false })
      throw reason
    }
  }

  /** Starts it and waits until it has attached; gives how its link ends, where that is known. */
  async #attempt(partition: string): Promise<Pick<Launched, 'lost'>> {
    const starting = this.#host.start(partition)
    this.#under.add(starting)
    const launched = await starting.finally(() => this.#under.delete(starting))
    await this.#host.attached(partition, this.#options.signal)
    this.#missing.delete(partition)
    return launched
  }

  #firstTry(partition: string): Promise<void> {
    return new Promise((resolve) => {
      void this.#reach(partition, resolve)
    })
  }

  /** Connects to it again and again, and tells each reason why not once. */
  async #reach(partition: string, tried: () => void): Promise<void> {
    const { signal, tell } = this.#options
    let told: string | undefined
    for (let delay = FIRST_DELAY; !signal.aborted; delay = Math.min(2 * delay, LONGEST_DELAY)) {
      const reason = await this.#untilLost(partition, tried).catch((thrown: unknown) => BusbarError.from(thrown))
      tried()
      if (signal.aborted) return
      if (this.#missing.has(partition)) {
        if (reason.message !== told) tell({ kind: 'failed', partition, reason, again: true })
        told = reason.message
      } else {
        this.#missing.add(partition)
        told = undefined
        delay = FIRST_DELAY
      }
      await this.#pause(delay)
    }
  }

  async #untilLost(partition: string, attached: () => void): Promise<BusbarError> {
    const { lost } = await this.#attempt(partition)
    attached()
    return lost ?? new Promise<never>(() => {})
  }
}
