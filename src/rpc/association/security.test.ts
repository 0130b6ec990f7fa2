import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BusbarError } from '../../errors/index.ts'
import { memoryPair } from '../../link/index.ts'
import { RpcAccess } from '../access.ts'
import { decodeAuthTrailer, withAuthTrailer } from '../pdu/auth.ts'
import { emptyHeader, readHeader } from '../pdu/header.ts'
import { RpcClient } from './client.ts'
import { bind, bytes, Echo, ECHO, OTHER, RawPeer, request, settle, TestEnv } from './harness.test.ts'
import type { SecurityProvider } from './security.ts'
import { RpcServer } from './server.ts'

/** A type that nobody has, at level connect. */
const [TYPE, CONNECT] = [200, 2] as const

/** Both sides know a word, and say it when they bind. */
class Word implements SecurityProvider {
  readonly seen: string[] = []
  readonly #word: Uint8Array

  constructor(word: string) {
    this.#word = new TextEncoder().encode(word)
  }

  prove(pdu: Uint8Array): Uint8Array {
    return withAuthTrailer(pdu, { type: TYPE, level: CONNECT, contextId: 1 }, this.#word)
  }

  admit(...[header, pdu]: Parameters<SecurityProvider['admit']>): number {
    if (header.authLength === 0) throw new BusbarError('DENIED', 'says no word')
    const { type, level, contextId, token, body } = decodeAuthTrailer(header, pdu)
    this.seen.push(`${header.type} ${type} ${level} ${contextId} ${new TextDecoder().decode(token)}`)
    if (Buffer.compare(token, this.#word) !== 0) throw new BusbarError('DENIED', 'says another word')
    return body
  }
}

function connect(ours: SecurityProvider | undefined, theirs: SecurityProvider | undefined) {
  const env = new TestEnv()
  const [near, far] = memoryPair()
  const echoes = [new Echo(), new Echo(OTHER)]
  const server = new RpcServer(new RpcAccess(far), {
    env,
    lookup: ({ uuid }) => echoes.find(({ id }) => id.uuid === uuid),
    ...(theirs === undefined ? {} : { security: theirs }),
  })
  const made = (): RpcClient =>
    new RpcClient(new RpcAccess(near), { env, ...(ours === undefined ? {} : { security: ours }) })
  return { env, near, server, made }
}

describe('a security provider', () => {
  test('proves and judges the PDUs of binding on both sides, and calls go on as ever', async () => {
    const [ours, theirs] = [new Word('open'), new Word('open')]
    const { made, server } = connect(ours, theirs)
    const client = made()
    for (const id of [ECHO, OTHER]) {
      const context = await client.bind(id)
      for (const size of [3, 200_000]) assert.deepEqual((await client.call(context, 0, bytes(size))).stub, bytes(size))
    }
    assert.deepEqual(theirs.seen, ['11 200 2 1 open', '14 200 2 1 open'])
    assert.deepEqual(ours.seen, ['12 200 2 1 open', '15 200 2 1 open'])
    client.close()
    await server.closed
  })

  test('refuses a client that proves another thing, or nothing', async () => {
    for (const ours of [new Word('shut'), undefined]) {
      const { made, env, server } = connect(ours, new Word('open'))
      await assert.rejects(made().bind(ECHO), { code: 'DENIED' })
      env.advance(1_000)
      assert.equal((await server.closed)?.code, 'DENIED')
    }
  })

  test('refuses a server that proves nothing', async () => {
    const none: SecurityProvider = { prove: (pdu) => pdu, admit: ({ length, authLength }) => length - authLength - 8 }
    const { made } = connect(new Word('open'), none)
    await assert.rejects(made().bind(ECHO), { code: 'DENIED' })
  })

  test('that has nothing to prove by ends the association, and nobody waits for it', async () => {
    const proofs = [(pdu: Uint8Array) => pdu]
    const ours: SecurityProvider = {
      prove(pdu) {
        const proof = proofs.shift()
        if (proof === undefined) throw new BusbarError('UNAVAILABLE', 'no ticket')
        return proof(pdu)
      },
      admit: ({ length }) => length,
    }
    const { made, server } = connect(ours, undefined)
    const client = made()
    await client.bind(ECHO)
    await assert.rejects(client.bind(OTHER), { code: 'UNAVAILABLE' })
    await assert.rejects(client.bind(ECHO), { code: 'UNAVAILABLE' })
    assert.equal((await client.closed)?.code, 'UNAVAILABLE')
    await server.closed
  })

  test('is asked for every PDU with a trailer, of which what is in front of it counts', async () => {
    const theirs = new Word('open')
    const { near } = connect(undefined, theirs)
    const raw = new RawPeer(near)
    await raw.send(theirs.prove(bind()), theirs.prove(request(2, 0, bytes(5))), request(3, 0, bytes(5)))
    const [, first, second] = raw.pdus
    assert.equal(first?.bytes.length, 24 + 5)
    assert.deepEqual(first?.bytes.subarray(24), second?.bytes.subarray(24))
    assert.deepEqual(theirs.seen, ['11 200 2 1 open', '0 200 2 1 open'])
    await raw.send(new Word('shut').prove(request(4, 0, bytes(5))))
    raw.take()
    assert.equal(raw.outcome, 'ended')
    near.close()
  })

  test('is none by default, and none takes no proof', async () => {
    const { made, env, server } = connect(new Word('open'), undefined)
    await assert.rejects(made().bind(ECHO), { code: 'DENIED', message: /another authentication/ })
    env.advance(1_000)
    assert.equal((await server.closed)?.code, 'DENIED')
    await settle()
  })

  test('finds its token behind any length of PDU', () => {
    for (let length = 0; length < 8; length++) {
      const pdu = withAuthTrailer(request(2, 0, bytes(length)), { type: 9, level: 2, contextId: 7 }, bytes(5))
      const header = emptyHeader()
      readHeader(new DataView(pdu.buffer), 0, header)
      const { body, token, contextId } = decodeAuthTrailer(header, pdu)
      assert.deepEqual([body, token, contextId], [24 + length, bytes(5), 7])
    }
  })
})
