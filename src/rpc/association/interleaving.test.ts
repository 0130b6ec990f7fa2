import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type MemoryLink, memoryPair } from '../../link/index.ts'
import { StillEnv } from '../../testing/index.ts'
import { RpcAccess } from '../access.ts'
import { PduCutter } from '../pdu/cutter.ts'
import { PFC, pduBytes } from '../pdu/header.ts'
import { FEATURE, featureSyntax } from '../pdu/syntax.ts'
import { PDUS } from '../pdu/table.ts'
import { RpcClient } from './client.ts'
import type { IncomingCall } from './incoming-call.ts'
import { RpcServer } from './server.ts'

const ID = { uuid: '0f5b6d2e-2222-4222-8333-444455556666', major: 1, minor: 0 }
const BULK = 1024 * 1024
const OURS = featureSyntax(FEATURE.KEEP_ON_ORPHAN | FEATURE.INTERLEAVED).uuid

/** A client and a server, and in the middle somebody who sees every PDU and may take our feature out of the bind. */
function between(options: { foreign?: boolean; serve?: (call: IncomingCall) => Uint8Array } = {}) {
  const [near, nearMiddle] = memoryPair()
  const [farMiddle, far] = memoryPair()
  const env = new StillEnv()
  const seen: string[] = []
  const relay = async (from: MemoryLink, to: MemoryLink): Promise<void> => {
    const cutter = new PduCutter(65_535, (header, view, at) => {
      const pdu = pduBytes(header, view, at).slice()
      if (options.foreign === true && header.type === PDUS.bind.number) takeOut(pdu)
      if (header.type === PDUS.request.number || header.type === PDUS.response.number) {
        const place = `${(header.flags & PFC.FIRST) === 0 ? '' : 'first'}${(header.flags & PFC.LAST) === 0 ? '' : 'last'}`
        seen.push(`${header.type === PDUS.request.number ? 'request' : 'response'} ${header.callId} ${place}`)
      }
      void to.write(pdu)
    })
    for (let chunk = await from.read(); chunk !== undefined; chunk = await from.read()) cutter.push(chunk)
    await to.end()
  }
  void relay(nearMiddle, farMiddle).catch(() => {})
  void relay(farMiddle, nearMiddle).catch(() => {})
  const order: number[] = []
  const dispatch = (call: IncomingCall): Uint8Array => {
    order.push(call.stub.length)
    return options.serve?.(call) ?? call.stub.slice()
  }
  new RpcServer(new RpcAccess(far), { env, lookup: () => ({ id: ID, opnums: 10, dispatch }) })
  const client = new RpcClient(new RpcAccess(near), { env })
  return { client, order, seen }
}

/** Our bit, where the pseudo transfer syntax carries it. */
function takeOut(bind: Uint8Array): void {
  const text = Buffer.from(bind)
  const prefix = Buffer.from('2c1cb76c129840450000000000000000', 'hex').subarray(0, 8)
  const at = text.indexOf(prefix)
  assert.ok(at > 0 && OURS.endsWith('8200-000000000000'))
  assert.equal(bind[at + 8], FEATURE.KEEP_ON_ORPHAN | FEATURE.INTERLEAVED)
  bind[at + 8] = FEATURE.KEEP_ON_ORPHAN
}

describe('small calls beside bulk, on one association', () => {
  test('a small request leaves between the fragments of a long one, and both arrive whole', async () => {
    const { client, order, seen } = between()
    const context = await client.bind(ID)
    const bulk = new Uint8Array(BULK).map((_, i) => i)
    const long = client.call(context, 0, bulk)
    const short = client.call(context, 0, Uint8Array.of(1, 2, 3))
    assert.deepEqual((await short).stub, Uint8Array.of(1, 2, 3))
    assert.deepEqual((await long).stub, bulk)
    assert.deepEqual(order, [3, BULK])
    const requests = seen.filter((each) => each.startsWith('request'))
    const small = requests.findIndex((each) => each.endsWith('firstlast'))
    assert.ok(small < requests.findIndex((each) => each.endsWith(' last')), requests.join())
    client.close()
  })

  test('a small answer leaves between the fragments of a long one', async () => {
    const big = new Uint8Array(BULK).fill(5)
    const { client, seen } = between({ serve: (call) => (call.opnum === 1 ? big : Uint8Array.of(call.opnum)) })
    const context = await client.bind(ID)
    const long = client.call(context, 1, new Uint8Array(0))
    const short = client.call(context, 2, new Uint8Array(0))
    const first = await Promise.race([long.then(() => 'long'), short.then(() => 'short')])
    assert.equal(first, 'short')
    assert.deepEqual((await long).stub, big)
    const responses = seen.filter((each) => each.startsWith('response'))
    const small = responses.findIndex((each) => each.endsWith('firstlast'))
    assert.ok(small < responses.findIndex((each) => each.endsWith(' last')), responses.join())
    client.close()
  })

  test('calls of one object stay in the order they were made; those of others do not wait', async () => {
    const { client, order } = between()
    const context = await client.bind(ID)
    const [one, other] = ['11111111-0000-4000-8000-000000000001', '11111111-0000-4000-8000-000000000002']
    const calls: Promise<unknown>[] = []
    for (const [size, object] of [
      [BULK, one],
      [1, one],
      [2, other],
      [300_000, one],
      [3, one],
      [4, other],
    ] as const) {
      calls.push(client.call(context, 0, new Uint8Array(size), { object }))
    }
    await Promise.all(calls)
    assert.deepEqual(order, [2, 4, BULK, 1, 300_000, 3])
    client.close()
  })

  test('several long requests at once, each whole', async () => {
    const { client } = between()
    const context = await client.bind(ID)
    const sizes = [200_000, 65_504, 65_505, 400_000, 3, 131_072]
    const replies = await Promise.all(
      sizes.map((size) => client.call(context, 0, new Uint8Array(size).fill(size & 255))),
    )
    assert.deepEqual(
      replies.map(({ stub }) => [stub.length, stub.at(-1)]),
      sizes.map((size) => [size, size & 255]),
    )
    client.close()
  })

  test('with a peer that did not agree, no request comes between the fragments of another', async () => {
    const { client, order, seen } = between({ foreign: true })
    const context = await client.bind(ID)
    const long = client.call(context, 0, new Uint8Array(BULK))
    const short = client.call(context, 0, Uint8Array.of(1))
    await Promise.all([long, short])
    assert.deepEqual(order, [BULK, 1])
    const ids = seen.filter((each) => each.startsWith('request')).map((each) => each.split(' ')[1])
    assert.equal(ids.filter((id, i) => i > 0 && id !== ids[i - 1]).length, 1)
    client.close()
  })
})
