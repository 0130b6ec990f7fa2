import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { BusbarError, CODES } from '../../errors/index.ts'
import { RpcAccess } from '../access.ts'
import type { RpcLimits } from '../limits.ts'
import { encodeBindAck, encodeBindNak, RESULT } from '../pdu/bind.ts'
import { encodeBare, PFC, WHOLE } from '../pdu/header.ts'
import { NDR20, NO_SYNTAX } from '../pdu/syntax.ts'
import { RpcClient } from './client.ts'
import type { PresentationContext } from './client-binding.ts'
import {
  ack,
  bytes,
  ECHO,
  fault,
  OTHER,
  RawPeer,
  request,
  response,
  settle,
  TestEnv,
  linkPair,
} from './harness.test.ts'

interface Scene {
  raw: RawPeer
  client: RpcClient
  env: TestEnv
}

function scene(limits: Partial<RpcLimits> = {}): Scene {
  const [mine, theirs] = linkPair()
  const env = new TestEnv()
  return { raw: new RawPeer(theirs), client: new RpcClient(new RpcAccess(mine), { env, limits }), env }
}

async function bound(limits?: Partial<RpcLimits>, flags?: number): Promise<Scene & { context: PresentationContext }> {
  const made = scene(limits)
  const binding = made.client.bind(ECHO)
  await settle()
  assert.deepEqual(made.raw.take(), ['bind 1'])
  await made.raw.send(ack(1, flags))
  return { ...made, context: await binding }
}

/** The code a promise rejects with, or nothing while it waits. */
function watch(promise: Promise<unknown>): { code: string | undefined } {
  const outcome: { code: string | undefined } = { code: undefined }
  promise.then(
    () => {
      outcome.code = 'fulfilled'
    },
    (reason: unknown) => {
      outcome.code = reason instanceof BusbarError ? reason.code : String(reason)
    },
  )
  return outcome
}

function acknowledge(result: number, reason: number, transfer = NO_SYNTAX, callId = 1, type: 12 | 15 = 12): Uint8Array {
  return encodeBindAck(type, WHOLE | PFC.CONC_MPX, callId, {
    transmit: 65_528,
    receive: 65_528,
    group: 1,
    results: [{ result, reason, transfer }],
  })
}

describe('answers to a bind', () => {
  const refusals: [string, Uint8Array, string][] = [
    ['nak: not specified', encodeBindNak(1, 0), 'DENIED'],
    ['nak: congestion', encodeBindNak(1, 1), 'BUSY'],
    ['nak: limit', encodeBindNak(1, 2), 'BUSY'],
    ['nak: version', encodeBindNak(1, 4), 'VERSION'],
    ['nak: authentication', encodeBindNak(1, 8), 'DENIED'],
    ['another transfer syntax', acknowledge(RESULT.ACCEPTED, 0, ECHO), 'PROTOCOL'],
    ['an ack for another id', ack(3), 'PROTOCOL'],
    ['an alter_context_resp', acknowledge(0, 0, NDR20, 1, 15), 'PROTOCOL'],
    ['an ack in fragments', ack(1, PFC.FIRST), 'PROTOCOL'],
    ['fragments that are too small', ack(1, WHOLE, 1_000), 'PROTOCOL'],
    ['a response', response(1), 'RESPONSE-LATE'],
    ['a PDU of clients', request(1, 0), 'PROTOCOL'],
    ['no result', encodeBindAck(12, WHOLE, 1, { transmit: 4_096, receive: 4_096, group: 1, results: [] }), 'PROTOCOL'],
    ['half an ack', Uint8Array.from(ack(1).subarray(0, 40)).fill(40, 8, 9), 'MALFORMED'],
  ]
  for (const [name, answer, code] of refusals) {
    test(name, async () => {
      const { raw, client } = scene()
      const outcome = watch(client.bind(ECHO))
      const queued = watch(client.bind(OTHER))
      await settle()
      await raw.send(answer)
      if (code === 'RESPONSE-LATE') {
        // The id was used for the bind: whatever this is, it is not the answer.
        assert.equal(outcome.code, undefined)
        client.close()
        return
      }
      assert.equal(outcome.code, code)
      assert.equal(queued.code, code)
      assert.equal((await client.closed)?.code, code)
      await assert.rejects(client.bind(OTHER), { code })
    })
  }

  const rejections: [number, number, string][] = [
    [RESULT.USER_REJECTED, 0, 'DENIED'],
    [RESULT.PROVIDER_REJECTED, 1, 'NO_SUCH_INTERFACE'],
    [RESULT.PROVIDER_REJECTED, 2, 'VERSION'],
    [RESULT.PROVIDER_REJECTED, 3, 'BUSY'],
    [RESULT.NEGOTIATED, 0, 'NO_SUCH_INTERFACE'],
  ]
  for (const [result, reason, code] of rejections) {
    test(`result ${result} reason ${reason} rejects the interface and keeps the association`, async () => {
      const { raw, client } = scene()
      const outcome = watch(client.bind(ECHO))
      await settle()
      await raw.send(acknowledge(result, reason))
      assert.equal(outcome.code, code)
      const again = watch(client.bind(ECHO))
      await settle()
      assert.deepEqual(raw.take(), ['bind 1', 'alter_context 2'])
      await raw.send(fault(2, 0x1c01_000b))
      assert.equal(again.code, 'PROTOCOL')
      const third = client.bind(ECHO)
      await settle()
      await raw.send(acknowledge(RESULT.ACCEPTED, 0, NDR20, 3, 15))
      assert.deepEqual((await third).interface, ECHO)
      client.close()
    })
  }

  test('a fault instead of an ack lets the next bind try again', async () => {
    const { raw, client } = scene()
    const outcome = watch(client.bind(ECHO))
    await settle()
    await raw.send(fault(1, 5, true))
    assert.equal(outcome.code, 'DENIED')
    void client.bind(ECHO).catch(() => {})
    await settle()
    assert.deepEqual(raw.take(), ['bind 1', 'bind 2'])
    client.close()
  })

  test('more interfaces than allowed are refused here', async () => {
    const { client } = scene({ contexts: 1 })
    const first = watch(client.bind(ECHO))
    await assert.rejects(client.bind(OTHER), { code: 'LIMIT' })
    client.close()
    await settle()
    assert.equal(first.code, 'CLOSED')
  })
})

describe('answers to calls', () => {
  const violations: [string, Uint8Array[], string][] = [
    ['an id that was never used', [response(77)], 'PROTOCOL'],
    ['a fault for an id that was never used', [fault(77, 5)], 'PROTOCOL'],
    ['no first fragment', [response(2, bytes(8), PFC.LAST)], 'PROTOCOL'],
    ['two first fragments', [response(2, bytes(8), PFC.FIRST), response(2, bytes(8), PFC.FIRST)], 'PROTOCOL'],
    ['byte order changed', [response(2, bytes(8), PFC.FIRST), response(2, bytes(8), PFC.LAST, false)], 'PROTOCOL'],
    ['a fault in fragments', [Uint8Array.from(fault(2, 5)).fill(PFC.FIRST, 3, 4)], 'PROTOCOL'],
    ['a second bind_ack', [ack(1)], 'PROTOCOL'],
    ['a bind_nak in the middle', [encodeBindNak(2, 0)], 'PROTOCOL'],
    ['a request', [request(2, 0)], 'PROTOCOL'],
    ['garbage', [Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)], 'MALFORMED'],
  ]
  for (const [name, sent, code] of violations) {
    test(`${name} costs the server this link`, async () => {
      const { raw, client, context } = await bound()
      const outcome = watch(client.call(context, 0, bytes(4)))
      await settle()
      await raw.send(...sent)
      assert.equal(outcome.code, code)
      assert.equal((await client.closed)?.code, code)
      assert.equal(client.inspect().calls.pending, 0)
      assert.ok(raw.outcome instanceof BusbarError)
    })
  }

  test('answers in fragments, two calls mixed though nobody agreed on that, big-endian', async () => {
    const { raw, client, context } = await bound()
    const a = client.call(context, 0, bytes(1))
    const b = client.call(context, 0, bytes(1))
    await raw.send(response(2, bytes(64, 2), PFC.FIRST, false), response(3, bytes(8, 3), PFC.FIRST, true, 0xffff_ffff))
    await raw.send(
      response(3, bytes(8, 3), 0),
      response(2, bytes(5, 2), PFC.LAST, false),
      response(3, bytes(1), PFC.LAST),
    )
    assert.deepEqual(await a, { stub: Uint8Array.of(...bytes(64, 2), ...bytes(5, 2)), little: false })
    assert.equal((await b).stub.length, 17)
    assert.equal(client.inspect().memory.reassembly, 0)
    client.close()
  })

  test('an answer above the limit rejects its call, holds nothing, and the rest of it is dropped', async () => {
    const { raw, client, context } = await bound({ response: 100, reassembly: 150 })
    const big = watch(client.call(context, 0, bytes(1)))
    await raw.send(response(2, bytes(80), PFC.FIRST))
    assert.equal(client.inspect().memory.reassembly, 80)
    await raw.send(response(2, bytes(80), 0))
    assert.equal(big.code, 'LIMIT')
    assert.equal(client.inspect().memory.reassembly, 0)
    assert.equal(client.inspect().calls.pending, 1)
    await raw.send(response(2, bytes(80), PFC.LAST))
    assert.equal(client.inspect().calls.pending, 0)
    const whole = watch(client.call(context, 0, bytes(1)))
    await raw.send(response(3, bytes(101)))
    assert.equal(whole.code, 'LIMIT')
    const [c, d] = [watch(client.call(context, 0, bytes(1))), watch(client.call(context, 0, bytes(1)))]
    await raw.send(response(4, bytes(90), PFC.FIRST), response(5, bytes(90), PFC.FIRST))
    assert.deepEqual([c.code, d.code], [undefined, 'LIMIT'])
    await raw.send(response(4, bytes(10), PFC.LAST))
    assert.equal(c.code, 'fulfilled')
    client.close()
  })

  for (const [limit, answer] of [
    ['response', [response(2, bytes(80), PFC.FIRST), response(2, bytes(80), 0)]],
    ['response', [response(2, bytes(101))]],
    ['reassembly', [response(3, bytes(90), PFC.FIRST), response(2, bytes(90), PFC.FIRST)]],
  ] as const) {
    for (const cancelled of [false, true]) {
      const name = `an answer ${cancelled ? 'to a cancelled call ' : ''}above the limit ${limit} in ${answer.length} PDUs`
      test(`${name} ends the association, where it gives what nobody could give back`, async () => {
        const { raw, client, context, env } = await bound({ response: 100, reassembly: 150 })
        const controller = new AbortController()
        const late = (): void => assert.fail('it was not read')
        const big = watch(client.call(context, 0, bytes(1), { signal: controller.signal, late }))
        const other = watch(client.call(context, 0, bytes(1)))
        await settle()
        if (cancelled) controller.abort()
        await raw.send(...answer)
        assert.deepEqual([big.code, other.code], [cancelled ? 'CANCELLED' : 'LIMIT', 'LIMIT'])
        const reason = await client.closed
        assert.deepEqual([reason?.code, reason?.message.includes(`limit ${limit}:`)], ['LIMIT', true])
        assert.deepEqual([client.inspect().calls.pending, client.inspect().memory.reassembly, env.timers], [0, 0, 0])
      })
    }
  }

  test('a fault in the middle of an answer ends the call', async () => {
    const { raw, client, context } = await bound()
    const outcome = watch(client.call(context, 0, bytes(1)))
    await raw.send(response(2, bytes(8), PFC.FIRST), fault(2, 0x1c00_001b))
    assert.equal(outcome.code, 'LIMIT')
    assert.deepEqual(client.inspect().memory, { unsent: 0, partial: 0, reassembly: 0 })
    client.close()
  })

  test('a server that shuts down gets no new calls, and answers the old ones', async () => {
    const { raw, client, context } = await bound()
    const old = client.call(context, 0, bytes(1))
    await raw.send(encodeBare(17, 0))
    const late = watch(client.call(context, 0, bytes(1)))
    await raw.send(response(2, bytes(2)))
    assert.deepEqual((await old).stub, bytes(2))
    assert.equal(raw.outcome, 'ended')
    void raw.link.end()
    assert.equal(await client.closed, undefined)
    assert.equal(late.code, 'RESET')
  })
})

describe('any bytes', () => {
  const pdu = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 60 }),
    fc.tuple(fc.nat(5), fc.nat(40), fc.nat(255)).map(([id, n, flags]) => response(id, bytes(n), flags)),
    fc.tuple(fc.nat(5), fc.nat(0x7fff_ffff)).map(([id, status]) => fault(id, status)),
    fc.tuple(fc.nat(30), fc.nat(5)).map(([type, id]) => encodeBare(type, id)),
  )
  test('settle every call with a code of the list, and memory stays bounded', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(pdu, { maxLength: 12 }), async (pdus) => {
        const { raw, client, context } = await bound({ response: 64, reassembly: 64, calls: 3 })
        const calls = [0, 1, 2, 3].map((opnum) => watch(client.call(context, opnum, bytes(3))))
        for (const each of pdus) await raw.send(each)
        assert.ok(client.inspect().memory.reassembly <= 64)
        raw.link.close()
        const reason = await client.closed
        await settle()
        for (const { code } of calls) assert.ok(code === 'fulfilled' || (code !== undefined && code in CODES), code)
        assert.ok(reason === undefined || ['MALFORMED', 'PROTOCOL', 'RESET'].includes(reason.code), String(reason))
      }),
      { seed: 20_261_122, numRuns: 300 },
    )
  })
})
