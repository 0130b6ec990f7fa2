import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { BusbarError } from '../../errors/index.ts'
import { memoryPair } from '../../link/index.ts'
import type { RpcLimits } from '../limits.ts'
import { encodeBare, PFC, WHOLE } from '../pdu/header.ts'
import { featureSyntax, NDR20 } from '../pdu/syntax.ts'
import {
  bind,
  bytes,
  type Echo,
  ECHO,
  OFFER,
  OTHER,
  type RawPdu,
  RawPeer,
  request,
  serve,
  settle,
  TestEnv,
} from './harness.test.ts'
import type { RpcServer } from './server.ts'

const NDR64 = { uuid: '71710533-beba-4937-8319-b5dbef9ccc36', major: 1, minor: 0 }
const OP_RANGE = '1c010002'
const UNKNOWN_IF = '1c010003'
const PROTO = '1c01000b'
const BUSY = '1c010014'

function peer(limits: Partial<RpcLimits> = {}): { raw: RawPeer; server: RpcServer; echo: Echo } {
  const [mine, theirs] = memoryPair()
  return { raw: new RawPeer(mine), ...serve(new TestEnv(), theirs, limits) }
}

async function bound(limits: Partial<RpcLimits> = {}): Promise<ReturnType<typeof peer>> {
  const made = peer(limits)
  await made.raw.send(bind())
  assert.deepEqual(made.raw.take(), ['bind_ack 1'])
  return made
}

function withAuth(pdu: Uint8Array): Uint8Array {
  const token = Uint8Array.of(10, 5, 0, 0, 0, 0, 0, 0, 0x4e, 0x54, 0x4c, 0x4d)
  const all = Uint8Array.of(...pdu, ...token)
  const view = new DataView(all.buffer)
  view.setUint16(8, all.length, true)
  view.setUint16(10, 4, true)
  return all
}

const first = PFC.FIRST
const last = PFC.LAST

describe('a client that breaks the protocol loses this link and nothing else', () => {
  const before: [string, Uint8Array[], string[], string][] = [
    ['a request before bind', [request(1, 0)], [`fault 1 ${PROTO} not executed`], 'PROTOCOL'],
    ['alter_context before bind', [bind({}, 14)], [`fault 1 ${PROTO} not executed`], 'PROTOCOL'],
    ['auth3', [encodeBare(16, 1)], [], 'PROTOCOL'],
    ['auth3 with a token', [withAuth(encodeBare(16, 1))], [], 'PROTOCOL'],
    ['a bind with authentication', [withAuth(bind())], ['bind_nak 8'], 'PROTOCOL'],
    ['a bind in fragments', [bind({ flags: first })], ['bind_nak 0'], 'PROTOCOL'],
    ['an unknown association group', [bind({ group: 77 })], ['bind_nak 0'], 'PROTOCOL'],
    [
      'features asked for twice',
      [bind({ contexts: [1, 2].map((id) => ({ id, abstract: ECHO, transfers: [featureSyntax(2)] })) })],
      ['bind_nak 0'],
      'PROTOCOL',
    ],
    ['a bind without contexts', [bind({ contexts: [] })], ['bind_nak 0'], 'MALFORMED'],
    ['a later minor version', [Uint8Array.from(bind()).fill(2, 1, 2)], ['bind_nak 4'], 'VERSION'],
    ['a PDU of servers', [Uint8Array.of(...encodeBare(17, 1))], [], 'PROTOCOL'],
    ['HTTP', [new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n')], [], 'MALFORMED'],
  ]
  for (const [name, sent, answers, code] of before) {
    test(name, async () => {
      const { raw, server } = peer()
      await raw.send(...sent)
      assert.deepEqual(raw.take(), answers)
      assert.equal((await server.closed)?.code, code)
      assert.ok(raw.outcome instanceof BusbarError)
      assert.equal(server.inspect().state, 'closed')
    })
  }

  const after: [string, Uint8Array[], string[], string][] = [
    ['a second bind', [bind({}, 11, 2)], [], 'PROTOCOL'],
    ['no first fragment', [request(2, 0, bytes(8), last)], [`fault 2 ${PROTO} not executed`], 'PROTOCOL'],
    [
      'a second first fragment',
      [request(2, 0, bytes(8), first), request(2, 0, bytes(8), first)],
      [`fault 2 ${PROTO} not executed`],
      'PROTOCOL',
    ],
    [
      'fragments of two requests mixed',
      [request(2, 0, bytes(8), first), request(3, 0, bytes(8), WHOLE)],
      [`fault 3 ${PROTO} not executed`],
      'PROTOCOL',
    ],
    [
      'byte order changed between fragments',
      [request(2, 0, bytes(8), first), request(2, 0, bytes(8), last, 0, false)],
      [`fault 2 ${PROTO} not executed`],
      'PROTOCOL',
    ],
    ['a call id in use', [request(2, 2), request(2, 2)], [`fault 2 ${PROTO} not executed`], 'PROTOCOL'],
    ['a request with authentication', [withAuth(request(2, 0))], [`fault 2 ${PROTO} not executed`], 'PROTOCOL'],
    [
      'another interface under a known context id',
      [bind({ contexts: [{ ...OFFER, abstract: OTHER }] }, 14, 2)],
      [`fault 2 ${PROTO} not executed`],
      'PROTOCOL',
    ],
    [
      'features in an alter_context',
      [bind({ contexts: [{ id: 5, abstract: ECHO, transfers: [featureSyntax(2)] }] }, 14, 2)],
      [`fault 2 ${PROTO} not executed`],
      'PROTOCOL',
    ],
    [
      'an object UUID that does not fit',
      [request(2, 0, bytes(8), WHOLE | 0x80)],
      [`fault 2 ${PROTO} not executed`],
      'MALFORMED',
    ],
  ]
  for (const [name, sent, answers, code] of after) {
    test(name, async () => {
      const { raw, server, echo } = await bound()
      await raw.send(...sent)
      assert.deepEqual(raw.take(), answers)
      assert.equal((await server.closed)?.code, code)
      assert.ok(raw.outcome instanceof BusbarError)
      for (const call of echo.calls) assert.ok(call.cancelled)
    })
  }

  test('a PDU above the agreed size, when its header is in', async () => {
    const { raw, server } = peer()
    await raw.send(bind({ size: 4_000 }))
    assert.equal(server.inspect().fragment, 4_000)
    await raw.send(request(2, 0, bytes(4_000)).subarray(0, 16))
    assert.equal((await server.closed)?.code, 'MALFORMED')
  })

  test('a second call at the same time without multiplexing', async () => {
    const { raw, server } = peer()
    await raw.send(bind({ flags: WHOLE }), request(2, 2), request(3, 2))
    assert.deepEqual(raw.take(), ['bind_ack 1', `fault 3 ${PROTO} not executed`])
    assert.equal((await server.closed)?.code, 'PROTOCOL')
  })

  test('the end inside a PDU', async () => {
    const { raw, server } = await bound()
    await raw.send(request(2, 0, bytes(8)).subarray(0, 20))
    void raw.link.end()
    assert.equal((await server.closed)?.code, 'MALFORMED')
  })
})

describe('refusals that leave the link alone', () => {
  test('unknown contexts and opnums, in one piece and in fragments', async () => {
    const { raw, echo } = await bound()
    await raw.send(
      request(2, 0, bytes(4), WHOLE, 7),
      request(3, 5),
      request(4, 5, bytes(8), first),
      request(4, 5, bytes(8), last),
    )
    assert.deepEqual(raw.take(), [
      `fault 2 ${UNKNOWN_IF} not executed`,
      `fault 3 ${OP_RANGE} not executed`,
      `fault 4 ${OP_RANGE} not executed`,
    ])
    assert.equal(echo.calls.length, 0)
    await raw.send(request(5, 0, bytes(3)))
    assert.deepEqual(raw.take(), ['response 5'])
    raw.link.close()
  })

  test('more calls at once than allowed', async () => {
    const { raw, echo } = await bound({ calls: 2 })
    await raw.send(request(2, 2), request(3, 2), request(4, 0))
    assert.deepEqual(raw.take(), [`fault 4 ${BUSY} not executed`])
    echo.release()
    await raw.send(request(5, 0))
    assert.deepEqual(raw.take(), ['response 2', 'response 5'])
    raw.link.close()
  })

  test('a request above the limit, and what is held of it', async () => {
    const { raw, server, echo } = await bound({ request: 1_000 })
    await raw.send(request(2, 0, bytes(800), first))
    assert.equal(server.inspect().memory.reassembly, 800)
    await raw.send(request(2, 0, bytes(201), 0))
    assert.deepEqual(raw.take(), ['fault 2 5 not executed'])
    assert.equal(server.inspect().memory.reassembly, 0)
    await raw.send(request(2, 0, bytes(800), 0), request(2, 0, bytes(800), last), request(3, 0, bytes(1_000)))
    assert.deepEqual(raw.take(), ['response 3'])
    await raw.send(request(4, 0, bytes(500), first), request(4, 0, bytes(500), last))
    assert.deepEqual(raw.take(), ['response 4'])
    assert.equal(echo.calls.length, 2)
    raw.link.close()
  })

  test('a hint of 4 GiB takes no memory', async () => {
    const { raw, server } = await bound()
    const lie = request(2, 0, bytes(8), first)
    new DataView(lie.buffer).setUint32(16, 0xffff_ffff, true)
    await raw.send(lie)
    assert.equal(server.inspect().memory.reassembly, 8)
    await raw.send(request(2, 0, bytes(8), last))
    assert.deepEqual(raw.take(), ['response 2'])
    raw.link.close()
  })

  test('contexts: unknown, wrong transfer syntax, too many, and the same one again', async () => {
    const { raw, server } = peer({ contexts: 2 })
    const contexts = [
      { ...OFFER, abstract: { ...ECHO, major: 9 } },
      { ...OFFER, id: 1, transfers: [NDR64, NDR20] },
      { ...OFFER, id: 2 },
      { ...OFFER, id: 3, abstract: OTHER },
      { ...OFFER, id: 4 },
      { ...OFFER, id: 2 },
    ]
    await raw.send(bind({ contexts }))
    const results = new DataView((raw.pdus[0] as RawPdu).bytes.buffer)
    const read = (i: number): [number, number] => [
      results.getUint16(32 + i * 24, true),
      results.getUint16(34 + i * 24, true),
    ]
    assert.deepEqual([0, 1, 2, 3, 4, 5].map(read), [
      [2, 1],
      [2, 2],
      [0, 0],
      [0, 0],
      [2, 3],
      [0, 0],
    ])
    assert.deepEqual(
      server.inspect().contexts.map(({ id }) => id),
      [2, 3],
    )
    raw.link.close()
  })

  test('a client without an answer wanted gets none, and one that cancelled before is told so', async () => {
    const { raw, echo } = await bound()
    await raw.send(request(2, 0, bytes(4), WHOLE | PFC.MAYBE), request(3, 2, bytes(4), WHOLE | PFC.PENDING_CANCEL))
    assert.deepEqual(raw.take(), [])
    assert.equal(echo.calls[1]?.cancelled, true)
    assert.equal(echo.calls[1]?.signal.aborted, true)
    raw.link.close()
  })

  test('cancels of calls that are over, and of one that is still arriving', async () => {
    const { raw, echo } = await bound()
    await raw.send(encodeBare(18, 99), encodeBare(19, 98), request(2, 4, bytes(8), first), encodeBare(18, 2))
    await raw.send(request(2, 4, bytes(8), last))
    assert.deepEqual(raw.take(), ['response 2'])
    assert.equal(echo.calls[0]?.cancelled, true)
    await raw.send(request(3, 0, bytes(8), first), encodeBare(19, 3), request(4, 0))
    assert.deepEqual(raw.take(), ['response 4'])
    raw.link.close()
  })
})

describe('a client of the other byte order', () => {
  test('is understood, and answered in ours', async () => {
    const { raw, echo } = peer()
    await raw.send(bind({ little: false, size: 5_840 }), request(2, 0, bytes(20), WHOLE, 0, false))
    await raw.send(request(3, 0, bytes(64), first, 0, false), request(3, 0, bytes(6), last, 0, false))
    assert.deepEqual(raw.take(), ['bind_ack 1', 'response 2', 'response 3'])
    assert.deepEqual(
      echo.calls.map((call) => [call.little, call.stub.length]),
      [
        [false, 20],
        [false, 70],
      ],
    )
    raw.link.close()
  })
})

describe('any bytes', () => {
  const pdu = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 60 }),
    fc.constant(bind()),
    fc
      .tuple(fc.nat(4), fc.nat(6), fc.nat(255), fc.nat(40))
      .map(([id, op, flags, n]) => request(id, op, bytes(n), flags)),
    fc.tuple(fc.nat(30), fc.nat(4)).map(([type, id]) => encodeBare(type, id)),
  )
  test('close the link with MALFORMED, PROTOCOL or VERSION or are served, and memory stays bounded', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(pdu, { maxLength: 12 }), fc.boolean(), async (pdus, bindFirst) => {
        const { raw, server } = peer({ request: 100, calls: 3 })
        if (bindFirst) await raw.send(bind())
        for (const each of pdus) await raw.send(each)
        const { memory, calls } = server.inspect()
        assert.ok(memory.partial <= 65_528 && memory.reassembly <= 100 && calls.running <= 3)
        raw.link.close()
        const reason = await server.closed
        assert.ok(
          reason !== undefined && ['MALFORMED', 'PROTOCOL', 'VERSION', 'RESET'].includes(reason.code),
          String(reason),
        )
        await settle()
      }),
      { seed: 20_261_122, numRuns: 300 },
    )
  })
})
