import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Env, memoryPair } from '../../link/index.ts'
import { StillEnv } from '../../testing/index.ts'
import { RpcAccess } from '../access.ts'
import { RpcClient } from './client.ts'
import type { IncomingCall } from './incoming-call.ts'
import { RpcServer } from './server.ts'

const ID = { uuid: '0f5b6d2e-2222-4222-8333-444455556677', major: 1, minor: 0 }
const MANY = 400
/** The stub of a call that fails: `a`, in upper case. */
const BAD = 65

/** Clients of one process, each of a caller; every call takes 20 µs of a clock that nothing else moves. */
function clients(order: string[], callers: readonly (string | undefined)[]): RpcClient[] {
  let now = 0
  const still = new StillEnv()
  const env: Env = {
    now: () => now,
    timer: (delay, run) => still.timer(delay, run),
    random: (into) => still.random(into),
    post: (run) => void setImmediate(run),
  }
  const dispatch = (call: IncomingCall): Uint8Array => {
    now += 0.02
    order.push(String.fromCharCode(...call.stub))
    if (call.stub[0] === BAD) throw new Error('no')
    return new Uint8Array(0)
  }
  return callers.map((caller) => {
    const [near, far] = memoryPair()
    const named = caller === undefined ? {} : { caller }
    new RpcServer(new RpcAccess(far), { env, lookup: () => ({ id: ID, opnums: 10, dispatch }), ...named })
    return new RpcClient(new RpcAccess(near), { env })
  })
}

const twoClients = (order: string[]): [RpcClient, RpcClient] =>
  clients(order, [undefined, undefined]) as [RpcClient, RpcClient]

const call = async (client: RpcClient, name: string): Promise<void> => {
  const context = await client.bind(ID)
  await client.call(context, 0, Uint8Array.of(name.charCodeAt(0)))
}

test('a client that sends hundreds of calls at once does not keep another one waiting for all of them', async () => {
  const order: string[] = []
  const [busy, other] = twoClients(order)
  await Promise.all([call(busy, 'a'), call(other, 'b')])
  order.length = 0
  const all = Promise.all([...Array.from({ length: MANY }, () => call(busy, 'a')), call(other, 'b')])
  await all
  assert.equal(order.length, MANY + 1)
  const before = order.indexOf('b')
  assert.ok(before < 20, `${before} calls were served before the one of the other client`)
})

test('many links of one caller have the turns of one', async () => {
  const order: string[] = []
  const all = clients(order, ['other', ...Array.from({ length: 10 }, () => 'busy')])
  const [other, ...busy] = all as [RpcClient, ...RpcClient[]]
  await Promise.all([...busy.map((each) => call(each, 'a')), call(other, 'b')])
  order.length = 0
  const flood = Promise.all(busy.flatMap((each) => Array.from({ length: MANY }, () => call(each, 'a'))))
  for (let i = 0; i < 20; i++) await call(other, 'b')
  const between = order.join('').split('b')
  assert.equal(between.length, 21)
  // The first one comes behind what of each link was taken before there was anybody else.
  const most = Math.max(...between.slice(1, -1).map((calls) => calls.length))
  assert.ok(most <= 4, `${most} calls were served between two of the other caller`)
  await flood
  assert.equal(order.length, 10 * MANY + 20)
})

test('many links of which nobody says whose they are have the turns of one, until they were answered a call', async () => {
  const order: string[] = []
  const all = clients(order, ['other', ...Array.from({ length: 10 }, () => undefined)])
  const [other, ...busy] = all as [RpcClient, ...RpcClient[]]
  const bound = await Promise.all(busy.map(async (each) => ({ each, context: await each.bind(ID) })))
  await call(other, 'b')
  order.length = 0
  const flood = Promise.allSettled(
    bound.flatMap(({ each, context }) => Array.from({ length: MANY }, () => each.call(context, 0, Uint8Array.of(BAD)))),
  )
  for (let i = 0; i < 20; i++) await call(other, 'b')
  const between = order.join('').split('b')
  const most = Math.max(...between.slice(1, -1).map((calls) => calls.length))
  assert.ok(most <= 4, `${most} calls were served between two of the other caller`)
  await flood
})

test('a client that is alone is never stopped', async () => {
  const order: string[] = []
  const [busy] = twoClients(order)
  await call(busy, 'a')
  let turns = 0
  const count = (): void => {
    turns++
    if (order.length <= MANY) setImmediate(count)
  }
  setImmediate(count)
  await Promise.all(Array.from({ length: MANY }, () => call(busy, 'a')))
  assert.ok(turns < 10, `${turns} turns of the event loop`)
})
