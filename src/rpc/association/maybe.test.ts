import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BusbarError } from '../../errors/index.ts'
import { DEFAULT_RPC_LIMITS, type RpcLimits } from '../limits.ts'
import { encodeBare, PFC, WHOLE } from '../pdu/header.ts'
import { PDUS } from '../pdu/table.ts'
import { bind, bytes, type Echo, RawPeer, request, serve, TestEnv, linkPair } from './harness.test.ts'
import type { RpcServer } from './server.ts'

const BUSY = '1c010014'
const first = PFC.FIRST
const last = PFC.LAST
const maybe = PFC.MAYBE

interface Peer {
  readonly raw: RawPeer
  readonly server: RpcServer
  readonly echo: Echo
  readonly env: TestEnv
}

async function bound(limits: Partial<RpcLimits> = {}): Promise<Peer> {
  const env = new TestEnv()
  const [mine, theirs] = linkPair()
  const made = { env, raw: new RawPeer(mine), ...serve(env, theirs, limits) }
  await made.raw.send(bind())
  assert.deepEqual(made.raw.take(), ['bind_ack 1'])
  return made
}

describe('a client that wants no answer', () => {
  test('gets none', async () => {
    const { raw, echo } = await bound()
    await raw.send(request(2, 0, bytes(4), WHOLE | maybe))
    assert.deepEqual([raw.take(), echo.calls.length], [[], 1])
    raw.link.close()
  })

  test('may make the next call meanwhile, without multiplexing too, as one may that orphaned a call', async () => {
    const env = new TestEnv()
    const [mine, theirs] = linkPair()
    const raw = new RawPeer(mine)
    const { server, echo } = serve(env, theirs)
    await raw.send(bind({ flags: WHOLE }))
    await raw.send(request(2, 2, bytes(4), WHOLE | maybe), request(3, 0, bytes(4)))
    assert.deepEqual(raw.take(), ['bind_ack 1', 'response 3'])
    await raw.send(request(4, 2, bytes(4)), encodeBare(PDUS.orphaned.number, 4), request(5, 0, bytes(4)))
    assert.deepEqual([raw.take(), echo.waiting, server.inspect().calls.running], [['response 5'], 2, 2])
    // What nobody waits for counts for nothing, also when it is done.
    echo.release()
    await raw.send(request(6, 2, bytes(4)), request(7, 0, bytes(4)))
    assert.deepEqual(raw.take(), ['fault 7 1c01000b'])
    raw.link.close()
  })

  test('is not told either that its request was refused', async () => {
    const { raw, server } = await bound({ calls: 1, request: 1_000 })
    await raw.send(
      request(2, 0, bytes(4), WHOLE | maybe, 7),
      request(3, 99, bytes(4), WHOLE | maybe),
      request(4, 0, bytes(600), first | maybe),
      request(4, 0, bytes(600), last | maybe),
      request(5, 2),
      request(6, 0, bytes(4), WHOLE | maybe),
      request(7, 0),
    )
    assert.deepEqual(raw.take(), [`fault 7 ${BUSY} not executed`])
    assert.equal(server.inspect().calls.refused, 5)
    raw.link.close()
  })

  test('is told what its link is closed for', async () => {
    const { raw, env, server } = await bound()
    await raw.send(request(2, 0, bytes(8), last | maybe))
    assert.deepEqual([raw.take(), raw.outcome], [['fault 2 1c01000b'], 'ended'])
    env.advance(DEFAULT_RPC_LIMITS.linger)
    assert.equal((await server.closed)?.code, 'PROTOCOL')
  })

  test('is cut off for calls that cannot be read, as everybody is', async () => {
    const { raw, server, echo } = await bound({ mistakes: 2 })
    echo.failure = new BusbarError('MALFORMED', 'no')
    for (let id = 2; id < 5; id++) await raw.send(request(id, 1, bytes(4), WHOLE | maybe))
    assert.match((await server.closed)?.message ?? '', /limit mistakes/)
    assert.deepEqual(raw.take(), [])
  })
})
