import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { unwatchSignal, watchSignal } from './signals.ts'

test('all who watch a signal are told once, whatever one of them throws', () => {
  const { signal } = new AbortController()
  const told: string[] = []
  const last = (): void => void told.push('last')
  watchSignal(signal, () => void told.push('first'))
  watchSignal(signal, () => {
    unwatchSignal(signal, removed)
    throw new Error('not its own fault')
  })
  const removed = (): void => void told.push('removed')
  watchSignal(signal, removed)
  watchSignal(signal, last)
  watchSignal(signal, last)
  const [listener, ...others] = getEventListeners(signal, 'abort')
  assert.deepEqual(others, [])
  // The test's own way of firing it: what a listener throws in earnest is an uncaught exception.
  assert.throws(() => listener?.(new Event('abort')), /not its own fault/)
  assert.deepEqual(told, ['first', 'last'])
})

test('nothing is left on a signal that nobody watches any more, and it can be watched again', () => {
  const controller = new AbortController()
  const { signal } = controller
  let told = 0
  const once = (): void => void told++
  const other = (): void => void told++
  watchSignal(signal, once)
  watchSignal(signal, other)
  unwatchSignal(signal, once)
  assert.equal(getEventListeners(signal, 'abort').length, 1)
  unwatchSignal(signal, other)
  unwatchSignal(signal, other)
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  watchSignal(signal, once)
  controller.abort()
  assert.equal(told, 1)
})
