import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RpcAccess } from '../access.ts'
import { PFC } from '../pdu/header.ts'
import { RpcClient } from './client.ts'
import { ack, bytes, ECHO, fault, linkPair, RawPeer, response, settle, TestEnv } from './harness.test.ts'

test('an answer that crosses the news that it is orphaned is taken by whoever takes late ones, once, as far back as calls are known', async () => {
  const [mine, theirs] = linkPair()
  const raw = new RawPeer(theirs)
  const env = new TestEnv()
  const client = new RpcClient(new RpcAccess(mine), { env, limits: { cancelGrace: 10, calls: 2 } })
  const binding = client.bind(ECHO)
  await raw.send(ack(1))
  const context = await binding
  const taken: number[] = []
  const orphan = async (name: number): Promise<void> => {
    const controller = new AbortController()
    const late = ({ stub }: { stub: Uint8Array }): unknown => taken.push(name, stub.length)
    const call = client.call(context, 0, bytes(1), { signal: controller.signal, late })
    await settle()
    controller.abort()
    await assert.rejects(call, { code: 'CANCELLED' })
    env.advance(10)
    await settle()
    assert.equal(client.inspect().calls.pending, 0)
  }
  for (const name of [1, 2, 3]) await orphan(name)
  assert.equal(client.inspect().calls.orphaned, 2)
  raw.take()
  const other = client.call(context, 0, bytes(1))
  await settle()
  // The first is not known any more. Of the second only the first fragment has come when another call is answered.
  await raw.send(
    fault(2, 0x1c00_000d),
    response(3, bytes(4), PFC.FIRST),
    response(5, bytes(6)),
    response(3, bytes(4), PFC.LAST),
  )
  assert.equal((await other).stub.length, 6)
  await raw.send(response(3), fault(4, 0x1c00_000d))
  assert.deepEqual(taken, [2, 8])
  assert.deepEqual(client.inspect().calls, { pending: 0, queued: 0, cancelled: 0, orphaned: 0, made: 4 })
  await orphan(6)
  await raw.send(response(6, bytes(4), PFC.FIRST))
  client.close()
  await client.closed
  assert.deepEqual([client.inspect().calls.orphaned, client.inspect().memory.reassembly, env.timers], [0, 0, 0])
})

test('an answer that comes when its call is not known any more, and may give something, ends the association', async () => {
  const [mine, theirs] = linkPair()
  const raw = new RawPeer(theirs)
  const env = new TestEnv()
  const client = new RpcClient(new RpcAccess(mine), { env, limits: { cancelGrace: 10, calls: 1 } })
  const binding = client.bind(ECHO)
  await raw.send(ack(1))
  const context = await binding
  const orphan = async (late?: () => void): Promise<void> => {
    const controller = new AbortController()
    const { signal } = controller
    const call = client.call(context, 0, bytes(1), late === undefined ? { signal } : { signal, late })
    await settle()
    controller.abort()
    await assert.rejects(call, { code: 'CANCELLED' })
    env.advance(10)
    await settle()
  }
  const never = (): void => assert.fail('the call is not known any more')
  await orphan(never)
  await orphan(never)
  await orphan()
  // What a call gives that nobody takes late is nothing, and so is a fault.
  await raw.send(response(4), fault(2, 0x1c00_000d))
  const other = client.call(context, 0, bytes(1))
  await raw.send(response(5))
  await other
  await raw.send(response(2, bytes(4), PFC.FIRST))
  const reason = await client.closed
  assert.deepEqual([reason?.code, /limit calls/.test(reason?.message ?? '')], ['LIMIT', true])
  assert.deepEqual([client.inspect().calls.orphaned, client.inspect().memory.reassembly, env.timers], [0, 0, 0])
})
