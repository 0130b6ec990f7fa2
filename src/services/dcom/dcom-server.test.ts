import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type Guid, Reader, Writer } from '../../bytes/index.ts'
import type { Hooks, ObjectLimits } from '../../component/index.ts'
import { BusbarError } from '../../errors/index.ts'
import {
  type Contract,
  contract,
  type Env,
  method,
  plainClient,
  readUuid,
  RpcAccess,
  RpcClient,
  t,
  writeUuid,
} from '../../rpc/index.ts'
import { memoryPair, StillEnv } from '../../testing/index.ts'
import { nodeEnv } from '../../transport/index.ts'
import { Activation, ObjectExporter, RemoteScmActivator } from './contracts.ts'
import { DcomServer } from './dcom-server.ts'
import type { DcomLimits } from './limits.ts'

const CLASS = '9d1f5c0a-0000-4000-8000-000000000009'
const UNKNOWN = '00000000-0000-0000-c000-000000000046'
const REM_UNKNOWN = '00000131-0000-0000-c000-000000000046'
const Counter = contract('test.Counter', { version: '1.0' }, { next: method({}, t.uint32) })
const Taker = contract('test.Taker', { version: '1.0' }, { take: method({ counter: t.ref(Counter) }, t.void) })
const HERE = { here: '10.0.0.1', port: 135 } as const
const E_INVALIDARG = 0x8007_0057
const REGDB_E_CLASSNOTREG = 0x8004_0154

/** A server with counters that say when they are disposed of. */
function world(
  limits: Partial<DcomLimits> = {},
  env: Env = nodeEnv(),
  hooks: Partial<Hooks> = {},
  objects: Partial<ObjectLimits> = {},
) {
  const server = new DcomServer({ env, limits, hooks, objects })
  let disposed = 0
  const waiting: (() => void)[] = []
  server.offer(
    Counter,
    () => {
      let count = 0
      return {
        next: () => ++count,
        [Symbol.dispose]() {
          disposed++
          for (const wake of waiting.splice(0)) wake()
        },
      }
    },
    CLASS,
  )
  const connect = (peer = '10.0.0.2'): RpcClient => {
    const [near, far] = memoryPair()
    server.accept(new RpcAccess(far), { peer, ...HERE })
    return new RpcClient(new RpcAccess(near), { env: nodeEnv() })
  }
  /** Settles when another one is disposed of. */
  const disposal = (): Promise<void> => new Promise((resolve) => waiting.push(resolve))
  return { server, connect, disposal, disposed: () => disposed }
}

const ORPC_THIS = { version: { MajorVersion: 5, MinorVersion: 7 }, flags: 0, reserved1: 0, cid: CLASS }

async function activate(rpc: RpcClient, iids: readonly Guid[], classId: Guid = CLASS) {
  const client = await plainClient(rpc, Activation)
  return client.RemoteActivation({
    ORPCthis: ORPC_THIS,
    Clsid: classId,
    ClientImpLevel: 2,
    Mode: 0,
    Interfaces: iids.length,
    pIIDs: iids,
    cRequestedProtseqs: 1,
    aRequestedProtseqs: [7],
  })
}

/** What a reference says. */
function reference(pointer: { abData: Uint8Array } | undefined) {
  assert.ok(pointer !== undefined)
  const reader = new Reader(pointer.abData)
  reader.skip(24)
  const [flags, references, oxid, oid] = [reader.u32(), reader.u32(), reader.u64(), reader.u64()]
  return { flags, references, oxid, oid, ipid: readUuid(reader), bindings: pointer.abData.subarray(reader.at) }
}

async function given(rpc: RpcClient) {
  const { phr, ppInterfaceData, pipidRemUnknown, pOxid } = await activate(rpc, [Counter.uuid])
  assert.equal(phr, 0)
  return { ...reference(ppInterfaceData[0]), remUnknown: pipidRemUnknown, exporter: pOxid }
}

/** A call on an object, by hand. Gives what is behind ORPCTHAT. */
async function call(
  rpc: RpcClient,
  iid: Guid,
  object: Guid,
  opnum: number,
  rest: Uint8Array = new Uint8Array(),
): Promise<Reader> {
  const context = await rpc.bind({ uuid: iid, major: 0, minor: 0 })
  const stub = new Writer()
  stub.u16(5)
  stub.u16(7)
  stub.zeros(8)
  writeUuid(stub, CLASS, true)
  stub.u32(0)
  stub.bytes(rest)
  const reader = new Reader((await rpc.call(context, opnum, stub.finish(), { object })).stub)
  reader.skip(8)
  return reader
}

async function next(rpc: RpcClient, ipid: Guid): Promise<number> {
  return (await call(rpc, Counter.uuid, ipid, 3)).u32()
}

function release(ipid: Guid, references: number): Uint8Array {
  const writer = new Writer()
  writer.u16(1)
  writer.u16(0)
  writer.u32(1)
  writeUuid(writer, ipid, true)
  writer.u32(references)
  writer.u32(0)
  return writer.finish()
}

describe('objects for DCOM clients', () => {
  test('activated over one connection, called and released over another', async () => {
    const { server, connect, disposed } = world()
    const [first, second] = [connect(), connect()]
    const { ipid, flags, references, oxid, exporter, remUnknown, bindings } = await given(first)
    assert.deepEqual([flags, references, oxid], [0, 1, exporter])
    assert.deepEqual(Buffer.from(bindings).readUInt16LE(4), 7)
    assert.match(Buffer.from(bindings).toString('utf16le'), /10\.0\.0\.1\[135\]\0/)
    assert.deepEqual([await next(first, ipid), await next(second, ipid)], [1, 2])
    assert.deepEqual(server.inspect()[0]?.objects['test.Counter'], { objects: 1, references: 1, running: 0 })
    await call(second, REM_UNKNOWN, remUnknown, 5, release(ipid, 1))
    assert.equal(disposed(), 1)
    await assert.rejects(next(first, ipid), { code: 'NO_SUCH_OBJECT' })
    server.close()
    await Promise.all([first.closed, second.closed])
  })

  test('requests in fragments are bound by what the peer may have under way', async () => {
    const { server, connect } = world({}, nodeEnv(), {}, { rpc: { reassembly: 50_000 } })
    const [first, second] = [connect(), connect()]
    const { ipid } = await given(first)
    for (const rpc of [first, second]) {
      await assert.rejects(call(rpc, Counter.uuid, ipid, 3, new Uint8Array(100_000)), { code: 'BUSY' })
    }
    assert.equal(await next(second, ipid), 1)
    server.close()
  })

  test('another address has other objects, and cannot call, resolve or ping these', async () => {
    const { server, connect } = world()
    const [mine, theirs] = [connect(), connect('10.0.0.3')]
    const { ipid, oxid, oid } = await given(mine)
    await assert.rejects(next(theirs, ipid), { code: 'NO_SUCH_OBJECT' })
    const [resolver, other] = [await plainClient(mine, ObjectExporter), await plainClient(theirs, ObjectExporter)]
    const asked = { pOxid: oxid, cRequestedProtseqs: 1, arRequestedProtseqs: [7] }
    assert.equal((await resolver.ResolveOxid(asked)).result, 0)
    assert.equal((await other.ResolveOxid(asked)).result, 1910)
    const set = { pSetId: 0n, SequenceNum: 0, cAddToSet: 1, cDelFromSet: 0, AddToSet: [oid] }
    const { pSetId } = await resolver.ComplexPing(set)
    assert.equal((await other.SimplePing({ pSetId })).result, 1912)
    assert.equal((await resolver.SimplePing({ pSetId })).result, 0)
    server.close()
  })

  test('the end of its last connection runs an object down at once', async () => {
    const { server, connect, disposal, disposed } = world()
    const [first, second, third] = [connect(), connect(), connect()]
    const { ipid } = await given(first)
    await next(second, ipid)
    const over = disposal()
    first.close()
    assert.equal(await next(second, ipid), 2)
    assert.equal(disposed(), 0)
    second.close()
    await over
    await assert.rejects(next(third, ipid), { code: 'NO_SUCH_OBJECT' })
    server.close()
  })

  test('a pinged object outlives its connections, and not its pings', async () => {
    const env = new StillEnv()
    const { server, connect, disposal, disposed } = world({ pingPeriod: 10, pingPeriods: 4 }, env)
    const [first, pinging] = [connect(), connect()]
    const { ipid, oid } = await given(first)
    const { oid: unpinged } = await given(first)
    const resolver = await plainClient(pinging, ObjectExporter)
    const set = { pSetId: 0n, SequenceNum: 0, cAddToSet: 1, cDelFromSet: 0, AddToSet: [oid] }
    const { pSetId, result } = await resolver.ComplexPing(set)
    assert.equal(result, 0)
    assert.notEqual(unpinged, oid)
    const over = disposal()
    first.close()
    await over
    assert.equal(disposed(), 1)
    env.advance(39)
    assert.equal((await resolver.SimplePing({ pSetId })).result, 0)
    env.advance(39)
    assert.equal(await next(pinging, ipid), 1)
    env.advance(1)
    // Called in the last period: one period more.
    assert.equal(disposed(), 1)
    env.advance(10)
    assert.equal(disposed(), 2)
    assert.equal((await resolver.SimplePing({ pSetId })).result, 1912)
    server.close()
    assert.equal(env.timers, 0)
  })

  test('IUnknown alone leads to the contract of the class, and the class object makes more', async () => {
    const { server, connect } = world()
    const rpc = connect()
    const { ppInterfaceData, pResults, pipidRemUnknown } = await activate(rpc, [UNKNOWN, CLASS])
    assert.deepEqual(pResults, [0, 0x8000_4002])
    const { ipid } = reference(ppInterfaceData[0])
    const query = new Writer()
    writeUuid(query, ipid, true)
    query.u32(1)
    query.u16(1)
    query.u16(0)
    query.u32(1)
    writeUuid(query, Counter.uuid, true)
    const found = await call(rpc, REM_UNKNOWN, pipidRemUnknown, 3, query.finish())
    found.skip(4 + 4 + 8 + 24)
    assert.equal(await next(rpc, readUuid(found)), 1)
    server.close()
  })

  test('what is asked for and not there', async () => {
    const { server, connect } = world({ interfaces: 2 })
    const rpc = connect()
    const failed = async (iids: readonly Guid[], classId?: Guid): Promise<number> => {
      const { phr, result, ppInterfaceData, ppdsaOxidBindings } = await activate(rpc, iids, classId)
      assert.equal(phr, result)
      assert.ok(ppInterfaceData.every((each) => each === undefined) && ppdsaOxidBindings === undefined)
      return phr
    }
    assert.equal(await failed([Counter.uuid], UNKNOWN), REGDB_E_CLASSNOTREG)
    // The contract itself names no class here.
    assert.equal(await failed([Counter.uuid], Counter.uuid), REGDB_E_CLASSNOTREG)
    assert.equal(await failed([CLASS]), 0x8000_4002)
    assert.equal(await failed([UNKNOWN, UNKNOWN, UNKNOWN]), E_INVALIDARG)
    const scm = await plainClient(rpc, RemoteScmActivator)
    assert.equal((await scm.RemoteCreateInstance({ ORPCthis: ORPC_THIS })).result, E_INVALIDARG)
    const pUnkOuter = { ulCntData: 1, abData: Uint8Array.of(0) }
    assert.equal((await scm.RemoteCreateInstance({ ORPCthis: ORPC_THIS, pUnkOuter })).result, 0x8004_0110)
    const pActProperties = { ulCntData: 3, abData: Uint8Array.of(1, 2, 3) }
    await assert.rejects(scm.RemoteGetClassObject({ ORPCthis: ORPC_THIS, pActProperties }), { code: 'BAD_VALUE' })
    assert.deepEqual(server.inspect()[0]?.objects, {})
    server.close()
  })

  test('a peer that left counts no more', async () => {
    const { server, connect, disposal } = world({ peers: 1 })
    const first = connect()
    await given(first)
    const over = disposal()
    first.close()
    await over
    assert.deepEqual(server.inspect(), [])
    const other = connect('10.0.0.3')
    assert.equal(await next(other, (await given(other)).ipid), 1)
    assert.deepEqual(
      server.inspect().map(({ peer, connections, sets }) => [peer, connections, sets]),
      [['10.0.0.3', 1, 0]],
    )
    server.close()
  })

  test('so many peers, connections and sets, and no more', async () => {
    const { server, connect } = world({ peers: 1, connections: 2, sets: 1 })
    const [first, second] = [connect(), connect()]
    for (const refused of [connect(), connect('10.0.0.3')]) {
      await assert.rejects(plainClient(refused, ObjectExporter))
      await refused.closed
    }
    const resolver = await plainClient(second, ObjectExporter)
    const set = { pSetId: 0n, SequenceNum: 0, cAddToSet: 0, cDelFromSet: 0 }
    assert.equal((await resolver.ComplexPing(set)).result, 0)
    assert.equal((await resolver.ComplexPing(set)).result, 8)
    server.close()
    assert.deepEqual(server.inspect(), [])
    await Promise.all([first.closed, second.closed])
  })

  test('hooks decide who may call, by address', async () => {
    const authorize = [({ caller }: { caller: { partition: string } }) => caller.partition === '10.0.0.3']
    const { server, connect } = world({}, nodeEnv(), { authorize })
    const [first, second] = [connect(), connect('10.0.0.3')]
    await assert.rejects(next(first, (await given(first)).ipid), { code: 'DENIED' })
    assert.equal(await next(second, (await given(second)).ipid), 1)
    server.close()
  })

  test('a reference to an object elsewhere is refused with an HRESULT, also behind a hook', async () => {
    for (const authorize of [[], [() => Promise.resolve(true)]]) {
      const { server, connect } = world({}, nodeEnv(), { authorize })
      let called = false
      server.offer(Taker, { take: () => void (called = true) })
      const rpc = connect()
      const { ppInterfaceData } = await activate(rpc, [Taker.uuid], Taker.uuid)
      const taken = async (objref: Uint8Array): Promise<number> => {
        const stub = new Writer()
        for (const word of [1, objref.length, objref.length]) stub.u32(word)
        stub.bytes(objref)
        const answer = await call(rpc, Taker.uuid, reference(ppInterfaceData[0]).ipid, 3, stub.finish())
        return answer.lastU32()
      }
      const own = (await activate(rpc, [Counter.uuid])).ppInterfaceData[0]?.abData ?? new Uint8Array()
      const elsewhere = Uint8Array.from(own)
      elsewhere[32] = (own[32] ?? 0) ^ 1
      const unknown = Uint8Array.from(own)
      unknown[48] = (own[48] ?? 0) ^ 1
      assert.equal(await taken(elsewhere), 0x8007_06ba)
      assert.equal(await taken(unknown), 0x8001_0108)
      assert.equal(await taken(own.subarray(0, 40)), 0x8001_011d)
      assert.equal(called, false)
      assert.equal(await taken(own), 0)
      assert.equal(called, true)
      server.close()
    }
  })

  test('a class is offered once', () => {
    const { server } = world()
    const next = { next: () => 1 }
    assert.throws(() => server.offer(Counter, next), { code: 'ALREADY_OFFERED' })
    assert.throws(() => server.offer(Counter, next, CLASS), { code: 'ALREADY_OFFERED' })
  })

  test('whatever the arguments: an answer or a fault, and the next activation works', async () => {
    const { server, connect } = world()
    const interfaces: [Contract, number][] = [
      [ObjectExporter, 6],
      [Activation, 1],
      [RemoteScmActivator, 5],
    ]
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...interfaces),
        fc.nat(),
        fc.uint8Array({ maxLength: 200 }),
        async ([of, count], n, stub) => {
          const rpc = connect()
          const context = await rpc.bind({ uuid: of.uuid, major: 0, minor: 0 })
          await rpc.call(context, n % count, stub).catch((thrown: unknown) => {
            assert.ok(thrown instanceof BusbarError && thrown.code !== 'INTERNAL', String(thrown))
          })
          rpc.close()
        },
      ),
      { numRuns: 300, seed: 1 },
    )
    const rpc = connect()
    assert.equal(await next(rpc, (await given(rpc)).ipid), 1)
    server.close()
  })
})
