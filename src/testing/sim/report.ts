import type { SometimesState } from './sometimes.ts'

/** A rule that did not hold. */
export interface Violation {
  /** `I1` to `I16`, as in docs/simulation.md; `trap` for a forbidden global, `escape` for an exception that nobody caught. */
  readonly invariant: string
  readonly message: string
  readonly step: number
  /** Virtual `ms` since the start. */
  readonly at: number
}

/** What one run found: violations, states reached, and the hash of all that happened (with the text of it, if wanted). */
export class Report {
  readonly violations: Violation[] = []
  readonly reached: Set<SometimesState> = new Set()
  readonly lines: string[] | undefined
  /** Set by the scheduler. */
  step = 0
  now = 0
  /** What came of each op, however long it took. */
  readonly #payloads = new Map<object, (() => string)[]>()
  #high = 0x811c9dc5
  #low = 0x9747b28c

  constructor(trace: boolean) {
    this.lines = trace ? [] : undefined
  }

  /** Hash of everything noted so far: equal for equal runs. */
  get hash(): string {
    return [this.#high, this.#low].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('')
  }

  mix(value: number): void {
    this.#high = Math.imul(this.#high ^ value, 0x01000193)
    this.#low = Math.imul(this.#low ^ value ^ (this.#high >>> 15), 0x85ebca6b)
  }

  /** Something observable happened. */
  note(text: string): void {
    for (let at = 0; at < text.length; at++) this.mix(text.charCodeAt(at))
    this.lines?.push(`${this.now.toFixed(2).padStart(9)} #${this.step} ${text}`)
  }

  fail(invariant: string, message: string): void {
    this.violations.push({ invariant, message, step: this.step, at: this.now })
    this.lines?.push(`${this.now.toFixed(2).padStart(9)} #${this.step} VIOLATION ${invariant}: ${message}`)
  }

  check(holds: boolean, invariant: string, message: () => string): void {
    if (!holds) this.fail(invariant, message())
  }

  /** Something came of an op that does not depend on when; `text` is asked for at the end. */
  payload(op: object, text: () => string): void {
    const known = this.#payloads.get(op)
    if (known === undefined) this.#payloads.set(op, [text])
    else known.push(text)
  }

  /** All that came of each op, in an order that does not depend on when it came. */
  payloads(): ReadonlyMap<object, readonly string[]> {
    return new Map([...this.#payloads].map(([op, texts]) => [op, texts.map((text) => text()).toSorted()]))
  }

  sometimes(state: SometimesState): void {
    this.reached.add(state)
  }
}
