import { BusbarError, escapePeerText } from '../errors/index.ts'
import { type BusConfig, parseBusConfig } from './bus-config.ts'
import { compilePolicy, type Decision, type Policy } from './policy.ts'
import type { Question } from './question.ts'
import type { ChannelMode } from './rule.ts'

/** The line that is written for each decision. Plain data without control characters, in the order of the decisions. */
export interface AuditRecord {
  /** From 1, without gaps, for the life of the store. */
  readonly sequence: number
  /** Milliseconds since the epoch of the clock that was given. */
  readonly at: number
  readonly caller: string
  readonly target: string
  readonly service: string
  readonly mode: ChannelMode | undefined
  readonly allowed: boolean
  /** The number of the rule, from 1; `undefined` for the default. */
  readonly rule: number | undefined
  /** Which version of the policy decided: 0 before the first was loaded, then counted up. */
  readonly generation: number
  readonly reason: string
}

export interface PolicyStoreOptions {
  /**
   * Gets one record per decision, before the decision takes effect. When it throws, the answer is no: what cannot be
   * recorded is not allowed.
   */
  readonly audit: (record: AuditRecord) => void
  /** Milliseconds; only for the records. */
  readonly now: () => number
}

/** What became of a new text of the file. */
export type LoadResult =
  | { readonly loaded: true; readonly config: BusConfig; readonly generation: number }
  /** The last good policy stays in force. Whoever calls `load` must say so loudly. */
  | { readonly loaded: false; readonly error: BusbarError; readonly generation: number }

/**
 * The policy in force. Starts with denying everything; a good file replaces it whole and at once, a broken one changes
 * nothing.
 */
export class PolicyStore {
  readonly #audit: PolicyStoreOptions['audit']
  readonly #now: PolicyStoreOptions['now']
  #policy: Policy = compilePolicy([])
  #generation = 0
  #sequence = 0
  #allowed = 0
  #denied = 0
  #lastError: BusbarError | undefined

  constructor({ audit, now }: PolicyStoreOptions) {
    this.#audit = audit
    this.#now = now
  }

  /** The policy in force, to ask without a record: to explain, or to look at open channels again after a load. */
  get policy(): Policy {
    return this.#policy
  }

  /** Counts the policies that were loaded. */
  get generation(): number {
    return this.#generation
  }

  /** Takes the text of the file. Never throws for what stands in it. */
  load(source: string, fileName: string): LoadResult {
    try {
      const config = parseBusConfig(source, fileName)
      this.#policy = compilePolicy(config.policy)
      this.#generation += 1
      this.#lastError = undefined
      return { loaded: true, config, generation: this.#generation }
    } catch (thrown) {
      return { loaded: false, error: this.refuse(thrown), generation: this.#generation }
    }
  }

  /** Notes that the file could not even be read; nothing else changes. */
  refuse(thrown: unknown): BusbarError {
    this.#lastError = BusbarError.from(thrown, 'CONFIG')
    return this.#lastError
  }

  /** Decides and records, once each. */
  decide(question: Question): Decision {
    const decision = this.#policy.decide(question)
    const { caller, target, service, mode } = question
    this.#sequence += 1
    try {
      this.#audit({
        sequence: this.#sequence,
        at: this.#now(),
        caller: escapePeerText(caller, 64),
        target: escapePeerText(target, 64),
        service: escapePeerText(service, 128),
        mode,
        allowed: decision.allowed,
        rule: decision.rule?.number,
        generation: this.#generation,
        reason: decision.reason,
      })
    } catch {
      this.#denied += 1
      return { allowed: false, rule: undefined, direct: false, reason: 'denied: the decision could not be recorded' }
    }
    if (decision.allowed) this.#allowed += 1
    else this.#denied += 1
    return decision
  }

  /** Plain data: what is in force, what was decided, and what is wrong with the newest file. */
  inspect(): {
    readonly generation: number
    readonly rules: number
    readonly allowed: number
    readonly denied: number
    readonly lastError: { readonly code: string; readonly message: string } | undefined
  } {
    const error = this.#lastError
    return {
      generation: this.#generation,
      rules: this.#policy.inspect().rules.length,
      allowed: this.#allowed,
      denied: this.#denied,
      lastError: error === undefined ? undefined : { code: error.code, message: error.message },
    }
  }
}
