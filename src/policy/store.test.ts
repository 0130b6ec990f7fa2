import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type AuditRecord, PolicyStore, type Question } from './index.ts'

const QUESTION: Question = { caller: 'web', target: 'storage', service: 'files' }
const GOOD = `
partitions: { web: { kind: qemu }, storage: { kind: qemu } }
policy:
  - { allow: web, to: storage, service: files }
`

function storeWithRecords(): { store: PolicyStore; records: AuditRecord[] } {
  const records: AuditRecord[] = []
  let clock = 1_000
  const now = (): number => {
    clock += 1
    return clock
  }
  return { store: new PolicyStore({ audit: (record) => records.push(record), now }), records }
}

describe('the store', () => {
  test('denies everything before a file was loaded', () => {
    const { store } = storeWithRecords()
    assert.equal(store.decide(QUESTION).allowed, false)
    assert.equal(store.generation, 0)
  })

  test('takes a good file whole', () => {
    const { store } = storeWithRecords()
    const result = store.load(GOOD, 'busbar.yaml')
    assert.ok(result.loaded)
    assert.deepEqual([...result.config.partitions.keys()], ['web', 'storage'])
    assert.equal(store.decide(QUESTION).allowed, true)
    assert.equal(store.load('policy: []', 'busbar.yaml').generation, 2)
    assert.equal(store.decide(QUESTION).allowed, false)
  })

  test('keeps the last good policy when the file is broken, and says what is wrong with it', () => {
    const { store } = storeWithRecords()
    store.load(GOOD, 'busbar.yaml')
    const result = store.load(`${GOOD}  - { allow: web, to: storage }\n`, 'busbar.yaml')
    assert.ok(!result.loaded)
    assert.equal(result.error.code, 'POLICY')
    assert.equal(result.generation, 1)
    assert.equal(store.decide(QUESTION).allowed, true)
    const broken = 'busbar.yaml:5:5: the key "service" is missing: the services'
    assert.deepEqual(store.inspect(), {
      generation: 1,
      rules: 1,
      allowed: 1,
      denied: 0,
      lastError: { code: 'POLICY', message: broken },
    })
    store.load(GOOD, 'busbar.yaml')
    assert.equal(store.inspect().lastError, undefined)
  })

  test('keeps it as well when the file is gone', () => {
    const { store } = storeWithRecords()
    store.load(GOOD, 'busbar.yaml')
    assert.equal(store.refuse(new Error('ENOENT')).code, 'CONFIG')
    assert.equal(store.decide(QUESTION).allowed, true)
    assert.equal(store.inspect().lastError?.message, 'ENOENT')
  })

  test('never takes a broken file, wherever it is broken off or changed', () => {
    const { store } = storeWithRecords()
    store.load(GOOD, 'f')
    fc.assert(
      fc.property(fc.nat(GOOD.length), fc.string({ unit: 'binary', maxLength: 5 }), (at, inserted) => {
        const before = store.generation
        const result = store.load(GOOD.slice(0, at) + inserted + GOOD.slice(at), 'f')
        if (!result.loaded) assert.equal(store.generation, before)
        // Whatever was loaded, at most what one rule of this file says is allowed.
        assert.equal(store.policy.decide({ ...QUESTION, caller: 'storage' }).allowed, false)
      }),
      { seed: 20_261_122, numRuns: 500 },
    )
  })
})

describe('the audit', () => {
  test('has one record per decision, in order, with the rule that decided', () => {
    const { store, records } = storeWithRecords()
    store.load(GOOD, 'busbar.yaml')
    store.decide({ ...QUESTION, mode: 'byte' })
    store.decide({ ...QUESTION, service: 'other' })
    assert.deepEqual(records, [
      {
        sequence: 1,
        at: 1_001,
        ...QUESTION,
        mode: 'byte',
        allowed: true,
        rule: 1,
        generation: 1,
        reason: 'allowed by rule 1 (busbar.yaml:4): allow web to storage service files',
      },
      {
        sequence: 2,
        at: 1_002,
        ...QUESTION,
        service: 'other',
        mode: undefined,
        allowed: false,
        rule: undefined,
        generation: 1,
        reason: 'denied by default: no rule allows web to storage service other',
      },
    ])
  })

  test('gets no record for a question that is only explained', () => {
    const { store, records } = storeWithRecords()
    store.policy.explain(QUESTION)
    assert.equal(records.length, 0)
  })

  test('holds no control characters, whatever the names are', () => {
    const { store, records } = storeWithRecords()
    const text = fc.string({ unit: 'binary', maxLength: 200 })
    fc.assert(
      fc.property(text, text, text, (caller, target, service) => {
        assert.equal(store.decide({ caller, target, service }).allowed, false)
        const record = records.at(-1)
        const printed = [record?.caller, record?.target, record?.service, record?.reason].join(' ')
        assert.doesNotMatch(printed, /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/)
        assert.ok(printed.length < 5_000)
      }),
      { seed: 20_261_122, numRuns: 500 },
    )
    assert.equal(records.length, 500)
  })

  test('that fails turns the answer into no', () => {
    const full = (): never => {
      throw new Error('disk full')
    }
    const store = new PolicyStore({ audit: full, now: () => 0 })
    store.load(GOOD, 'f')
    assert.deepEqual(store.decide(QUESTION), {
      allowed: false,
      rule: undefined,
      direct: false,
      reason: 'denied: the decision could not be recorded',
    })
    assert.equal(store.inspect().denied, 1)
  })
})
