/** The largest fragments go through rings of every size: those that hold many of them, and those that hold none whole. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RingPairs } from '../../testing/index.ts'
import { RpcAccess } from '../access.ts'
import { MAX_FRAGMENT, MIN_FRAGMENT } from '../limits.ts'
import { RpcClient } from './client.ts'
import { bytes, ECHO, serve, TestEnv } from './harness.test.ts'

for (const ringBytes of [4_096, 16_384, 65_536, 262_144, 1_048_576]) {
  for (const fragment of [MIN_FRAGMENT, MAX_FRAGMENT]) {
    test(`fragments of ${fragment} bytes through rings of ${ringBytes}`, async () => {
      const pairs = new RingPairs(ringBytes)
      const [near, far] = pairs.pair()
      const env = new TestEnv()
      serve(env, far, { fragment })
      const client = new RpcClient(new RpcAccess(near), { env, limits: { fragment } })
      const context = await client.bind(ECHO)
      const stubs = [1_048_576, 65_504, 100, 300_000].map((length) => bytes(length, length))
      const replies = await Promise.all(stubs.map((stub) => client.call(context, 0, stub)))
      for (const [index, { stub }] of replies.entries()) assert.deepEqual(stub, stubs[index])
      client.close()
      pairs.close()
    })
  }
}
