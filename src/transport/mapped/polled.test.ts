/** What tests of the pollers look at. */
import type { Polled } from './poller.ts'

/** Has something for so many looks, and cannot sleep, or wakes late, for so many attempts. */
export class Source implements Polled {
  looks = 0
  asleep = true
  left: number
  refusals: number

  constructor(left = 0, refusals = 0) {
    this.left = left
    this.refusals = refusals
  }

  look(): boolean {
    this.looks++
    return this.left-- > 0
  }
  awake(): void {
    this.asleep = false
  }
  sleep(): boolean {
    this.asleep = this.refusals-- <= 0
    return this.asleep
  }
}

export async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise((resolve) => setImmediate(resolve))
}
