import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { memoryPair } from '../../link/index.ts'
import { RpcAccess } from '../access.ts'
import { DEFAULT_RPC_LIMITS, type RpcLimits } from '../limits.ts'
import { encodeBare, PFC } from '../pdu/header.ts'
import { FEATURE, featureSyntax } from '../pdu/syntax.ts'
import { bind, bytes, Echo, OFFER, RawPeer, request, serve, settle, TestEnv } from './harness.test.ts'
import { RpcServer } from './server.ts'

const first = PFC.FIRST
const last = PFC.LAST
const LIMITS = { unbound: 5_000, unfinished: 10_000 }
/** No step of the clock is so long that it looks as if the process had not run. */
const STEP = 500
const MIXING = [OFFER, { ...OFFER, id: 9, transfers: [featureSyntax(FEATURE.INTERLEAVED)] }]

async function scene(limits: Partial<RpcLimits> = {}, window?: number) {
  const env = new TestEnv()
  const [link, far] = memoryPair(window)
  const { server, echo } = serve(env, far, { ...LIMITS, ...limits })
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= STEP) {
      env.advance(Math.min(STEP, left))
      await settle()
    }
  }
  return { env, link, server, echo, pass, state: () => server.inspect().state }
}

async function bound(limits: Partial<RpcLimits> = {}, mixing = false) {
  const made = await scene(limits)
  const raw = new RawPeer(made.link)
  await raw.send(bind(mixing ? { contexts: MIXING } : {}))
  assert.deepEqual(raw.take(), ['bind_ack 1'])
  assert.equal(made.env.timers, 0)
  return { ...made, raw }
}

const { unbound, unfinished } = LIMITS

describe('a client that does not bind', () => {
  for (const [name, sent] of [
    ['says nothing', 0],
    ['says it byte by byte', 1],
  ] as const) {
    test(`and ${name} is cut off`, async () => {
      const { env, link, server, pass, state } = await scene()
      const pdu = bind()
      for (let at = 0; at < 9; at++) {
        if (sent > 0) void link.write(pdu.slice(at, at + 1))
        await pass(STEP)
      }
      assert.deepEqual([state(), env.timers], ['unbound', 1])
      await pass(unbound)
      assert.match((await server.closed)?.message ?? '', /limit unbound: .* 5000 milliseconds/)
      assert.equal(env.timers, 0)
    })
  }

  test('has its time from when its link is read', async () => {
    const env = new TestEnv()
    const echo = new Echo()
    const open = (): { raw: RawPeer; server: RpcServer } => {
      const [mine, theirs] = memoryPair()
      const limits = { ...LIMITS, putOff: 3 * unbound }
      return {
        raw: new RawPeer(mine),
        server: new RpcServer(new RpcAccess(theirs), { env, limits, caller: 'bad', lookup: () => echo }),
      }
    }
    const pass = async (ms: number): Promise<void> => {
      for (let left = ms; left > 0; left -= STEP) {
        env.advance(STEP)
        await settle()
      }
    }
    await open().raw.send(request(1, 0))
    const { raw, server } = open()
    await pass(3 * unbound)
    assert.equal(server.inspect().state, 'unbound')
    await pass(unbound - STEP)
    await raw.send(bind())
    assert.deepEqual(raw.take(), ['bind_ack 1'])
    await pass(10 * unbound)
    assert.deepEqual([server.inspect().state, env.timers], ['bound', 0])
    raw.link.close()
  })
})

describe('a client that does not finish what it began is cut off', () => {
  const begun: [string, Uint8Array, RegExp][] = [
    ['the header of a PDU', request(2, 0, bytes(60_000)).subarray(0, 7), /a PDU/],
    ['a PDU', request(2, 0, bytes(60_000)).subarray(0, 50_000), /a PDU/],
    ['a fragment that is put where it belongs', request(2, 0, bytes(60_000), first).subarray(0, 50_000), /a PDU/],
    ['a request', request(2, 0, bytes(60_000), first), /a request/],
    ['a request that was refused', request(2, 99, bytes(60_000), first), /a request/],
  ]
  for (const [name, sent, what] of begun) {
    test(name, async () => {
      const { env, raw, server, pass, state } = await bound()
      await raw.send(sent)
      assert.equal(env.timers, 1)
      await pass(unfinished)
      assert.equal(state(), 'bound')
      await pass(unfinished)
      assert.match((await server.closed)?.message ?? '', /limit unfinished: .* 10000 milliseconds/)
      assert.match((await server.closed)?.message ?? '', what)
      const { partial, reassembly } = server.inspect().memory
      assert.deepEqual([partial, reassembly, env.timers], [0, 0, 0])
    })
  }

  test('also when it says a little now and then, and however many requests it began: by one timer', async () => {
    const { env, raw, server, pass } = await bound({}, true)
    for (let id = 2; id < 100; id++) await raw.send(request(id, 0, bytes(100), first))
    assert.equal(env.timers, 1)
    for (let i = 0; i < 4; i++) {
      await raw.send(request(1_000 + i, 0, bytes(8)), encodeBare(18, 2))
      await pass(unfinished / 2)
    }
    await pass(STEP)
    assert.match((await server.closed)?.message ?? '', /limit unfinished/)
    assert.deepEqual([server.inspect().memory.reassembly, env.timers], [0, 0])
  })

  test('and what came while the process did not run counts: the time begins anew', async () => {
    const { env, raw, server, pass, state } = await bound()
    await raw.send(request(2, 0, bytes(60_000), first))
    await pass(unfinished)
    for (let i = 0; i < 5; i++) {
      env.advance(100 * unfinished)
      await settle()
    }
    assert.equal(state(), 'bound')
    await pass(2 * unfinished)
    assert.match((await server.closed)?.message ?? '', /limit unfinished/)
    const other = await scene()
    other.env.advance(100 * unbound)
    await settle()
    assert.equal(other.state(), 'unbound')
    await new RawPeer(other.link).send(bind())
    assert.equal(other.state(), 'bound')
    other.link.close()
  })
})

describe('a client that is slow is not cut off', () => {
  /** Little more than counts as progress. */
  const LITTLE = 4_200

  for (const [name, mixing] of [
    ['one after the other', false],
    ['that may mix', true],
  ] as const) {
    test(`with a request in fragments ${name}, of which each takes longer than one may be silent`, async () => {
      const { env, raw, pass, state } = await bound({}, mixing)
      const stub = bytes(150_000)
      const all = new Uint8Array(stub.length + 3 * 24)
      for (const [i, flags] of [first, 0, last].entries()) {
        all.set(request(2, 0, stub.subarray(i * 50_000, (i + 1) * 50_000), flags), i * 50_024)
      }
      for (let at = 0; at < all.length; at += LITTLE) {
        await raw.send(all.slice(at, at + LITTLE))
        await pass(unfinished)
        assert.equal(state(), 'bound', `after ${at} bytes`)
      }
      assert.deepEqual(raw.take(), ['response 2', 'response 2', 'response 2'])
      await pass(2 * unfinished)
      assert.deepEqual([state(), env.timers], ['bound', 0])
      raw.link.close()
    })
  }

  test('nor one that is always in the middle of a short PDU', async () => {
    const { raw, pass, state } = await bound()
    const pdus = [2, 3, 4, 5, 6, 7].map((id) => request(id, 0, bytes(100)))
    await raw.send((pdus[0] as Uint8Array).subarray(0, 50))
    for (const [i, pdu] of pdus.entries()) {
      await pass(unfinished)
      await raw.send(Uint8Array.of(...pdu.subarray(50), ...(pdus[i + 1]?.subarray(0, 50) ?? [])))
    }
    assert.deepEqual([raw.take().length, state()], [6, 'bound'])
    raw.link.close()
  })

  test('nor one of which nothing is read, because it does not read: that has a limit of its own', async () => {
    const window = 10_000
    const { link, server, pass, state } = await scene({ unsent: 20_000, stalled: 100 * unfinished }, window)
    void link.write(bind({ contexts: MIXING }))
    void link.write(request(2, 0, bytes(1_000), first))
    for (let id = 3; id < 30; id++) void link.write(request(id, 0, bytes(2_000)))
    void link.write(request(2, 0, bytes(1_000), last))
    await settle()
    await pass(10 * unfinished)
    assert.deepEqual([state(), server.inspect().memory.reassembly], ['bound', 1_000])
    const raw = new RawPeer(link)
    await pass(STEP)
    assert.equal(raw.take().length, 29)
    link.close()
  })

  test('nor one that orphaned what it began: nothing more comes of that', async () => {
    const { env, raw, server, pass, state } = await bound()
    await raw.send(request(2, 0, bytes(1_000), first), encodeBare(19, 2))
    assert.equal(server.inspect().memory.reassembly, 1_000)
    await pass(3 * unfinished)
    assert.deepEqual([state(), server.inspect().memory.reassembly, env.timers], ['bound', 0, 0])
    await raw.send(request(3, 0))
    assert.deepEqual(raw.take(), ['response 3'])
    raw.link.close()
  })
})

test('where other requests go by, the one that stands still gives up its memory, and what comes of it is thrown away', async () => {
  const { env, raw, server, pass, state } = await bound({}, true)
  await raw.send(request(2, 0, bytes(10_000), first))
  const { fragment } = DEFAULT_RPC_LIMITS
  let id = 3
  const others = async (): Promise<void> => {
    await raw.send(request(id++, 0, bytes(50_000)), request(id++, 0, bytes(50_000)))
    await pass(unfinished)
  }
  await others()
  assert.ok(2 * 50_000 < 2 * fragment)
  await others()
  assert.equal(server.inspect().memory.reassembly, 10_000)
  await others()
  assert.equal(server.inspect().memory.reassembly, 0)
  assert.ok(raw.take().includes('fault 2 1c010014 not executed'))
  await raw.send(request(2, 0, bytes(10_000), 0), request(2, 0, bytes(8), last), request(id, 0))
  assert.deepEqual([raw.take(), state()], [[`response ${id}`], 'bound'])
  await pass(2 * unfinished)
  assert.equal(env.timers, 0)
  raw.link.close()
})
