import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Resync } from './resync.ts'
import { HELLO, type Hello } from './wire.ts'

/** Nonces of one repeated letter, the next letter each time. */
function side(first: string): Resync {
  let next = first.charCodeAt(0)
  return new Resync((into) => into.fill(next++))
}
const nonce = (letter: string): string => letter.repeat(10)
const seek = (own: string, echo = ''): Hello => ({ kind: HELLO.SEEK, nonce: nonce(own), echo: echo && nonce(echo) })
const answer = (own: string, echo: string): Hello => ({ ...seek(own, echo), kind: HELLO.ANSWER })
const late = (own: string, echo: string): Hello => ({ ...seek(own, echo), kind: HELLO.LATE })

/** In a session: own nonce `a`, the peer's `p`. */
function up(): Resync {
  const a = side('a')
  a.heard(seek('p', 'a'), true)
  assert.ok(a.up)
  return a
}

test('two sides that begin at once come to the same session', () => {
  const a = side('a')
  const p = side('p')
  assert.deepEqual(a.heard(p.current(false), true), { lost: false, up: false, send: true })
  assert.deepEqual(p.heard(a.current(false), true), { lost: false, up: true, send: true })
  assert.deepEqual(p.current(false), answer('p', 'a'))
  assert.deepEqual(a.heard(p.current(false), true), { lost: false, up: true, send: true })
  assert.deepEqual(p.heard(a.current(false), true), { lost: false, up: false, send: false })
  assert.equal(a.epoch, p.epoch)
})

test('an echo of anything but the current nonce begins nothing', () => {
  const a = side('a')
  assert.deepEqual(a.heard(seek('p', 'x'), true), { lost: false, up: false, send: true })
  assert.deepEqual(a.heard(answer('p', 'x'), true), { lost: false, up: false, send: false })
  assert.deepEqual(a.heard(seek('p'), true), { lost: false, up: false, send: true })
  assert.equal(a.epoch, '')
})

test('its own HELLO, reflected, is not heard', () => {
  const a = side('a')
  assert.deepEqual(a.heard(a.current(false), true), { lost: false, up: false, send: false })
  assert.deepEqual(a.heard(seek('a', 'a'), true), { lost: false, up: false, send: false })
})

test('a new nonce in a session loses it, and this side takes a new one too', () => {
  const a = up()
  const epoch = a.epoch
  assert.deepEqual(a.heard(seek('q'), true), { lost: true, up: false, send: true })
  assert.deepEqual(a.current(false), seek('b', 'q'))
  assert.deepEqual(a.heard(answer('q', 'a'), true), { lost: false, up: false, send: false })
  assert.deepEqual(a.heard(seek('q', 'b'), true), { lost: false, up: true, send: true })
  assert.notEqual(a.epoch, epoch)
})

test('a HELLO of the same session is answered when it asks, and tells whether frames were sent', () => {
  const a = up()
  assert.deepEqual(a.heard(seek('p'), true), { lost: false, up: false, send: true })
  assert.deepEqual(a.current(false), answer('a', 'p'))
  assert.deepEqual(a.current(true), late('a', 'p'))
  assert.deepEqual(a.heard(answer('p', 'a'), true), { lost: false, up: false, send: false })
  assert.ok(a.up)
})

test('a HELLO of the same session that cut a frame loses it: bytes are missing', () => {
  const a = up()
  assert.deepEqual(a.heard(answer('p', 'a'), false), { lost: true, up: false, send: true })
  assert.deepEqual(a.current(false), seek('b'))
})

test('a side that missed frames does not join the session late', () => {
  const a = side('a')
  assert.deepEqual(a.heard(late('p', 'a'), true), { lost: false, up: false, send: true })
  assert.deepEqual(a.current(false), seek('b', 'p'))
  assert.ok(!a.up)
})

test('giving up takes a new nonce and forgets the peer', () => {
  const a = up()
  a.renew()
  assert.deepEqual(a.current(false), seek('b'))
  assert.ok(!a.up)
})
