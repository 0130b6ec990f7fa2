import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type MemoryLink, memoryPair } from '../../link/index.ts'
import { RpcAccess } from '../access.ts'
import { contract } from '../contract/contract.ts'
import { method } from '../contract/method.ts'
import { t } from '../contract/t.ts'
import { DEFAULT_RPC_LIMITS, type RpcLimits } from '../limits.ts'
import { encodeBare, PFC, WHOLE } from '../pdu/header.ts'
import { plainInterface } from '../plain/interface.ts'
import { RpcClient } from './client.ts'
import { AssociationGroups } from './groups.ts'
import { bind, bytes, Echo, ECHO, OFFER, RawPeer, request, settle, TestEnv } from './harness.test.ts'
import { RpcServer } from './server.ts'

const first = PFC.FIRST

/** An operation that takes an array of a length that its caller says. */
const Sums = contract(
  'test.Sums',
  { version: '1.0', uuid: '77777777-8888-9999-aaaa-bbbbbbbbbbbb' },
  { sum: method({ values: t.array(t.uint32) }, t.uint53) },
)

/** Calls that the victim makes beside each step of an attack, and their size in `bytes`. */
const BESIDE = 4
const SIZE = 1_000

/** One process that serves two callers: an attacker, by hand, and a victim. */
interface Scene {
  readonly env: TestEnv
  readonly echo: Echo
  /** The attacker's end of its link. */
  readonly link: MemoryLink
  readonly server: RpcServer
  readonly groups: AssociationGroups
  /** The victim calls; each call must be answered within one turn of the event loop, as it is in peace. */
  readonly beside: () => Promise<void>
  /** The victim leaves, and nothing is left of either. */
  readonly end: () => Promise<void>
}

async function scene(limits: Partial<RpcLimits> = {}, window?: number): Promise<Scene> {
  const env = new TestEnv()
  const echo = new Echo()
  const sums = plainInterface(Sums, { sum: ({ values }) => values.reduce((sum, value) => sum + value, 0) })
  const known = [echo, sums]
  const serve = (link: MemoryLink, groups: AssociationGroups): RpcServer =>
    new RpcServer(new RpcAccess(link), {
      env,
      limits,
      groups,
      lookup: ({ uuid }) => known.find(({ id }) => id.uuid === uuid),
    })
  const groupsOf = (): AssociationGroups =>
    new AssociationGroups(env, { reassembly: limits.reassembly ?? DEFAULT_RPC_LIMITS.reassembly })
  const [link, far] = memoryPair(window)
  const groups = groupsOf()
  const server = serve(far, groups)
  const [near, served] = memoryPair()
  const others = groupsOf()
  serve(served, others)
  const victim = new RpcClient(new RpcAccess(near), { env })
  const context = await victim.bind(ECHO)
  let calls = 0
  const beside = async (): Promise<void> => {
    const answers: number[] = []
    for (let i = 0; i < BESIDE; i++) {
      const sent = bytes(SIZE, ++calls)
      void victim.call(context, 0, sent).then(({ stub }) => {
        assert.deepEqual(stub, sent)
        answers.push(i)
      })
    }
    await settle()
    assert.deepEqual(answers, [0, 1, 2, 3])
  }
  const end = async (): Promise<void> => {
    await beside()
    assert.equal(victim.inspect().calls.made, calls)
    victim.close()
    link.close()
    await settle()
    env.advance(DEFAULT_RPC_LIMITS.linger)
    await settle()
    assert.deepEqual([groups.size, groups.held, others.size, others.held, env.timers], [0, 0, 0, 0, 0])
  }
  await beside()
  return { env, echo, link, server, groups, beside, end }
}

function lying(pdu: Uint8Array, at: number, width: 1 | 2 | 4, value: number): Uint8Array {
  const view = new DataView(pdu.buffer)
  if (width === 1) view.setUint8(at, value)
  else if (width === 2) view.setUint16(at, value, true)
  else view.setUint32(at, value, true)
  return pdu
}

describe('a hostile client is cut off at a limit, and another client of that process notices nothing', () => {
  test('contexts: 65,535 bound, 64 accepted, closed at `mistakes`', async () => {
    const { link, server, beside, end } = await scene()
    const raw = new RawPeer(link)
    await raw.send(bind())
    for (let id = 1; id < 65_535; id += 255) {
      const contexts = Array.from({ length: Math.min(255, 65_535 - id) }, (_, i) => ({ ...OFFER, id: id + i }))
      void link.write(bind({ contexts }, 14, id + 1))
      await beside()
      assert.ok(server.inspect().contexts.length <= DEFAULT_RPC_LIMITS.contexts)
    }
    // Of 510 in two PDUs more are refused than may be; what follows is not read.
    assert.equal(raw.take().length, 3)
    assert.match((await server.closed)?.message ?? '', /mistakes/)
    await end()
  })

  test('fragments without end: refused at `request`, closed at `refused`', async () => {
    const { link, server, groups, echo, beside, end } = await scene()
    const raw = new RawPeer(link)
    await raw.send(bind())
    raw.take()
    const part = bytes(65_000)
    const { request: most, refused } = DEFAULT_RPC_LIMITS
    let sent = 0
    for (let flags: number = first; server.inspect().state === 'bound'; flags = 0) {
      void link.write(request(2, 0, part, flags))
      sent += part.length
      await beside()
      assert.ok(groups.held <= most)
      assert.equal(sent > most, raw.pdus.length === 1)
    }
    assert.deepEqual(raw.take(), ['fault 2 5 not executed'])
    assert.ok(sent > refused && sent <= refused + part.length, `closed after ${sent} bytes`)
    assert.match((await server.closed)?.message ?? '', /limit refused: /)
    // Only the victim was served.
    assert.ok(echo.calls.every(({ stub }) => stub.length === SIZE))
    await end()
  })

  test('requests that are never whole, on as many links as it likes: `reassembly` in all', async () => {
    const limits = { reassembly: 300_000 }
    const { env, link, server, groups, echo, beside, end } = await scene(limits)
    const links = [link]
    const servers = [server]
    for (let i = 0; i < 9; i++) {
      const [mine, theirs] = memoryPair()
      links.push(mine)
      servers.push(new RpcServer(new RpcAccess(theirs), { env, limits, groups, lookup: () => echo }))
    }
    const raws = links.map((each) => new RawPeer(each))
    for (const raw of raws) await raw.send(bind())
    for (let round = 0; round < 10; round++) {
      for (const each of links) void each.write(request(2, 0, bytes(5_000), round === 0 ? first : 0))
      await beside()
      assert.ok(groups.held <= limits.reassembly)
    }
    const busy = raws.map((raw) => raw.take().slice(1))
    assert.ok(busy.filter(([answer]) => answer === 'fault 2 1c010014 not executed').length >= 4)
    for (const each of links) each.close()
    await Promise.all(servers.map(({ closed }) => closed))
    await end()
  })

  test('calls that are never answered: `calls` at once, the others are busy', async () => {
    const { link, server, beside, end } = await scene({ calls: 16 })
    const raw = new RawPeer(link)
    await raw.send(bind())
    raw.take()
    for (let id = 2; id < 200; id++) {
      void link.write(request(id, 2, bytes(8)))
      await beside()
    }
    assert.equal(server.inspect().calls.running, 16)
    assert.equal(raw.take().filter((answer) => answer.startsWith('fault')).length, 198 - 16)
    await end()
  })

  test('alloc_hint lies: refused above `request`, else it takes no memory that does not come', async () => {
    const { link, server, echo, beside, end } = await scene()
    const raw = new RawPeer(link)
    await raw.send(bind())
    raw.take()
    for (let id = 2; id < 50; id++) {
      void link.write(lying(request(id, 0, bytes(8), first), 16, 4, 0xffff_fff0))
      await beside()
      void link.write(request(id, 0, bytes(8), PFC.LAST))
    }
    assert.ok(raw.take().every((answer) => answer.endsWith(' 5 not executed')))
    const before = echo.calls.length
    for (let id = 50; id < 100; id++) {
      void link.write(lying(request(id, 2, bytes(2_000), first), 16, 4, DEFAULT_RPC_LIMITS.request))
      void link.write(request(id, 2, bytes(500), PFC.LAST))
      await beside()
    }
    const held = echo.calls.slice(before).filter(({ opnum }) => opnum === 2)
    assert.deepEqual([held.length, server.inspect().memory.reassembly], [50, 50 * 2_500])
    const memory = held.reduce((sum, { stub }) => sum + stub.buffer.byteLength, 0)
    assert.ok(memory <= 2 * 50 * 2_500, `${memory} bytes are held for requests of ${50 * 2_500}`)
    await end()
  })

  test('an alloc_hint that what follows contradicts: served, held against nobody, and nothing is kept for it', async () => {
    const { link, server, groups, echo, beside, end } = await scene({ mistakes: 0 })
    const raw = new RawPeer(link)
    await raw.send(bind())
    raw.take()
    const hints = [0, 1, 8, 1_999, 2_001, 100_000, DEFAULT_RPC_LIMITS.request]
    for (const [at, hint] of hints.entries()) {
      for (const again of [0, 0xffff_ffff]) {
        const id = 2 + 2 * at + (again & 1)
        void link.write(lying(request(id, 0, bytes(1_000), first), 16, 4, hint))
        await beside()
        assert.ok(groups.held <= 64_000, `${groups.held} bytes are held for 1,000`)
        void link.write(lying(request(id, 0, bytes(1_000), PFC.LAST), 16, 4, again))
        await beside()
        assert.deepEqual([raw.take(), groups.held], [[`response ${id}`], 0])
        const stub = echo.calls.findLast((call) => call.stub.length === 2_000)?.stub
        assert.ok((stub?.buffer.byteLength ?? 0) <= 4_000)
      }
    }
    assert.equal(server.inspect().state, 'bound')
    await end()
  })

  const lies: [string, Uint8Array, string[], string][] = [
    ['a frag_length above `fragment`', lying(request(2, 0), 8, 2, 0xffff), ['fault 2 1c01000b'], 'MALFORMED'],
    ['a frag_length below the header', lying(request(2, 0), 8, 2, 8), [], 'MALFORMED'],
    ['a frag_length that never comes', lying(request(2, 0, bytes(8)), 8, 2, 65_528), [], 'RESET'],
    ['an auth_length above the PDU', lying(request(2, 0), 10, 2, 0xffff), ['fault 2 1c01000b'], 'MALFORMED'],
    ['a count of contexts', lying(bind({}, 14, 2), 24, 1, 255), ['fault 2 1c01000b not executed'], 'MALFORMED'],
    [
      'a count of transfer syntaxes',
      lying(bind({}, 14, 2), 30, 1, 255),
      ['fault 2 1c01000b not executed'],
      'MALFORMED',
    ],
    ['a call id in use', Uint8Array.of(...request(2, 2), ...request(2, 2)), ['fault 2 1c01000b'], 'PROTOCOL'],
    ['a PDU of servers', encodeBare(17, 2), [], 'PROTOCOL'],
  ]
  for (const [name, lie, answers, code] of lies) {
    test(`${name}: ${code}`, async () => {
      const { env, link, server, beside, end } = await scene()
      const raw = new RawPeer(link)
      await raw.send(bind())
      raw.take()
      for (const byte of lie) {
        void link.write(Uint8Array.of(byte))
        // Whoever sends byte by byte waits behind each.
        env.advance(1)
        await beside()
      }
      for (let i = 0; i < 3; i++) {
        env.advance(1)
        await beside()
      }
      assert.deepEqual(raw.take(), answers)
      const { memory, calls } = server.inspect()
      assert.ok(memory.partial <= lie.length && calls.running <= 1)
      env.advance(DEFAULT_RPC_LIMITS.linger)
      if (code === 'RESET') link.close()
      assert.equal((await server.closed)?.code, code)
      await end()
    })
  }

  test('counts in a stub: refused before anything is made of them', async () => {
    const { link, beside, end } = await scene()
    const raw = new RawPeer(link)
    await raw.send(bind({ contexts: [{ ...OFFER, abstract: { uuid: Sums.uuid, major: 1, minor: 0 } }] }))
    raw.take()
    const stub = new Uint8Array(16)
    const view = new DataView(stub.buffer)
    const counts = [1, 0x100, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]
    for (const [at, count] of counts.entries()) {
      for (const offset of [0, 8]) view.setUint32(offset, count, true)
      view.setUint32(4, 0x20000, true)
      void link.write(request(at + 2, 0, stub.slice()))
      await beside()
    }
    assert.deepEqual(
      raw.take(),
      counts.map((count, at) => (count === 1 ? 'response 2' : `fault ${at + 2} 6f7`)),
    )
    await end()
  })

  test('never reads: it is read no more at `unsent`', async () => {
    const limits = { unsent: 50_000 }
    const window = 10_000
    const { link, server, echo, beside, end } = await scene(limits, window)
    void link.write(bind())
    const answer = 4_024
    for (let id = 2; id < 300; id++) {
      void link.write(request(id, 0, bytes(4_000)))
      await beside()
      assert.ok(server.inspect().memory.unsent <= limits.unsent + answer + window)
    }
    const taken = echo.calls.filter(({ stub }) => stub.length === 4_000).length
    assert.ok(taken <= (limits.unsent + answer + window) / 4_000, `${taken} calls were taken`)
    await end()
  })

  test('never reads what waits for it: closed at `backlog`', async () => {
    const limits = { backlog: 300_000 }
    const { link, server, echo, beside, end } = await scene(limits, 10_000)
    void link.write(bind())
    for (let id = 2; id < 12; id++) {
      const half = bytes(40_000)
      void link.write(request(id, 2, half, first))
      void link.write(request(id, 2, half, PFC.LAST))
      await beside()
    }
    assert.equal(echo.waiting, 10)
    for (let released = 1; server.inspect().state === 'bound'; released++) {
      echo.release()
      await beside()
      assert.ok(released <= 5, `${released} answers were taken`)
      assert.ok(server.inspect().memory.unsent <= limits.backlog)
    }
    assert.match((await server.closed)?.message ?? '', /limit backlog: /)
    assert.equal(server.inspect().memory.unsent, 0)
    assert.ok(echo.calls.every(({ opnum, cancelled }) => opnum === 0 || cancelled || echo.waiting < 10))
    await end()
  })

  test('opens and closes: links that break the protocol at once, a thousand times', async () => {
    const { env, link, groups, echo, beside, end } = await scene()
    link.close()
    await settle()
    for (let i = 0; i < 1_000; i++) {
      const [mine, theirs] = memoryPair()
      const server = new RpcServer(new RpcAccess(theirs), { env, groups, lookup: () => echo })
      for (const pdu of [bind(), request(2, 2, bytes(80), first), request(3, 0, bytes(8), WHOLE)]) void mine.write(pdu)
      if (i % 100 === 0) await beside()
      else await settle()
      env.advance(DEFAULT_RPC_LIMITS.linger)
      assert.equal((await server.closed)?.code, 'PROTOCOL')
      assert.deepEqual([groups.size, groups.held, env.timers], [0, 0, 0])
    }
    await end()
  })
})
