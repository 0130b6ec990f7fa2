import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { bytes, ECHO, settle, world } from './harness.test.ts'

test('a signal has one listener, however many calls are under it', async () => {
  const { client, echo } = world()
  const context = await client.bind(ECHO)
  const controller = new AbortController()
  const { signal } = controller
  const calls = Array.from({ length: 20 }, () => client.call(context, 2, bytes(4), { signal }))
  await settle()
  assert.equal(getEventListeners(signal, 'abort').length, 1)
  echo.release()
  await calls.shift()
  assert.equal(getEventListeners(signal, 'abort').length, 1)
  controller.abort()
  for (const call of calls) await assert.rejects(call, { code: 'CANCELLED' })
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  client.close()
})
