import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contract, contractsFrom, describeContracts, method, t } from '../rpc/index.ts'
import { methodText } from './method-text.ts'

test('what a terminal would heed in the words of the other side is not printed', () => {
  const how = t.enumeration('\u001b[2J\u009b2J\u202e', 'other')
  const own = contract('test.Screen', { version: '1.0' }, { clear: method({ how }, t.void) })
  const [theirs] = contractsFrom(describeContracts([own]))
  const texts = theirs?.procedures.map((procedure) => methodText(procedure)) ?? []
  assert.deepEqual(texts, ['clear(how: one of "\\u001b[2J\\u{9b}2J\\u{202e}", "other"): nothing'])
})
