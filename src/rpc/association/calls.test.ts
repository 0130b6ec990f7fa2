import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { BusbarError } from '../../errors/index.ts'
import { memoryPair } from '../../link/index.ts'
import { RpcAccess } from '../access.ts'
import { MAX_FRAGMENT } from '../limits.ts'
import { encodeBare, PFC, WHOLE } from '../pdu/header.ts'
import { CallTable } from './call-table.ts'
import { RpcClient } from './client.ts'
import type { PresentationContext } from './client-binding.ts'
import {
  ack,
  bytes,
  ECHO,
  OBJECT,
  RawPeer,
  response,
  serve,
  settle,
  TestEnv,
  type World,
  world,
  linkPair,
} from './harness.test.ts'
import { fragmentSize } from './negotiation.ts'
import { Reassembly } from './reassembly.ts'
import { RunningCalls } from './running-calls.ts'

async function open(...limits: Parameters<typeof world>): Promise<World & { context: PresentationContext }> {
  const made = world(...limits)
  return { ...made, context: await made.client.bind(ECHO) }
}

describe('fragments', () => {
  test('stubs of every size around a fragment and its multiples of 8 come back whole', async () => {
    const { client, context } = await open({ fragment: 2_048 })
    const one = 2_048 - 24
    const sizes = [0, 1, 7, 8, 9, one * 3, one * 7 + 1]
    for (let around = -9; around <= 9; around++) sizes.push(one + around, one - 16 + around, 2 * one + around)
    for (const size of sizes) {
      for (const object of [undefined, OBJECT]) {
        const reply = await client.call(context, 0, bytes(size, size), object === undefined ? {} : { object })
        assert.deepEqual(reply.stub, bytes(size, size), `${size} bytes`)
      }
    }
    client.close()
  })

  test('every fragment but the last holds a multiple of 8 and none is too long', async () => {
    const [mine, theirs] = linkPair()
    const raw = new RawPeer(theirs)
    const client = new RpcClient(new RpcAccess(mine), { env: new TestEnv() })
    const binding = client.bind(ECHO)
    await raw.send(ack(1, WHOLE | PFC.CONC_MPX, 2_052))
    const context = await binding
    raw.take()
    void client.call(context, 0, bytes(10_000), { object: OBJECT }).catch(() => {})
    await settle()
    const sizes = raw.pdus.map(({ header }) => header.length - 40)
    assert.deepEqual(sizes, [2_008, 2_008, 2_008, 2_008, 1_968])
    assert.deepEqual(
      raw.pdus.map(({ header }) => header.flags),
      [0x81, 0x80, 0x80, 0x80, 0x82],
    )
    assert.deepEqual(
      raw.pdus.map(({ bytes: pdu }) => new DataView(pdu.buffer).getUint32(16, true)),
      [10_000, 7_992, 5_984, 3_976, 1_968],
    )
    client.close()
  })

  test('the exact limits of request and response', async () => {
    const { client, context, echo } = await open(
      { request: 5_000, response: 5_000 },
      { request: 4_000, response: 4_500 },
    )
    assert.equal((await client.call(context, 0, bytes(4_000))).stub.length, 4_000)
    await assert.rejects(client.call(context, 0, bytes(5_001)), { code: 'LIMIT', message: /5001 bytes/ })
    assert.equal(echo.calls.length, 1)
    client.close()
    const small = await open({ fragment: 2_048, response: 3_999 }, { response: 4_000 })
    await assert.rejects(small.client.call(small.context, 0, bytes(4_000)), { code: 'LIMIT' })
    await assert.rejects(small.client.call(small.context, 0, bytes(4_001)), { code: 'LIMIT' })
    assert.equal((await small.client.call(small.context, 0, bytes(3_999))).stub.length, 3_999)
    small.client.close()
  })

  test('bulk and small calls over a link that asks to wait', async () => {
    const env = new TestEnv()
    const [mine, theirs] = memoryPair(1_000)
    serve(env, theirs)
    const client = new RpcClient(new RpcAccess(mine), { env })
    const context = await client.bind(ECHO)
    const sizes = [0, 300_000, 1, 20_000, 70_000, 5]
    const replies = await Promise.all(sizes.map((size) => client.call(context, 0, bytes(size, size))))
    for (const [i, size] of sizes.entries()) assert.deepEqual(replies[i]?.stub, bytes(size, size))
    assert.equal(client.inspect().memory.unsent, 0)
    client.close()
  })

  test('sizes that are agreed', () => {
    const table: [number, number, number, number][] = [
      [65_528, 65_528, MAX_FRAGMENT, 65_528],
      [65_535, 65_535, MAX_FRAGMENT, 65_528],
      [5_840, 5_840, MAX_FRAGMENT, 5_840],
      [5_840, 4_280, MAX_FRAGMENT, 4_280],
      [4_283, 65_535, MAX_FRAGMENT, 4_280],
      [0, 0, MAX_FRAGMENT, 2_048],
      [1_432, 1_432, MAX_FRAGMENT, 2_048],
      [65_528, 65_528, 5_840, 5_840],
    ]
    for (const [transmit, receive, own, agreed] of table) assert.equal(fragmentSize(transmit, receive, own), agreed)
  })

  test('limits that cannot be', () => {
    for (const limits of [
      { fragment: 2_040 },
      { fragment: 65_529 },
      { fragment: 2_052 },
      { calls: 0 },
      { request: -1 },
      { unsent: 0.5 },
    ]) {
      assert.throws(() => world(limits), { code: 'INVALID_ARGUMENT' })
    }
  })

  test('reassembly gives what was added, whatever the hints, up to the limit', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 }),
        fc.nat(0xffff),
        fc.nat(400),
        (parts, hint, limit) => {
          const reassembly = new Reassembly(limit)
          const expected: number[] = []
          for (const part of parts) {
            const fits = expected.length + part.length <= limit
            assert.equal(reassembly.fits(part.length), fits)
            if (!fits) continue
            expected.push(...part)
            const memory = reassembly.needs(part.length, hint)
            assert.ok(memory >= expected.length && memory <= Math.min(limit, expected.length * 64))
            reassembly.room(part.length, memory).set(part)
            reassembly.took(part.length)
          }
          const whole = reassembly.finish()
          assert.deepEqual([...whole], expected)
          assert.ok(whole.buffer.byteLength <= Math.max(2 * expected.length, whole.length))
        },
      ),
      { seed: 20_261_122 },
    )
  })
})

describe('cancelling', () => {
  test('rejects at once, tells the server, and a late answer is dropped', async () => {
    const { client, context, echo, env } = await open()
    const controller = new AbortController()
    const call = client.call(context, 2, bytes(4), { signal: controller.signal })
    await settle()
    controller.abort()
    await assert.rejects(call, { code: 'CANCELLED' })
    await settle()
    assert.equal(echo.calls[0]?.cancelled, true)
    assert.equal(echo.calls[0]?.signal.aborted, true)
    assert.equal(client.inspect().calls.cancelled, 1)
    echo.release()
    await settle()
    assert.deepEqual({ ...client.inspect().calls }, { pending: 0, queued: 0, cancelled: 0, orphaned: 0, made: 1 })
    assert.equal(env.timers, 0)
    assert.deepEqual((await client.call(context, 0, bytes(4))).stub, bytes(4))
    client.close()
  })

  test("the signal's own reason passes, a fired signal sends nothing", async () => {
    const { client, context, echo } = await open()
    const late = new BusbarError('DEADLINE', 'too late')
    await assert.rejects(client.call(context, 0, bytes(1), { signal: AbortSignal.abort(late) }), { code: 'DEADLINE' })
    await assert.rejects(client.call(context, 0, bytes(1), { signal: AbortSignal.abort() }), { code: 'CANCELLED' })
    await settle()
    assert.equal(echo.calls.length, 0)
    client.close()
  })

  test('a server that listens answers with a cancel fault; one that does not is orphaned after the grace time', async () => {
    const { client, context, echo, env, server } = await open({ cancelGrace: 500 })
    const controllers = [new AbortController(), new AbortController()]
    const calls = controllers.map(({ signal }) => client.call(context, 2, bytes(4), { signal }))
    const outcomes = Promise.allSettled(calls)
    await settle()
    controllers[0]?.abort()
    await settle()
    env.advance(200)
    controllers[1]?.abort()
    await settle()
    assert.equal(env.timers, 1)
    echo.fail(echo.calls[0]?.signal.reason)
    await settle()
    assert.equal(client.inspect().calls.cancelled, 1)
    env.advance(300)
    await settle()
    assert.equal(client.inspect().calls.pending, 1)
    env.advance(200)
    await settle()
    assert.equal(client.inspect().calls.pending, 0)
    assert.equal(env.timers, 0)
    assert.equal(server.inspect().calls.running, 1)
    echo.release()
    await settle()
    assert.equal(server.inspect().calls.running, 0)
    assert.deepEqual(
      (await outcomes).map(({ status }) => status),
      ['rejected', 'rejected'],
    )
    assert.deepEqual((await client.call(context, 0, bytes(4))).stub, bytes(4))
    client.close()
  })

  test('a signal that is not used leaves nothing behind', async () => {
    const { client, context } = await open()
    const controller = new AbortController()
    await client.call(context, 0, bytes(1), { signal: controller.signal })
    controller.abort()
    await settle()
    assert.equal(client.inspect().calls.cancelled, 0)
    client.close()
  })

  test('without keep-on-orphan: the slot waits when calls may overlap, else the link goes', async () => {
    for (const flags of [WHOLE | PFC.CONC_MPX, WHOLE]) {
      const [mine, theirs] = linkPair()
      const raw = new RawPeer(theirs)
      const env = new TestEnv()
      const client = new RpcClient(new RpcAccess(mine), { env, limits: { cancelGrace: 10 } })
      const binding = client.bind(ECHO)
      const plain = ack(1, flags)
      // The result of the feature context becomes a plain rejection.
      plain[56] = 2
      await raw.send(plain)
      const context = await binding
      const controller = new AbortController()
      const call = client.call(context, 0, bytes(1), { signal: controller.signal })
      const other = client.call(context, 0, bytes(1))
      const settled = Promise.allSettled([call, other])
      await settle()
      controller.abort()
      env.advance(10)
      await settle()
      if (flags === WHOLE) {
        assert.deepEqual(raw.take(), ['bind 1', 'request 2', 'co_cancel 2', 'orphaned 2'])
        assert.equal((await client.closed)?.code, 'CANCELLED')
      } else {
        assert.deepEqual(raw.take(), ['bind 1', 'request 2', 'request 3', 'co_cancel 2'])
        assert.equal(client.inspect().calls.pending, 2)
        await raw.send(response(2), response(3))
        assert.equal(client.inspect().calls.pending, 0)
        client.close()
      }
      await settled
    }
  })
})

describe('taking turns', () => {
  test('without multiplexing one call at a time, in order, and a queued one can be cancelled', async () => {
    const [mine, theirs] = linkPair()
    const raw = new RawPeer(theirs)
    const client = new RpcClient(new RpcAccess(mine), { env: new TestEnv() })
    const binding = client.bind(ECHO)
    await raw.send(ack(1, WHOLE))
    const context = await binding
    const controller = new AbortController()
    const calls = [0, 1, 2, 3].map((opnum) =>
      client.call(context, opnum, bytes(1), opnum === 1 ? { signal: controller.signal } : {}),
    )
    const settled = Promise.allSettled(calls)
    await settle()
    assert.deepEqual(client.inspect().calls, { pending: 1, queued: 3, cancelled: 0, orphaned: 0, made: 1 })
    controller.abort()
    for (const id of [2, 3, 4]) await raw.send(response(id, bytes(id)))
    assert.deepEqual(raw.take(), ['bind 1', 'request 2', 'request 3', 'request 4'])
    assert.deepEqual(
      (await settled).map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
    )
    client.close()
  })

  test('calls above the limit wait here', async () => {
    const { client, context, echo } = await open({ calls: 2 })
    const calls = Promise.all([1, 2, 3, 4, 5].map((size) => client.call(context, 2, bytes(size))))
    await settle()
    assert.equal(echo.waiting, 2)
    for (let i = 0; i < 5; i++) {
      echo.release()
      await settle()
    }
    assert.deepEqual(
      (await calls).map(({ stub }) => stub.length),
      [1, 2, 3, 4, 5],
    )
    client.close()
  })

  test('a call table never gives an id twice while it is in use', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { maxLength: 200 }), (choices) => {
        const table = new CallTable<{ id: number }>(4)
        const live: { id: number }[] = []
        for (const choice of choices) {
          if (choice < 5 && live.length < 4) {
            const call = { id: 0 }
            table.add(call)
            assert.ok(live.every(({ id }) => id !== call.id))
            live.push(call)
          } else {
            const [call] = live.splice(choice % Math.max(1, live.length), 1)
            if (call !== undefined) table.remove(call)
          }
          assert.equal(table.size, live.length)
          for (const call of live) assert.equal(table.get(call.id), call)
        }
        assert.equal(table.issued(0), false)
        assert.equal(table.issued(table.next() + 1), false)
      }),
      { seed: 20_261_122 },
    )
  })

  test('running calls are found by whatever ids a client likes', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(0xffff_ffff), { maxLength: 30 }), (ids) => {
        const running = new RunningCalls<{ readonly id: number }>(4)
        const calls = ids.map((id) => ({ id }))
        for (const call of calls) running.add(call)
        for (const call of calls) assert.equal(running.get(call.id), call)
        for (const call of calls.slice(0, 10)) running.remove(call)
        assert.equal(running.size, Math.max(0, calls.length - 10))
        assert.equal(running.clear().length, Math.max(0, calls.length - 10))
      }),
      { seed: 20_261_122 },
    )
  })
})

describe('misuse', () => {
  test('contexts of another client, opnums that are none, an access object used twice', async () => {
    const { client, context } = await open()
    const other = await open()
    await assert.rejects(client.call({ ...context }, 0, bytes(1)), { code: 'INVALID_ARGUMENT' })
    await assert.rejects(client.call(other.context, 0, bytes(1)), { code: 'INVALID_ARGUMENT' })
    for (const opnum of [-1, 65_536, 1.5, Number.NaN]) {
      await assert.rejects(client.call(context, opnum, bytes(1)), { code: 'INVALID_ARGUMENT' })
    }
    client.close()
    other.client.close()
    const access = new RpcAccess(linkPair()[0])
    const env = new TestEnv()
    new RpcClient(access, { env }).close()
    assert.throws(() => new RpcClient(access, { env }), { code: 'INVALID_ARGUMENT' })
  })
})

describe('the end of a link', () => {
  type Stage = (world: World & { context: PresentationContext }) => Promise<{ pending: Promise<unknown> }>
  const stages: [string, Stage][] = [
    ['while a call runs', async ({ client, context }) => ({ pending: client.call(context, 2, bytes(1)) })],
    [
      'while a large request is on its way',
      async ({ client, context, links }) => {
        links[0].fence()
        return { pending: client.call(context, 0, bytes(2_000_000)) }
      },
    ],
    [
      'while an answer is on its way',
      async ({ client, context, links }) => {
        const call = client.call(context, 0, bytes(200_000))
        links[1].fence()
        await settle()
        links[1].release(1)
        return { pending: call }
      },
    ],
    [
      'while a context is asked for',
      async ({ client, links }) => {
        links[0].fence()
        return { pending: client.bind({ ...ECHO, major: 5 }) }
      },
    ],
  ]
  const deaths: [string, (world: World) => void, string][] = [
    ['the link breaks', ({ links }) => links[0].close(new BusbarError('LINK_LOST', 'cut')), 'LINK_LOST'],
    [
      'the server dies',
      ({ links }) => {
        links[1].release()
        links[1].close(new BusbarError('PEER_DIED', 'killed'))
      },
      'PEER_DIED',
    ],
    ['the client closes', ({ client }) => client.close(), 'CLOSED'],
    [
      'the client closes with a reason',
      ({ client }) => client.close(new BusbarError('DEADLINE', 'enough')),
      'DEADLINE',
    ],
    [
      'the server closes',
      ({ server, links }) => {
        links[1].release()
        server.close()
      },
      'RESET',
    ],
  ]
  for (const [stage, begin] of stages) {
    for (const [death, kill, code] of deaths) {
      test(`${death} ${stage}`, async () => {
        const scene = await open()
        const outcome = assert.rejects((await begin(scene)).pending, { code })
        await settle()
        if (
          stage === 'while an answer is on its way' &&
          (death === 'the server dies' || death === 'the server closes')
        ) {
          // What was held back would complete the answer: here it is lost with the server.
          scene.links[0].close(new BusbarError(code as 'RESET', 'gone'))
        } else kill(scene)
        await outcome
        assert.equal((await scene.client.closed)?.code, code)
        await assert.rejects(scene.client.call(scene.context, 0, bytes(1)), { code })
        await assert.rejects(scene.client.bind(ECHO), { code })
        await settle()
        const { calls, memory, state } = scene.client.inspect()
        assert.deepEqual(
          [state, calls.pending, calls.queued, memory],
          ['closed', 0, 0, { unsent: 0, partial: 0, reassembly: 0 }],
        )
        assert.equal(scene.env.timers, 0)
        scene.links[0].release()
        scene.links[1].release()
        scene.server.close()
        await scene.server.closed
        for (const call of scene.echo.calls.filter(({ opnum }) => opnum === 2)) assert.ok(call.signal.aborted)
        assert.equal(scene.server.inspect().calls.running, 0)
      })
    }
  }

  test('an end in order: no reason on either side', async () => {
    const { client, server, links, context } = await open()
    await client.call(context, 0, bytes(1))
    await links[0].end()
    assert.equal(await server.closed, undefined)
    assert.equal(await client.closed, undefined)
    await assert.rejects(client.call(context, 0, bytes(1)), { code: 'CLOSED' })
  })

  test('a server that ends with a call pending is a dead peer', async () => {
    const [mine, theirs] = linkPair()
    const raw = new RawPeer(theirs)
    const client = new RpcClient(new RpcAccess(mine), { env: new TestEnv() })
    const binding = assert.rejects(client.bind(ECHO), { code: 'PEER_DIED' })
    await settle()
    await raw.link.end()
    await binding
    assert.equal((await client.closed)?.code, 'PEER_DIED')
  })

  test('a client that ends aborts what runs', async () => {
    const { server, echo } = serve(new TestEnv(), linkPair()[0])
    server.close()
    assert.equal(echo.calls.length, 0)
    const live = await open()
    const outcome = assert.rejects(live.client.call(live.context, 2, bytes(1)), { code: 'PEER_DIED' })
    await settle()
    void live.links[0].end()
    await outcome
    assert.equal(live.echo.calls[0]?.signal.aborted, true)
  })

  test('co_cancel and orphaned after the answer change nothing', async () => {
    const { client, context, links, echo } = await open()
    await client.call(context, 0, bytes(1))
    void links[0].write(encodeBare(18, 2))
    void links[0].write(encodeBare(19, 2))
    assert.deepEqual((await client.call(context, 0, bytes(9))).stub, bytes(9))
    assert.equal(echo.calls.length, 2)
    client.close()
  })
})
