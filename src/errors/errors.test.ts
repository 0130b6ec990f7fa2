import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BusbarError, CODES, codeFromNumber, codeNumber, type ErrorCode, escapeJson, escapePeerText } from './index.ts'

test('every code has a number of its own, and the number leads back', () => {
  const codes = Object.keys(CODES) as ErrorCode[]
  assert.equal(new Set(codes.map(codeNumber)).size, codes.length)
  for (const code of codes) assert.equal(codeFromNumber(codeNumber(code)), code)
  assert.equal(codeFromNumber(0), undefined)
})

test('the funnel keeps what is one of ours and wraps what is not', () => {
  const ours = new BusbarError('DENIED', 'no', { hints: ['ask'] })
  assert.equal(BusbarError.from(ours), ours)
  const thrown = new TypeError('odd')
  const wrapped = BusbarError.from(thrown, 'LINK_LOST')
  assert.equal(wrapped.code, 'LINK_LOST')
  assert.equal(wrapped.cause, thrown)
  assert.equal(wrapped.id, 'BUS-4002')
  assert.equal(BusbarError.from('text').message, 'text')
})

test('text of a peer cannot move the cursor, turn the line around or flood the log', () => {
  assert.equal(escapePeerText('a\u001b[31mb\r\nc\u202ed'), 'a\\u{1b}[31mb\\u{d}\\u{a}c\\u{202e}d')
  assert.ok(escapePeerText('x'.repeat(10_000)).length <= 301)
  assert.equal(escapePeerText('schön 漢字'), 'schön 漢字')
})

test('JSON with peer text is made safe to print, and says the same', () => {
  const value = { 'a\u009b2J': ['\u001b[31m', 'x\u202ey\u2028', '\u007f\ufeff', 'schön 漢字 😀'] }
  const text = escapeJson(JSON.stringify(value, undefined, 2))
  assert.deepEqual(JSON.parse(text), value)
  assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\ufeff]/)
  assert.match(text, /schön 漢字 😀/)
})
