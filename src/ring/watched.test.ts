/**
 * Memory that answers a ring as a hostile other side may and watches each access. Whatever breaks a rule throws `Violation`; what an
 * honest ring must make of the answers is in the models of the two sides.
 */
import { BusbarError } from '../errors/index.ts'
import type { Mem } from './index.ts'

export class Violation extends Error {}

/** Gives the value of a shared word: `place` is a cell, or 32 plus the word of the data. */
export type Answer = (place: number) => number

/** Accesses that one call may make: far more than any honest one here, and any endless loop passes it. */
const MAX_ACCESSES = 200

export const distance = (from: number, to: number, size: number): number => (to - from + size) % size

export function check(holds: boolean, rule: string): void {
  if (!holds) throw new Violation(rule)
}

/** The same where the rule is told with numbers: text that is made only when it is needed. */
export function checkWith(holds: boolean, rule: string, ...numbers: readonly (number | string | boolean)[]): void {
  if (!holds) throw new Violation(`${rule} (${numbers.join(', ')})`)
}

/** What both sides have in common. */
export abstract class Watched implements Mem {
  readonly dataBytes: number
  protected readonly answer: Answer
  /** An index was impossible: the call under way must fail, and nothing may be touched again. */
  protected lied = false
  #accesses = 0
  #faults = 0

  constructor(dataBytes: number, answer: Answer) {
    this.dataBytes = dataBytes
    this.answer = answer
  }

  abstract load(cell: number): number
  abstract store(cell: number, value: number): void
  abstract get(at: number): number
  abstract put(at: number, low: number, high: number): void
  abstract copyIn(at: number, from: Uint8Array, start: number, length: number): void
  abstract copyOut(at: number, into: Uint8Array, start: number, length: number): void
  abstract view(at: number, length: number): Uint8Array

  protected access(): void {
    check(!this.lied, 'touches the memory after a lie')
    check(++this.#accesses <= MAX_ACCESSES, 'loops')
  }

  protected inside(at: number, length: number): void {
    checkWith(at >= 0 && length > 0 && at + length <= this.dataBytes, 'data outside the ring', at, length)
  }

  /** Runs one call; `BusbarError` is an outcome, everything else passes up. */
  protected outcome<T>(run: () => T): T | BusbarError {
    this.#accesses = 0
    try {
      return run()
    } catch (thrown) {
      if (thrown instanceof BusbarError) return thrown
      throw thrown
    }
  }

  /** A fault is for good: the same error from any call (they take turns here), and no access. */
  protected over(fault: BusbarError, calls: readonly (() => unknown)[]): void {
    this.lied = true
    const call = calls[this.#faults++ % calls.length] as () => unknown
    check(this.outcome(call) === fault, 'goes on after a fault')
  }
}
