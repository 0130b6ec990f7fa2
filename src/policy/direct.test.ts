import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { checkBusConfig, parseBusConfig } from './bus-config.ts'
import { directPairs } from './direct.ts'
import { CONFIG_LIMITS } from './limits.ts'
import { compilePolicy } from './policy.ts'

const MACHINES = `
partitions:
  c: { kind: qemu }
  a: { kind: qemu }
  b: { kind: qemu }
  p: { kind: process, run: [node] }
`

function pairsOf(...rules: readonly string[]): string[] {
  const policy = rules.map((rule) => `  - { ${rule} }\n`).join('')
  return directPairs(parseBusConfig(`${MACHINES}policy:\n${policy}`, 'f')).map((pair) => pair.join(' '))
}

describe('memory that two machines share', () => {
  test('is there for pairs that a rule with direct is about, whoever calls, once', () => {
    assert.deepEqual(
      pairsOf('allow: b, to: a, service: s, direct: true', 'allow: a, to: b, service: t, direct: true'),
      ['a b'],
    )
    assert.deepEqual(pairsOf('allow: [a, c], to: [b, c], service: s, direct: true'), ['a b', 'a c', 'b c'])
    assert.deepEqual(pairsOf("allow: '*', to: '*', service: s, direct: true"), ['a b', 'a c', 'b c'])
  })

  test('is not there without the word, nor for what is no machine', () => {
    assert.deepEqual(pairsOf('allow: a, to: b, service: s', 'allow: a, to: c, service: s, direct: false'), [])
    assert.deepEqual(pairsOf('allow: a, to: [p, host], service: s, direct: true'), [])
  })

  test('is of the rule that decides, and printed with it', () => {
    const { policy } = parseBusConfig(
      `${MACHINES}policy:\n  - { allow: a, to: b, service: s }\n  - { allow: a, to: b, service: '*', direct: true }\n`,
      'f',
    )
    const decide = (service: string): unknown => compilePolicy(policy).decide({ caller: 'a', target: 'b', service })
    assert.equal((decide('s') as { direct: boolean }).direct, false)
    const { direct, reason } = decide('t') as { direct: boolean; reason: string }
    assert.equal(direct, true)
    assert.match(reason, /allow a to b service \* direct$/)
  })

  test('is refused in a rule that denies, and with more machines than one may share it with', () => {
    const denied = checkBusConfig(`${MACHINES}policy: [{ deny: a, to: b, service: s, direct: true }]`, 'f')
    assert.match(denied.problems[0]?.message ?? '', /found "direct" in a rule that denies/)
    const names = Array.from({ length: CONFIG_LIMITS.direct + 2 }, (_, index) => `m${index}`)
    const partitions = names.map((name) => `  ${name}: { kind: qemu }\n`).join('')
    const config = (to: readonly string[]): string =>
      `partitions:\n${partitions}policy: [{ allow: m0, to: [${to.join(', ')}], service: s, direct: true }]`
    assert.deepEqual(checkBusConfig(config(names.slice(1, -1)), 'f').problems, [])
    const [problem, ...others] = checkBusConfig(config(names.slice(1)), 'f').problems
    assert.match(problem?.message ?? '', /"m0" sharing memory with 64 machines, at most 63/)
    assert.deepEqual(others, [])
  })
})
