import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryPair, StillEnv } from '../testing/index.ts'
import { arrival, beginReturn } from './return-link.ts'

const UNBOUND = 60_000
const TOKEN = '01020304-0506-0708-090a-0b0c0d0e0f10'

async function turn(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve))
}

test('a channel says by its first bytes what it is for, and they stay unread where it is a pipe', async () => {
  const env = new StillEnv()
  const [near, far] = memoryPair()
  beginReturn(near, TOKEN)
  void near.write(Uint8Array.of(1, 2))
  const returned = await arrival(far, env, UNBOUND)
  assert.equal(returned.token, TOKEN)
  assert.deepEqual(await returned.link.read(), Uint8Array.of(1, 2))
  const [other, end] = memoryPair()
  void other.write(Uint8Array.of(5, 0, 11, 3))
  const opened = await arrival(end, env, UNBOUND)
  assert.equal(opened.token, undefined)
  assert.deepEqual(await opened.link.read(), Uint8Array.of(5, 0, 11, 3))
  assert.equal(env.timers, 0)
})

test('one that says nothing is closed, and the limit is named', async () => {
  const env = new StillEnv()
  const [near, far] = memoryPair()
  const arriving = arrival(far, env, UNBOUND)
  void near.write(Uint8Array.of(5))
  env.advance(UNBOUND)
  await assert.rejects(arriving, { code: 'LIMIT', message: /limit unbound/ })
  assert.equal((await near.closed)?.code, 'LIMIT')
  assert.equal(env.timers, 0)
})

test('one that said something while this process did not run is heard', async () => {
  const env = new StillEnv()
  const [near, far] = memoryPair()
  const arriving = arrival(far, env, UNBOUND)
  env.advance(2 * UNBOUND)
  await turn()
  void near.write(Uint8Array.of(5, 0, 11))
  assert.equal((await arriving).token, undefined)
  const [late, end] = memoryPair()
  const cut = arrival(end, env, UNBOUND)
  // Of what comes in the same turn, the timer goes off first.
  env.advance(UNBOUND)
  void late.write(Uint8Array.of(5, 0, 11))
  assert.equal((await cut).token, undefined)
  await turn()
  assert.equal(env.timers, 0)
})
