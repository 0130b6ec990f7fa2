import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StillEnv } from '../../testing/index.ts'
import { RpcAccess } from '../access.ts'
import { RpcClient } from './client.ts'
import { linkPair } from './harness.test.ts'
import { RpcServer } from './server.ts'

const ID = { uuid: '0f5b6d2e-2222-4222-8333-444455556666', major: 1, minor: 0 }

for (const [client, server, agreed] of [
  [true, true, true],
  [true, false, false],
  [false, true, false],
  [false, false, false],
] as const) {
  test(`a client that ${client ? 'pipelines' : 'does not'} and a server that ${server ? 'does' : 'does not'}`, async () => {
    const [near, far] = linkPair()
    const env = new StillEnv()
    const dispatch = (): Uint8Array => new Uint8Array(0)
    const lookup = () => ({ id: ID, opnums: 1, dispatch })
    const serving = new RpcServer(new RpcAccess(far), { env, lookup, ...(server ? { pipelines: true } : {}) })
    const calling = new RpcClient(new RpcAccess(near), { env, ...(client ? { pipelines: true } : {}) })
    assert.deepEqual([calling.pipelined, serving.pipelined], [false, false])
    await calling.bind(ID)
    assert.deepEqual([calling.pipelined, serving.pipelined], [agreed, agreed])
    calling.close()
    await serving.closed
  })
}
