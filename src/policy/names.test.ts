import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { closestName } from './index.ts'

const KNOWN = ['allow', 'deny', 'to', 'service', 'partition']

test('one slip of the finger finds the name: a letter too many, too few, wrong, or two in the wrong order', () => {
  for (const [found, meant] of [
    ['alow', 'allow'],
    ['alllow', 'allow'],
    ['allaw', 'allow'],
    ['lalow', 'allow'],
    ['DENY', 'deny'],
    ['dney', 'deny'],
    ['deyn', 'deny'],
    ['ot', 'to'],
    ['srevice', 'service'],
    ['sevrcie', 'service'],
  ] as const) {
    assert.equal(closestName(found, KNOWN), meant, found)
  }
})

test('what is not near is not proposed', () => {
  for (const found of ['', 'x', 'wolla', 'ndye', 'completely', 'p'.repeat(200)]) {
    assert.equal(closestName(found, KNOWN), undefined, found)
  }
})

test('the nearest of several is proposed, the first of those that are as near', () => {
  assert.equal(closestName('stat', ['start', 'stats', 'stat']), 'stat')
  assert.equal(closestName('tsat', ['seat', 'stat']), 'stat')
  assert.equal(closestName('opne', ['open', 'one']), 'open')
})

test('two neighbours that were swapped are always as near as one letter that is wrong', () => {
  const name = fc.string({ minLength: 3, maxLength: 20, unit: fc.constantFrom('a', 'b', 'c', 'd') })
  fc.assert(
    fc.property(name, fc.nat(), (meant, at) => {
      const first = at % (meant.length - 1)
      const swapped = `${meant.slice(0, first)}${meant[first + 1]}${meant[first]}${meant.slice(first + 2)}`
      assert.equal(closestName(swapped, [meant]), meant)
    }),
  )
})
