/** A timer that was started; cancelling one that fired or was cancelled does nothing. */
export interface Timer {
  cancel(): void
}

/**
 * Everything a layer without Node APIs needs of the outside world besides links. Production gives Node's; the simulator
 * gives a seeded one, and the same code runs there.
 */
export interface Env {
  /** Milliseconds of a clock that never goes back. */
  now(): number
  /** Calls `run` once, `delay` milliseconds from now. Never keeps the process alive. */
  timer(delay: number, run: () => void): Timer
  /** Fills `into` with unpredictable bytes and returns it. */
  random(into: Uint8Array): Uint8Array
  /** Calls `run` after everything that is ready now: one macrotask later. Used to gather small writes. */
  post(run: () => void): void
  /**
   * Memory for so many `bytes` that are all written before anybody reads them, so that nobody need fill it with zeros first.
   * `new Uint8Array` does as well.
   */
  memory?(bytes: number): Uint8Array
  /**
   * Takes `memory` away from everybody who has it: what they see of it is empty from then on. Gives the whole of its buffer. Without it nothing
   * is used twice.
   */
  reclaim?(memory: Uint8Array): Uint8Array
  /** A named place where a simulator may inject a fault. Production does nothing there. */
  point?(name: string): void
}
