import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { RpcAccess } from '../access.ts'
import { PFC } from '../pdu/header.ts'
import { RpcClient } from './client.ts'
import type { PresentationContext } from './client-binding.ts'
import {
  ack,
  bind,
  bytes,
  ECHO,
  type Echo,
  RawPeer,
  request,
  response,
  serve,
  settle,
  TestEnv,
  linkPair,
} from './harness.test.ts'
import type { RpcServer } from './server.ts'

const seed = 20_261_123
const { FIRST, LAST } = PFC

async function bound(): Promise<{ raw: RawPeer; server: RpcServer; echo: Echo }> {
  const [mine, theirs] = linkPair()
  const made = { raw: new RawPeer(mine), ...serve(new TestEnv(), theirs) }
  await made.raw.send(bind())
  assert.deepEqual(made.raw.take(), ['bind_ack 1'])
  return made
}

async function answering(): Promise<{ raw: RawPeer; client: RpcClient; context: PresentationContext }> {
  const [mine, theirs] = linkPair()
  const raw = new RawPeer(theirs)
  const client = new RpcClient(new RpcAccess(mine), { env: new TestEnv() })
  const binding = client.bind(ECHO)
  await settle()
  await raw.send(ack(1))
  raw.take()
  return { raw, client, context: await binding }
}

/** A fragment that says that so much of the stub comes with it and behind it. */
function hinted(callId: number, stub: Uint8Array, flags: number, hint: number): Uint8Array {
  const pdu = request(callId, 0, stub, flags)
  new DataView(pdu.buffer).setUint32(16, hint, true)
  return pdu
}

function join(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((each) => [...each]))
}

describe('fragments that are put where they belong while they come', () => {
  test('the front of a first fragment makes room for that fragment, whatever it says is to come', async () => {
    const { raw, server } = await bound()
    const pdu = hinted(2, bytes(1_000), FIRST, 4 * 1024 * 1024)
    await raw.send(pdu.subarray(0, 24))
    assert.deepEqual(server.inspect().memory, { unsent: 0, partial: 24, reassembly: 1_000 })
    await raw.send(pdu.subarray(24))
    assert.deepEqual(server.inspect().memory, { unsent: 0, partial: 0, reassembly: 1_000 })
    await raw.send(hinted(2, bytes(8), LAST, 8))
    assert.deepEqual(raw.take(), ['response 2'])
    raw.link.close()
  })

  test('one who sent a long request before is believed up to its length, for one request at a time', async () => {
    const { raw, server } = await bound()
    await raw.send(request(2, 0, bytes(40_000), FIRST), request(2, 0, bytes(40_000), LAST))
    raw.take()
    assert.equal(server.inspect().memory.reassembly, 0)
    await raw.send(hinted(3, bytes(1_000), FIRST, 4 * 1024 * 1024).subarray(0, 24))
    assert.equal(server.inspect().memory.reassembly, 80_000)
    raw.link.close()
    await server.closed
    assert.equal(server.inspect().memory.reassembly, 0)
  })

  test('a link that ends, and one that closes, inside a landing fragment leave nothing', async () => {
    for (const leave of ['end', 'close'] as const) {
      const { raw, server, echo } = await bound()
      await raw.send(request(2, 0, bytes(1_000), FIRST).subarray(0, 500))
      assert.equal(server.inspect().memory.reassembly, 1_000)
      void raw.link[leave]()
      assert.equal((await server.closed)?.code, leave === 'end' ? 'MALFORMED' : 'RESET')
      assert.equal(server.inspect().memory.reassembly, 0)
      assert.equal(echo.calls.length, 0)
    }
  })

  test('requests of either byte order, with objects and without, are the same however they are cut', async () => {
    const object = Uint8Array.from({ length: 16 }, (_, i) => i + 1)
    const pieces: Uint8Array[] = []
    for (const [callId, little] of [
      [2, true],
      [3, false],
    ] as const) {
      for (const [at, flags] of [
        [0, FIRST],
        [1, 0],
        [2, LAST],
      ] as const) {
        const stub = bytes(300, 10 * callId + at)
        pieces.push(request(callId, 0, join(object, stub), flags | PFC.OBJECT_UUID, 0, little))
      }
    }
    const whole = join(...pieces, request(4, 0, bytes(40), FIRST), request(4, 0, bytes(0), LAST))
    const expected = [2, 3].map((callId) => Buffer.from(join(...[0, 1, 2].map((at) => bytes(300, 10 * callId + at)))))
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(whole.length), { maxLength: 12 }), async (cuts) => {
        const { raw, server, echo } = await bound()
        const points = [0, ...cuts.toSorted((a, b) => a - b), whole.length]
        for (let i = 1; i < points.length; i++) await raw.send(whole.slice(points[i - 1], points[i]))
        assert.deepEqual(raw.take(), ['response 2', 'response 3', 'response 4'])
        assert.deepEqual(
          echo.calls.map((call) => [call.little, call.object !== undefined, call.stub.length]),
          [
            [true, true, 900],
            [false, true, 900],
            [true, false, 40],
          ],
        )
        assert.deepEqual(
          echo.calls.slice(0, 2).map((call) => Buffer.from(call.stub)),
          expected,
        )
        assert.equal(server.inspect().memory.reassembly, 0)
        raw.link.close()
      }),
      { seed, numRuns: 60 },
    )
  })

  test('what breaks the rules is refused in the same words as when it comes at once', async () => {
    const lies: [Uint8Array[], string][] = [
      [[request(2, 0, bytes(300), FIRST | PFC.PENDING_CANCEL)], 'fault 2 6bd not executed'],
      [[request(2, 0, bytes(300), 0)], 'fault 2 1c01000b'],
      [[request(2, 99, bytes(300), FIRST)], 'fault 2 1c010002 not executed'],
      [[request(2, 0, bytes(300), FIRST, 9)], 'fault 2 1c010003 not executed'],
      [[hinted(2, bytes(300), FIRST, 0xffff_ffff)], 'fault 2 5 not executed'],
      [[request(2, 0, bytes(300), FIRST), request(3, 0, bytes(300), FIRST)], 'fault 2 1c01000b'],
    ]
    for (const [pdus, word] of lies) {
      const said: string[][] = []
      for (const cut of [0, 30]) {
        const { raw } = await bound()
        for (const pdu of pdus) {
          if (cut > 0) await raw.send(pdu.slice(0, cut))
          await raw.send(pdu.slice(cut))
        }
        said.push(raw.take())
        raw.link.close()
      }
      assert.deepEqual(said, [[word], [word]])
    }
  })

  test('responses too: cut anywhere, and let go of in the middle', async () => {
    for (const cut of [3, 16, 20, 24, 40, 323, 324, 330, 348, 349, 900]) {
      const { raw, client, context } = await answering()
      const call = client.call(context, 0, bytes(8))
      await settle()
      const id = raw.pdus[0]?.header.callId ?? 0
      const whole = join(response(id, bytes(300, 7), FIRST, true, 900), response(id, bytes(600, 8), LAST))
      await raw.send(whole.slice(0, cut))
      await raw.send(whole.slice(cut))
      assert.deepEqual(Buffer.from((await call).stub), Buffer.from(join(bytes(300, 7), bytes(600, 8))))
      assert.equal(client.inspect().memory.reassembly, 0)
      client.close()
    }
    const { raw, client, context } = await answering()
    const stop = new AbortController()
    const call = client.call(context, 0, bytes(8), { signal: stop.signal })
    await settle()
    const id = raw.pdus[0]?.header.callId ?? 0
    const begun = response(id, bytes(300), FIRST)
    await raw.send(begun.slice(0, 100))
    assert.equal(client.inspect().memory.reassembly, 300)
    stop.abort()
    await assert.rejects(call, { code: 'CANCELLED' })
    assert.equal(client.inspect().memory.reassembly, 0)
    await raw.send(begun.slice(100), response(id, bytes(300), LAST))
    assert.deepEqual([client.inspect().calls.pending, client.inspect().state], [0, 'bound'])
    client.close()
  })
})
