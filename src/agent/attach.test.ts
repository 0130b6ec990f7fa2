import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attach } from './attach.ts'

test('a limit that is none is refused before a bus is looked for', async () => {
  for (const limits of [{ objects: 0 }, { rpc: { fragment: 3 } }, { rpc: { unbound: 0 } }]) {
    await assert.rejects(attach({ socket: '/nowhere/bus.sock', limits }), {
      code: 'INVALID_ARGUMENT',
      message: /limit/,
    })
  }
  await assert.rejects(attach({ socket: '/nowhere/bus.sock', limits: { objects: 1 } }), { code: 'NOT_READY' })
})
