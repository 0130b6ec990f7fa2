import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BusyPoller } from './busy-poller.ts'

test('bytes that come rarely start nothing, bytes that follow each other closely do, and it stops by itself', async () => {
  const poller = new BusyPoller(5)
  poller.touch()
  assert.equal(immediates(), 0)
  poller.touch()
  assert.equal(immediates(), 1)
  while (immediates() > 0) await new Promise<void>((resolve) => setImmediate(resolve))
})

test('a window of 0 turns it off', () => {
  const poller = new BusyPoller(0)
  poller.touch()
  poller.touch()
  assert.equal(immediates(), 0)
})

/** Immediates that are due. */
function immediates(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Immediate').length
}
