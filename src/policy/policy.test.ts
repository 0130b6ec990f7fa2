import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  compilePolicy,
  type Names,
  parseBusConfig,
  type Policy,
  type Question,
  type Rule,
  unreachableRules,
} from './index.ts'

const PARTITIONS = 'partitions: { web: { kind: qemu }, box: { kind: qemu }, storage: { kind: qemu } }\n'

function rulesOf(...lines: readonly string[]): readonly Rule[] {
  const policy = lines.map((line) => `  - { ${line} }\n`).join('')
  return parseBusConfig(`${PARTITIONS}policy:\n${policy}`, 'busbar.yaml').policy
}

function policyOf(...lines: readonly string[]): Policy {
  return compilePolicy(rulesOf(...lines))
}

const QUESTION: Question = { caller: 'web', target: 'storage', service: 'files.FileStore' }

describe('a decision', () => {
  test('is no where there is no rule', () => {
    assert.deepEqual(compilePolicy([]).decide(QUESTION), {
      allowed: false,
      rule: undefined,
      direct: false,
      reason: 'denied by default: no rule allows web to storage service files.FileStore',
    })
  })

  test('names the rule, its text and where it stands', () => {
    const decision = policyOf(
      "deny: box, to: '*', service: '*'",
      'allow: web, to: storage, service: files.FileStore',
    ).decide(QUESTION)
    assert.deepEqual(decision, {
      allowed: true,
      rule: { number: 2, text: 'allow web to storage service files.FileStore', file: 'busbar.yaml', line: 4 },
      direct: false,
      reason: 'allowed by rule 2 (busbar.yaml:4): allow web to storage service files.FileStore',
    })
  })

  test('is that of the first rule that matches', () => {
    const deny = "deny: '*', to: storage, service: '*'"
    const allow = 'allow: [web, box], to: [storage], service: [a, files.FileStore]'
    assert.equal(policyOf(deny, allow).decide(QUESTION).allowed, false)
    assert.equal(policyOf(allow, deny).decide(QUESTION).allowed, true)
    assert.equal(policyOf(allow, deny).decide({ ...QUESTION, service: 'b' }).rule?.number, 2)
  })

  test('reaches partitions that no rule names, through a star only', () => {
    const policy = policyOf("allow: '*', to: storage, service: a", "allow: web, to: '*', service: b")
    assert.equal(policy.decide({ caller: 'new', target: 'storage', service: 'a' }).allowed, true)
    assert.equal(policy.decide({ caller: 'new', target: 'web', service: 'a' }).allowed, false)
    assert.equal(policy.decide({ caller: 'web', target: 'new', service: 'b' }).allowed, true)
    assert.equal(policy.decide({ caller: 'new', target: 'newer', service: 'b' }).allowed, false)
  })

  test('reaches the host only where it is named', () => {
    const asked = { caller: 'web', target: 'host', service: 'a' }
    const star = policyOf("allow: web, to: '*', service: '*'")
    assert.equal(star.decide(asked).allowed, false)
    assert.equal(star.explain(asked).rules[0]?.because, 'a star never allows the host: name it')
    assert.equal(policyOf('allow: web, to: host, service: a').decide(asked).allowed, true)
    const denied = policyOf("deny: '*', to: '*', service: a", 'allow: web, to: host, service: a')
    assert.equal(denied.decide(asked).allowed, false)
  })

  test('keeps to the mode of a rule, and with the mode unknown is the stricter one', () => {
    const allow = policyOf("allow: web, to: storage, service: '*', mode: byte")
    assert.equal(allow.decide({ ...QUESTION, mode: 'byte' }).allowed, true)
    assert.equal(allow.decide({ ...QUESTION, mode: 'message' }).allowed, false)
    assert.equal(allow.decide(QUESTION).allowed, false)
    const deny = policyOf("deny: web, to: '*', service: '*', mode: byte", "allow: web, to: '*', service: '*'")
    assert.equal(deny.decide({ ...QUESTION, mode: 'message' }).allowed, true)
    assert.equal(deny.decide({ ...QUESTION, mode: 'byte' }).allowed, false)
    assert.equal(deny.decide(QUESTION).allowed, false)
  })

  test('is no for whatever is not a name, even under a star', () => {
    const policy = policyOf("allow: '*', to: '*', service: '*'")
    assert.equal(policy.decide(QUESTION).allowed, true)
    const bad = ['', '*', 'Web', 'web ', 'web\n', '\u0000', 'wéb', 'a/b', '-a', '__proto__', 'x'.repeat(64)]
    for (const name of bad) {
      assert.equal(policy.decide({ ...QUESTION, caller: name }).allowed, false, name)
      assert.equal(policy.decide({ ...QUESTION, target: name }).allowed, false, name)
    }
    for (const name of ['', '*', 'a/b', 'a b', 'a\n', '\u202e', 'x'.repeat(129)]) {
      const decision = policy.decide({ ...QUESTION, service: name })
      assert.equal(decision.allowed, false, name)
      assert.doesNotMatch(decision.reason, /[\u0000-\u001f\u202e]/)
    }
  })

  test('can be explained rule by rule, with the rule that would allow it', () => {
    const policy = policyOf(
      "deny: box, to: '*', service: '*'",
      "deny: web, to: storage, service: '*'",
      "allow: web, to: storage, service: '*'",
    )
    const { decision, rules, toAllow } = policy.explain({ ...QUESTION, mode: 'byte' })
    assert.equal(decision.rule?.number, 2)
    assert.deepEqual(
      rules.map(({ matches, decides, because }) => [matches, decides, because]),
      [
        [false, false, 'it is not about caller web'],
        [true, true, 'it matches'],
        [true, false, 'it matches'],
      ],
    )
    assert.equal(toAllow, '- { allow: web, to: storage, service: files.FileStore, mode: byte }')
  })

  test('of a question with bad names cannot be turned by any rule', () => {
    const { rules, toAllow } = policyOf("allow: '*', to: '*', service: '*'").explain({ ...QUESTION, caller: 'W' })
    assert.deepEqual(
      rules.map(({ matches, decides }) => [matches, decides]),
      [[false, false]],
    )
    assert.equal(toAllow, undefined)
  })
})

describe('rules that never decide', () => {
  test('are found, with the rule that covers them', () => {
    const rules = rulesOf(
      "allow: web, to: storage, service: '*'",
      'deny: web, to: storage, service: a',
      "deny: [web, box], to: storage, service: '*'",
      'allow: box, to: storage, service: a, mode: byte',
    )
    assert.deepEqual(
      unreachableRules(rules).map(({ number, coveredBy }) => [number, coveredBy]),
      [
        [2, 1],
        [4, 3],
      ],
    )
    assert.equal(
      unreachableRules(rules)[0]?.message,
      'busbar.yaml:4: rule 2 (deny web to storage service a) never decides: rule 1 (allow web to storage service *) at line 3 matches first',
    )
  })
})

describe('any policy', () => {
  const runs = { seed: 20_261_122, numRuns: 500 }
  const known = ['a', 'b', 'c', 'host']
  const names: fc.Arbitrary<Names> = fc.oneof(
    fc.constant('*' as const),
    fc.uniqueArray(fc.constantFrom(...known), { minLength: 1, maxLength: 3 }),
  )
  const mode = fc.constantFrom(undefined, 'byte' as const, 'message' as const)
  const rule: fc.Arbitrary<Rule> = fc.record({
    effect: fc.constantFrom('allow' as const, 'deny' as const),
    from: names,
    to: names,
    service: names,
    mode,
    direct: fc.boolean(),
    file: fc.constant('f'),
    line: fc.constant(1),
  })
  const name = fc.constantFrom(...known, 'unnamed')
  const question: fc.Arbitrary<Question> = fc.record({ caller: name, target: name, service: name, mode })

  /** The slow twin: the rules read from top to bottom, as the documentation says. */
  function slowlyAllowed(rules: readonly Rule[], { caller, target, service, mode }: Question): boolean {
    const holds = (some: Names, one: string): boolean => some === '*' || some.includes(one)
    for (const rule of rules) {
      if (!holds(rule.from, caller) || !holds(rule.to, target) || !holds(rule.service, service)) continue
      if (rule.to === '*' && rule.effect === 'allow' && target === 'host') continue
      if (rule.mode === undefined || rule.mode === mode) return rule.effect === 'allow'
      if (mode === undefined && rule.effect === 'deny') return false
    }
    return false
  }

  test('decides as its rules read from top to bottom', () => {
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 8 }), question, (rules, asked) => {
        const decision = compilePolicy(rules).decide(asked)
        assert.equal(decision.allowed, slowlyAllowed(rules, asked))
      }),
      { ...runs, numRuns: 5_000 },
    )
  })
  test('gives the same decision when asked and when explaining', () => {
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 8 }), question, (rules, asked) => {
        const policy = compilePolicy(rules)
        const { decision, rules: verdicts } = policy.explain(asked)
        assert.deepEqual(decision, policy.decide(asked))
        const first = verdicts.find(({ matches }) => matches)
        assert.equal(first?.rule.number, decision.rule?.number)
        assert.equal(verdicts.filter(({ decides }) => decides).length, decision.rule === undefined ? 0 : 1)
      }),
      runs,
    )
  })
  test('allows nothing without an allow, and no more by one more deny', () => {
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 8 }), rule, fc.nat(8), question, (rules, extra, at, asked) => {
        const denies = rules.map((one) => ({ ...one, effect: 'deny' as const }))
        assert.equal(compilePolicy(denies).decide(asked).allowed, false)
        const stricter = rules.toSpliced(at, 0, { ...extra, effect: 'deny' })
        if (compilePolicy(stricter).decide(asked).allowed) assert.ok(compilePolicy(rules).decide(asked).allowed)
      }),
      runs,
    )
  })
  test('does not change its answers when a rule that never decides is taken out', () => {
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 8 }), question, (rules, asked) => {
        const dead = new Set(unreachableRules(rules).map(({ number }) => number - 1))
        const kept = rules.filter((_, index) => !dead.has(index))
        assert.equal(compilePolicy(kept).decide(asked).allowed, compilePolicy(rules).decide(asked).allowed)
      }),
      runs,
    )
  })
  test('decides the same beyond the size of its index', () => {
    const many = Array.from({ length: 80 }, (_, index) => `p${index}`)
    const rules = many.map(
      (from, index): Rule => ({
        effect: index % 3 === 0 ? 'deny' : 'allow',
        from: [from],
        to: [many[(index * 7) % 80] ?? ''],
        service: '*',
        mode: undefined,
        direct: false,
        file: 'f',
        line: index,
      }),
    )
    const policy = compilePolicy(rules)
    for (const caller of many) {
      for (const target of many) {
        const asked = { caller, target, service: 's' }
        assert.equal(policy.decide(asked).allowed, slowlyAllowed(rules, asked))
      }
    }
  })
})
