import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BusyPoller } from './busy-poller.ts'

test('bytes that come rarely start nothing, bytes that follow each other closely do, and it stops by itself', async () => {
  const poller = new BusyPoller(5)
  poller.touch(100)
  assert.equal(immediates(), 0)
  poller.touch(100)
  assert.equal(immediates(), 1)
  while (immediates() > 0) await new Promise<void>((resolve) => setImmediate(resolve))
})

test('bulk starts nothing, and stops what runs', async () => {
  const poller = new BusyPoller(1000)
  for (let i = 0; i < 5; i++) poller.touch(65_536)
  assert.equal(immediates(), 0)
  poller.touch(100)
  poller.touch(100)
  assert.equal(immediates(), 1)
  poller.touch(65_536)
  await new Promise<void>((resolve) => setImmediate(resolve))
  assert.equal(immediates(), 0)
})

test('a window of 0 turns it off', () => {
  const poller = new BusyPoller(0)
  poller.touch(100)
  poller.touch(100)
  assert.equal(immediates(), 0)
})

/** Immediates that are due. */
function immediates(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Immediate').length
}
