import type { BusbarError } from '../../errors/index.ts'
import type { PendingCall } from './pending-call.ts'

interface Queued {
  readonly call: PendingCall
  readonly send: () => void
}

/** Calls that wait for their turn on this side, in the order they were made. Cancelled ones are passed over. */
export class CallQueue {
  #waiting: Queued[] = []
  #head = 0

  /** Calls that wait, cancelled ones included until their turn comes. */
  get length(): number {
    return this.#waiting.length - this.#head
  }

  push(call: PendingCall, send: () => void): void {
    this.#waiting.push({ call, send })
  }

  /** Sends calls while `room` says that there is some. */
  advance(room: () => boolean): void {
    while (this.#head < this.#waiting.length && room()) {
      const { call, send } = this.#waiting[this.#head++] as Queued
      if (call.state === 'queued') send()
    }
    if (this.#head === this.#waiting.length && this.#head > 0) this.#clear()
  }

  /** Rejects everything that waits. */
  fail(reason: BusbarError): void {
    const waiting = this.#waiting.slice(this.#head)
    this.#clear()
    for (const { call } of waiting) if (call.state === 'queued') call.fail(reason)
  }

  #clear(): void {
    this.#waiting = []
    this.#head = 0
  }
}
