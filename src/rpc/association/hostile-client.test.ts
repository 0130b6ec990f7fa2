import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { memoryPair } from '../../link/index.ts'
import { DEFAULT_RPC_LIMITS, type RpcLimits } from '../limits.ts'
import { AssociationGroups } from './groups.ts'
import { encodeBare, PFC, WHOLE } from '../pdu/header.ts'
import { FEATURE, featureSyntax, NDR20 } from '../pdu/syntax.ts'
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
  linkPair,
} from './harness.test.ts'
import type { RpcServer } from './server.ts'

const NDR64 = { uuid: '71710533-beba-4937-8319-b5dbef9ccc36', major: 1, minor: 0 }
const OP_RANGE = '1c010002'
const UNKNOWN_IF = '1c010003'
const PROTO = '1c01000b'
const BUSY = '1c010014'

interface Peer {
  raw: RawPeer
  server: RpcServer
  echo: Echo
  env: TestEnv
}

function peer(limits: Partial<RpcLimits> = {}, env = new TestEnv(), groups?: AssociationGroups): Peer {
  const [mine, theirs] = linkPair()
  return { env, raw: new RawPeer(mine), ...serve(env, theirs, limits, groups) }
}

/** Why the server closed the link to a client that had the time to read why. */
async function verdict({ env, server }: Peer): Promise<string | undefined> {
  env.advance(DEFAULT_RPC_LIMITS.linger)
  return (await server.closed)?.code
}

async function bound(limits: Partial<RpcLimits> = {}): Promise<Peer> {
  const made = peer(limits)
  await made.raw.send(bind())
  assert.deepEqual(made.raw.take(), ['bind_ack 1'])
  return made
}

function withAuth(pdu: Uint8Array, level = 5, length = 4): Uint8Array {
  const token = Uint8Array.of(10, level, 0, 0, 0, 0, 0, 0, 0x4e, 0x54, 0x4c, 0x4d)
  const all = Uint8Array.of(...pdu, ...token)
  const view = new DataView(all.buffer)
  view.setUint16(8, all.length, true)
  view.setUint16(10, length, true)
  return all
}

const first = PFC.FIRST
const last = PFC.LAST

describe('a client that breaks the protocol loses this link and nothing else', () => {
  const before: [string, Uint8Array[], string[], string][] = [
    ['a request before bind', [request(1, 0)], [`fault 1 ${PROTO} not executed`], 'PROTOCOL'],
    ['alter_context before bind', [bind({}, 14)], [`fault 1 ${PROTO} not executed`], 'PROTOCOL'],
    ['auth3', [encodeBare(16, 1)], [], 'PROTOCOL'],
    ['auth3 with a token', [withAuth(encodeBare(16, 1))], [], 'DENIED'],
    ['a bind with authentication', [withAuth(bind())], ['bind_nak 8'], 'DENIED'],
    ['a bind with authentication level none', [withAuth(bind(), 1)], ['bind_nak 0'], 'DENIED'],
    ['a bind with a token longer than itself', [withAuth(bind(), 5, 4_000)], ['bind_nak 4'], 'MALFORMED'],
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
      const made = peer()
      const { raw, server, env } = made
      await raw.send(...sent, request(9, 0), bind({}, 11, 10))
      assert.deepEqual(raw.take(), answers)
      assert.equal(raw.outcome === 'ended', answers.length > 0)
      assert.equal(await verdict(made), code)
      assert.deepEqual([server.inspect().state, env.timers], ['closed', 0])
    })
  }

  const after: [string, Uint8Array[], string[], string][] = [
    ['a second bind', [bind({}, 11, 2)], ['bind_nak 0'], 'PROTOCOL'],
    ['no first fragment', [request(2, 0, bytes(8), last)], [`fault 2 ${PROTO}`], 'PROTOCOL'],
    [
      'a second first fragment',
      [request(2, 0, bytes(8), first), request(2, 0, bytes(8), first)],
      [`fault 2 ${PROTO}`],
      'PROTOCOL',
    ],
    [
      'fragments of two requests mixed',
      [request(2, 0, bytes(8), first), request(3, 0, bytes(8), WHOLE)],
      [`fault 2 ${PROTO}`],
      'PROTOCOL',
    ],
    [
      'byte order changed between fragments',
      [request(2, 0, bytes(8), first), request(2, 0, bytes(8), last, 0, false)],
      [`fault 2 ${PROTO}`],
      'PROTOCOL',
    ],
    ['a call id in use', [request(2, 2), request(2, 2)], [`fault 2 ${PROTO}`], 'PROTOCOL'],
    [
      'a call cancelled before it began',
      [request(2, 0, bytes(8), WHOLE | PFC.PENDING_CANCEL)],
      ['fault 2 6bd not executed'],
      'PROTOCOL',
    ],
    ['a request with authentication', [withAuth(request(2, 0))], ['fault 2 5'], 'DENIED'],
    ['an alter_context with authentication', [withAuth(bind({}, 14, 2))], ['fault 2 5 not executed'], 'DENIED'],
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
    ['an object UUID that does not fit', [request(2, 0, bytes(8), WHOLE | 0x80)], [`fault 2 ${PROTO}`], 'MALFORMED'],
  ]
  for (const [name, sent, answers, code] of after) {
    test(name, async () => {
      const made = await bound()
      const { raw, echo } = made
      await raw.send(...sent, request(9, 0))
      assert.deepEqual(raw.take(), answers)
      assert.equal(raw.outcome, 'ended')
      assert.equal(await verdict(made), code)
      for (const call of echo.calls) assert.ok(call.cancelled)
    })
  }

  test('a PDU above the limit, when its header is in; one above the agreed size is taken', async () => {
    const made = peer({ fragment: 5_840 })
    const { raw, server } = made
    await raw.send(bind({ size: 4_000 }))
    assert.equal(server.inspect().fragment, 4_000)
    await raw.send(request(2, 0, bytes(5_816)))
    assert.deepEqual(raw.take(), ['bind_ack 1', 'response 2', 'response 2'])
    await raw.send(request(3, 0, bytes(5_817)).subarray(0, 16))
    assert.deepEqual(raw.take(), [`fault 3 ${PROTO}`])
    assert.equal(await verdict(made), 'MALFORMED')
    assert.match((await server.closed)?.message ?? '', /limit fragment: /)
  })

  test('a client that leaves when it was told why', async () => {
    const { raw, server, env } = await bound()
    await raw.send(request(2, 0, bytes(8), last))
    void raw.link.end()
    assert.equal((await server.closed)?.code, 'PROTOCOL')
    assert.equal(env.timers, 0)
  })

  test('a second call at the same time without multiplexing', async () => {
    const made = peer()
    const { raw } = made
    await raw.send(bind({ flags: WHOLE }), request(2, 2), request(3, 2))
    assert.deepEqual(raw.take(), ['bind_ack 1', `fault 3 ${PROTO}`])
    assert.equal(await verdict(made), 'PROTOCOL')
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

  test('hints that lie: above the limit the request is refused before it comes, below it they take little memory', async () => {
    const { raw, server } = await bound()
    const lie = (callId: number, hint: number, flags: number): Uint8Array => {
      const pdu = request(callId, 0, bytes(8), flags)
      new DataView(pdu.buffer).setUint32(16, hint, true)
      return pdu
    }
    await raw.send(lie(2, 0xffff_ffff, first))
    assert.deepEqual(raw.take(), ['fault 2 5 not executed'])
    assert.equal(server.inspect().memory.reassembly, 0)
    await raw.send(lie(2, 0xffff_ffff, last), lie(3, 0xffff_ffff, WHOLE), lie(4, 4_194_304, first))
    assert.deepEqual(raw.take(), ['response 3'])
    assert.equal(server.inspect().memory.reassembly, 64 * 8)
    await raw.send(lie(4, 0xffff_ffff, last))
    assert.deepEqual(raw.take(), ['response 4'])
    raw.link.close()
  })

  test('fragments without end of a request that was refused, up to their limit', async () => {
    const { raw, server } = await bound({ request: 1_000, refused: 3_000 })
    await raw.send(request(2, 0, bytes(2_000), first), request(2, 0, bytes(1_000), 0))
    assert.deepEqual(raw.take(), ['fault 2 5 not executed'])
    assert.equal(server.inspect().state, 'bound')
    await raw.send(request(2, 0, bytes(1), 0))
    assert.match((await server.closed)?.message ?? '', /limit refused: /)
  })

  test('requests in fragments hold memory until they are answered, on all links of a caller together', async () => {
    const env = new TestEnv()
    const groups = new AssociationGroups(env, { reassembly: 2_000 })
    const link = async (): Promise<Peer> => {
      const made = peer({}, env, groups)
      await made.raw.send(bind())
      made.raw.take()
      return made
    }
    const [one, two] = [await link(), await link()]
    const send = (raw: RawPeer, callId: number, opnum: number, size: number): Promise<void> =>
      raw.send(request(callId, opnum, bytes(8), first), request(callId, opnum, bytes(size - 8), last))
    await send(one.raw, 2, 2, 1_500)
    assert.equal(groups.held, 1_500)
    await send(two.raw, 2, 0, 501)
    assert.deepEqual(two.raw.take(), [`fault 2 ${BUSY} not executed`])
    await send(two.raw, 3, 0, 500)
    assert.deepEqual(two.raw.take(), ['response 3'])
    one.echo.release()
    await settle()
    assert.deepEqual([one.raw.take(), groups.held], [['response 2'], 0])
    await send(one.raw, 3, 2, 2_000)
    await one.raw.send(request(4, 0, bytes(100), first))
    one.raw.link.close()
    await one.server.closed
    assert.equal(groups.held, 0)
    two.raw.link.close()
  })

  test('a client that never reads is cut off when its answers pass the limit', async () => {
    const env = new TestEnv()
    const [mine, theirs] = memoryPair(1_000)
    const { server, echo } = serve(env, theirs, { backlog: 300_000, unsent: 1_000_000 })
    void mine.write(bind())
    for (let id = 2; id < 6; id++) {
      const half = bytes(50_000)
      void mine.write(request(id, 2, half, first))
      void mine.write(request(id, 2, half, last))
    }
    await settle()
    assert.equal(echo.waiting, 4)
    for (let i = 0; i < 3; i++) echo.release()
    await settle()
    assert.equal(server.inspect().state, 'closed')
    assert.match((await server.closed)?.message ?? '', /limit backlog: /)
    assert.equal(server.inspect().memory.unsent, 0)
    assert.ok(echo.calls[3]?.cancelled)
  })

  test('65,535 contexts: those above the limit are rejected, one by one', async () => {
    const { raw, server } = await bound({ contexts: 64, mistakes: 65_535 })
    for (let id = 1; id < 65_536; id += 255) {
      const contexts = Array.from({ length: Math.min(255, 65_536 - id) }, (_, i) => ({ ...OFFER, id: id + i }))
      void raw.link.write(bind({ contexts }, 14, id))
    }
    while (raw.pdus.length < 257) await settle()
    assert.equal(raw.pdus.length, 257)
    assert.equal(server.inspect().contexts.length, 64)
    const last = raw.pdus.at(-1) as RawPdu
    assert.deepEqual([...last.bytes.subarray(32, 36)], [2, 0, 3, 0])
    raw.link.close()
  })

  test('contexts: unknown, wrong transfer syntax, too many, and the same one again', async () => {
    const { raw, server } = peer({ contexts: 2 })
    const contexts = [
      { ...OFFER, abstract: { ...ECHO, major: 9 } },
      { ...OFFER, id: 1, transfers: [NDR64] },
      { ...OFFER, id: 2, transfers: [NDR64, NDR20] },
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

  test('a context id that is offered again for an interface nobody knows', async () => {
    const { raw } = await bound()
    await raw.send(bind({ contexts: [{ ...OFFER, abstract: { ...ECHO, major: 9 } }] }, 14, 2), request(3, 0, bytes(4)))
    assert.deepEqual([...(raw.pdus[0] as RawPdu).bytes.subarray(32, 36)], [2, 0, 1, 0])
    assert.deepEqual(raw.take(), ['alter_context_resp 2', 'response 3'])
    raw.link.close()
  })

  test('flags of a bind do not matter, and those of features are repeated', async () => {
    for (const [flags, repeated] of [
      [0, 3],
      [first, 3],
      [0xff, 0x17],
    ] as const) {
      const { raw } = peer()
      await raw.send(bind({ flags }), bind({ flags }, 14, 2))
      assert.deepEqual(
        raw.pdus.map(({ header }) => header.flags),
        [repeated, repeated & 7],
      )
      raw.link.close()
    }
  })

  test('cancels of calls that are over, and of one that is still arriving', async () => {
    const made = await bound()
    const { raw, echo } = made
    await raw.send(encodeBare(18, 99), encodeBare(19, 98), request(2, 4, bytes(8), first), encodeBare(18, 2))
    await raw.send(request(2, 4, bytes(8), last))
    assert.deepEqual(raw.take(), ['response 2'])
    assert.equal(echo.calls[0]?.cancelled, true)
    await raw.send(request(3, 0, bytes(8), first), encodeBare(19, 3), request(4, 0))
    assert.deepEqual(raw.take(), ['response 4'])
    await raw.send(request(5, 9, bytes(8), first), encodeBare(19, 5), request(6, 0))
    assert.deepEqual(raw.take(), [`fault 5 ${OP_RANGE} not executed`, 'response 6'])
    await raw.send(request(7, 0, bytes(8), first), encodeBare(19, 7), request(7, 0, bytes(8), last))
    assert.deepEqual(raw.take(), ['response 7'])
    await raw.send(request(8, 0, bytes(8), first), encodeBare(19, 8), request(9, 0, bytes(8), last))
    assert.deepEqual(raw.take(), [`fault 8 ${PROTO}`])
    assert.equal(await verdict(made), 'PROTOCOL')
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
          reason !== undefined && ['MALFORMED', 'PROTOCOL', 'VERSION', 'DENIED', 'RESET'].includes(reason.code),
          String(reason),
        )
        await settle()
      }),
      { seed: 20_261_122, numRuns: 300 },
    )
  })
})

describe('where fragments may mix', () => {
  const features = { ...OFFER, id: 9, transfers: [featureSyntax(FEATURE.INTERLEAVED)] }

  async function mixing(limits: Partial<RpcLimits> = {}): Promise<Peer> {
    const made = peer(limits)
    await made.raw.send(bind({ contexts: [OFFER, features] }))
    assert.deepEqual(made.raw.take(), ['bind_ack 1'])
    return made
  }

  test('requests mix, and each is answered when it is whole', async () => {
    const { raw } = await mixing()
    await raw.send(request(2, 0, bytes(8), first), request(3, 0, bytes(16), first), request(4, 0, bytes(8)))
    assert.deepEqual(raw.take(), ['response 4'])
    await raw.send(request(3, 0, bytes(8), last), request(2, 0, bytes(8), last))
    assert.deepEqual(raw.take(), ['response 3', 'response 2'])
    raw.link.close()
  })

  test('a second first fragment, and one without its first, end the association', async () => {
    for (const [flags, id] of [
      [first, 2],
      [0, 3],
    ] as const) {
      const made = await mixing()
      await made.raw.send(request(2, 0, bytes(8), first), request(id, 0, bytes(8), flags))
      assert.equal(await verdict(made), 'PROTOCOL')
      assert.equal(made.server.inspect().memory.reassembly, 0)
    }
  })

  test('no more of them than calls at the same time, those that run among them', async () => {
    const made = await mixing({ calls: 4 })
    await made.raw.send(request(2, 2, bytes(8)))
    for (let id = 3; id < 6; id++) await made.raw.send(request(id, 0, bytes(8), first))
    assert.deepEqual(made.raw.take(), [])
    await made.raw.send(request(6, 0, bytes(8), first))
    assert.deepEqual(made.raw.take(), ['fault 6 1c010014 not executed'])
    // What was refused is thrown away, and there is an end to how many of those there may be.
    await made.raw.send(request(7, 0, bytes(8), first))
    assert.match((await made.server.closed)?.message ?? '', /limit calls: /)
    assert.equal(made.server.inspect().memory.reassembly, 0)
  })
})
