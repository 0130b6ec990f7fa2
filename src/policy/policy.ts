import { MAX_INDEXED_PAIRS } from './limits.ts'
import { HOST_NAME } from './names.ts'
import { allowingRule, invalidName, type Question } from './question.ts'
import { type Names, type Rule, ruleText } from './rule.ts'

/** The rule that decided, as plain data. */
export interface DecidingRule {
  /** Its place in the policy, from 1: "denied by rule 3". */
  readonly number: number
  readonly text: string
  readonly file: string
  readonly line: number
}

/** The answer to one question. Plain data, safe to print. */
export interface Decision {
  readonly allowed: boolean
  /** `undefined`: no rule matched, and the default holds. */
  readonly rule: DecidingRule | undefined
  /** Whether its bytes may go from machine to machine, in memory that only those two share. */
  readonly direct: boolean
  /** One line: which rule, where it stands; or why none. */
  readonly reason: string
}

/** What one rule says to one question, for `explain`. */
export interface RuleVerdict {
  readonly rule: DecidingRule
  readonly effect: Rule['effect']
  readonly matches: boolean
  /** Whether this is the rule that decides. */
  readonly decides: boolean
  /** One line: what does not match, or that it matches. */
  readonly because: string
}

export interface Explanation {
  readonly decision: Decision
  /** Every rule, in order. */
  readonly rules: readonly RuleVerdict[]
  /** What to add in front of the policy to allow it; `undefined` when it is allowed or can never be. */
  readonly toAllow: string | undefined
}

interface Compiled {
  readonly from: '*' | ReadonlySet<string>
  readonly to: '*' | ReadonlySet<string>
  readonly service: '*' | ReadonlySet<string>
  readonly effect: Rule['effect']
  readonly mode: Rule['mode']
  readonly decision: Decision
  readonly deciding: DecidingRule
}

/**
 * Rules, compiled. Immutable: what it answers depends on the question alone. The first rule that matches decides; where
 * none does, the answer is no.
 */
export class Policy {
  readonly #rules: readonly Compiled[]
  /** The rules that can match, for each pair of a caller and a target that any rule names, and for all others together. */
  readonly #byPair: ReadonlyMap<string, readonly Compiled[]> | undefined
  readonly #callers: ReadonlySet<string>
  readonly #targets: ReadonlySet<string>

  constructor(rules: readonly Rule[]) {
    this.#rules = rules.map(compileRule)
    this.#callers = new Set(rules.flatMap(({ from }) => (from === '*' ? [] : from)))
    this.#targets = new Set(rules.flatMap(({ to }) => (to === '*' ? [] : to)))
    this.#byPair = this.#index()
  }

  /** At most one question's worth of work: rules that cannot match this caller and target are not looked at. */
  decide(question: Question): Decision {
    const invalid = invalidName(question)
    if (invalid !== undefined) return deniedByDefault(`denied: ${invalid}`)
    const { caller, target, service, mode } = question
    const rules = this.#byPair?.get(this.#pairKey(caller, target)) ?? this.#rules
    for (const rule of rules) {
      if (mismatch(rule, caller, target, service, mode) === undefined) return rule.decision
    }
    return deniedByDefault(`denied by default: no rule allows ${caller} to ${target} service ${service}`)
  }

  /** The same answer as `decide`, and what each rule says, in order. */
  explain(question: Question): Explanation {
    const decision = this.decide(question)
    const invalid = invalidName(question)
    const { caller, target, service, mode } = question
    const rules = this.#rules.map((rule): RuleVerdict => {
      const because = invalid ?? mismatch(rule, caller, target, service, mode)
      const { deciding, effect } = rule
      const decides = decision.rule?.number === deciding.number
      return { rule: deciding, effect, matches: because === undefined, decides, because: because ?? 'it matches' }
    })
    return { decision, rules, toAllow: decision.allowed || invalid !== undefined ? undefined : allowingRule(question) }
  }

  /** Plain data for `busbar policy` and the console. */
  inspect(): { readonly rules: readonly DecidingRule[]; readonly default: 'deny' } {
    return { rules: this.#rules.map(({ deciding }) => deciding), default: 'deny' }
  }

  #pairKey(caller: string, target: string): string {
    // A star is no name, so it stands for every partition that no rule names.
    return `${this.#callers.has(caller) ? caller : '*'}/${this.#targets.has(target) ? target : '*'}`
  }

  #index(): ReadonlyMap<string, readonly Compiled[]> | undefined {
    const callers = ['*', ...this.#callers]
    const targets = ['*', ...this.#targets]
    if (callers.length * targets.length > MAX_INDEXED_PAIRS) return undefined
    const index = new Map<string, readonly Compiled[]>()
    for (const caller of callers) {
      const fromCaller = this.#rules.filter(({ from }) => from === '*' || from.has(caller))
      for (const target of targets) {
        index.set(
          `${caller}/${target}`,
          fromCaller.filter(({ to }) => to === '*' || to.has(target)),
        )
      }
    }
    return index
  }
}

/** Compiles rules in their order. No rules: everything is denied. */
export function compilePolicy(rules: readonly Rule[]): Policy {
  return new Policy(rules)
}

function compileRule(rule: Rule, index: number): Compiled {
  const set = (names: Names): '*' | ReadonlySet<string> => (names === '*' ? '*' : new Set(names))
  const { effect, from, to, service, mode, direct, file, line } = rule
  const deciding: DecidingRule = Object.freeze({ number: index + 1, text: ruleText(rule), file, line })
  const verb = effect === 'allow' ? 'allowed' : 'denied'
  const decision: Decision = Object.freeze({
    allowed: effect === 'allow',
    rule: deciding,
    direct,
    reason: `${verb} by rule ${deciding.number} (${file}:${line}): ${deciding.text}`,
  })
  return { from: set(from), to: set(to), service: set(service), effect, mode, decision, deciding }
}

function deniedByDefault(reason: string): Decision {
  return { allowed: false, rule: undefined, direct: false, reason }
}

/** Why a rule does not match, in words; `undefined` when it does. */
function mismatch(
  rule: Compiled,
  caller: string,
  target: string,
  service: string,
  mode: Rule['mode'],
): string | undefined {
  if (rule.from !== '*' && !rule.from.has(caller)) return `it is not about caller ${caller}`
  if (rule.to !== '*' && !rule.to.has(target)) return `it is not about target ${target}`
  if (rule.to === '*' && target === HOST_NAME && rule.effect === 'allow') return 'a star never allows the host: name it'
  if (rule.service !== '*' && !rule.service.has(service)) return `it is not about service ${service}`
  if (rule.mode === undefined || rule.mode === mode) return undefined
  // With the mode unknown, a rule for one mode must not allow, and may deny.
  if (mode === undefined && rule.effect === 'deny') return undefined
  return `it is about mode ${rule.mode} only`
}
