import type { AccessAnswer, AccessPolicy, AccessQuestion } from '../../bus/index.ts'
import type { Report } from './report.ts'

/** A policy that can change at any moment, and that checks that nothing happens before it was asked. */
export class SimPolicy implements AccessPolicy {
  readonly #report: Report
  readonly #denied = new Set<string>()
  /** Openings that were allowed and have not reached a target, by question. */
  readonly #allowed = new Map<string, number>()
  /** How often the rules changed. */
  changes = 0

  constructor(report: Report) {
    this.#report = report
  }

  set(caller: string, target: string, allowed: boolean): void {
    this.changes++
    if (allowed) this.#denied.delete(`${caller}>${target}`)
    else this.#denied.add(`${caller}>${target}`)
  }

  allows(caller: string, target: string): boolean {
    return !this.#denied.has(`${caller}>${target}`)
  }

  decide(question: AccessQuestion): AccessAnswer {
    const allowed = this.sees(question)
    this.#report.note(`policy ${allowed ? 'allows' : 'denies'} ${keyOf(question)}`)
    if (allowed) this.#allowed.set(keyOf(question), (this.#allowed.get(keyOf(question)) ?? 0) + 1)
    else this.#report.sometimes('open denied')
    return { allowed, rule: `change ${this.changes}` }
  }

  sees({ caller, target }: AccessQuestion): boolean {
    return this.allows(caller, target)
  }

  /** An opening has reached its target: I4 says that it was allowed before, and each decision counts for one. */
  reached(question: AccessQuestion): void {
    const key = keyOf(question)
    const left = this.#allowed.get(key) ?? 0
    this.#report.check(left > 0, 'I4', () => `${key} reached its target without a decision that allows it`)
    this.#allowed.set(key, left - 1)
  }
}

function keyOf({ caller, target, service }: AccessQuestion): string {
  return `${caller}>${target}/${service}`
}
