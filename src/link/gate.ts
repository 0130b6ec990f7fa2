import type { BusbarError } from '../errors/index.ts'
import { handled } from './handled.ts'
import type { Awaitable } from './link.ts'

interface Waiter {
  resolve(): void
  reject(reason: BusbarError): void
}

/**
 * Where writers wait: open lets everyone pass at once, shut makes them wait, failed turns everyone away for good. A writer
 * may ignore the promise: the failure is the link's close reason as well, so it must not count as unhandled.
 */
export class Gate {
  #open = true
  #failure: BusbarError | undefined
  #waiters: Waiter[] = []

  pass(): Awaitable<void> {
    if (this.#failure !== undefined) return handled(Promise.reject(this.#failure))
    if (this.#open) return undefined
    return handled(new Promise((resolve, reject) => this.#waiters.push({ resolve, reject })))
  }

  get isOpen(): boolean {
    return this.#open
  }

  shut(): void {
    this.#open = false
  }

  open(): void {
    if (this.#open) return
    this.#open = true
    for (const waiter of this.#take()) waiter.resolve()
  }

  fail(reason: BusbarError): void {
    if (this.#failure !== undefined) return
    this.#failure = reason
    for (const waiter of this.#take()) waiter.reject(reason)
  }

  #take(): Waiter[] {
    const waiters = this.#waiters
    this.#waiters = []
    return waiters
  }
}
