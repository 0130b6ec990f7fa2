import { HOST_NAME } from './names.ts'
import type { Names, Rule } from './rule.ts'
import { ruleText } from './rule.ts'

/** A rule that has no effect: each question it matches is decided by an earlier one. */
export interface UnreachableRule {
  /** Its place in the policy, from 1. */
  readonly number: number
  readonly file: string
  readonly line: number
  /** The earlier rule that covers it, from 1. */
  readonly coveredBy: number
  /** `file:line: ...`, one line. */
  readonly message: string
}

/** Finds rules that can never decide because one earlier rule covers them whole. Several that do so together are not found. */
export function unreachableRules(rules: readonly Rule[]): readonly UnreachableRule[] {
  return rules.flatMap((rule, index) => {
    const earlier = rules.slice(0, index).findIndex((candidate) => coversRule(candidate, rule))
    const cover = rules[earlier]
    if (cover === undefined) return []
    const { file, line } = rule
    const message = `${file}:${line}: rule ${index + 1} (${ruleText(rule)}) never decides: rule ${earlier + 1} (${ruleText(cover)}) at line ${cover.line} matches first`
    return [{ number: index + 1, file, line, coveredBy: earlier + 1, message }]
  })
}

function coversRule(cover: Rule, rule: Rule): boolean {
  return (
    coversNames(cover.from, rule.from) &&
    coversTargets(cover, rule) &&
    coversNames(cover.service, rule.service) &&
    (cover.mode === undefined || cover.mode === rule.mode)
  )
}

/** The star of an allow leaves the host out; that of a deny does not. */
function coversTargets(cover: Rule, rule: Rule): boolean {
  if (cover.to !== '*' || cover.effect === 'deny') return coversNames(cover.to, rule.to)
  return rule.to === '*' ? rule.effect === 'allow' : !rule.to.includes(HOST_NAME)
}

function coversNames(cover: Names, names: Names): boolean {
  return cover === '*' || (names !== '*' && names.every((name) => cover.includes(name)))
}
