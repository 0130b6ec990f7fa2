import type { AccessAnswer, AccessPolicy, AccessQuestion } from '../../bus/index.ts'
import type { Asked } from './origins.ts'
import type { Report } from './report.ts'

/** A policy that can change at any moment, and that checks that nothing happens before it was asked. */
export class SimPolicy implements AccessPolicy {
  readonly #report: Report
  readonly #denied = new Set<string>()
  /** The request that the bus decides now. */
  asking: () => Asked | undefined = () => undefined
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
    const asked = this.asking()
    if (asked !== undefined) asked.decision = { question: keyOf(question), allowed }
    if (!allowed) this.#report.sometimes('open denied')
    return { allowed, rule: `change ${this.changes}` }
  }

  sees({ caller, target }: AccessQuestion): boolean {
    return this.allows(caller, target)
  }

  /**
   * An opening has reached its target: I4 says that this very request was allowed, by the rules as they were when it was asked for, and that it
   * reaches one target. What was decided of others counts for nothing.
   */
  reached(question: AccessQuestion, asked: Asked | undefined): void {
    const key = keyOf(question)
    const { decision, reached = false } = asked ?? {}
    this.#report.check(decision?.allowed === true && decision.question === key && !reached, 'I4', () => {
      const said =
        decision === undefined ? 'was not asked' : `${decision.allowed ? 'allows' : 'denies'} ${decision.question}`
      return `${key} reached ${reached ? 'a second' : 'its'} target, and the policy ${said}`
    })
    if (asked !== undefined) asked.reached = true
  }
}

function keyOf({ caller, target, service }: AccessQuestion): string {
  return `${caller}>${target}/${service}`
}
