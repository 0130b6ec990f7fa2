import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { NIL_GUID, Slab } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import { RpcAccess, RpcServer } from '../rpc/index.ts'
import { StillEnv } from '../testing/index.ts'
import { ACTIVATOR, ACTIVATOR_IPID } from './activator.ts'
import { ObjectClient } from './client.ts'
import { code, counts, File, FileStore, linkPair, settle, world } from './harness.test.ts'
import type { ObjRef } from './objref.ts'
import { CallFront } from './orpc.ts'
import { Raw } from './raw.test.ts'
import { REM_UNKNOWN } from './rem-unknown.ts'
import type { TestLink } from './ring-pair.test.ts'
import { ObjectServer } from './server.ts'
import { deadlineExtent } from './terms.ts'

const REM_UNKNOWN_CALLS = REM_UNKNOWN.procedures

describe('a hostile caller', () => {
  test('names an object that it was not given', async () => {
    const all = world()
    const raw = new Raw(all)
    const other = new Raw(all)
    const { object } = await raw.activate(FileStore)
    const { ipid } = (await raw.call(FileStore, object.ipid, 1, { path: '/x' })) as ObjRef
    const stub = raw.stub(File, 1, {})
    await raw.bytes(File.uuid, ipid, 4, stub)
    for (const [on, object_] of [
      [raw, NIL_GUID],
      [raw, '12345678-1234-4234-8234-123456789012'],
      [raw, undefined],
      // Given on another pipe.
      [other, ipid],
    ] as const) {
      await assert.rejects(on.bytes(File.uuid, object_, 4, stub), code('NO_SUCH_OBJECT'))
    }
    // Given, but with another interface.
    await assert.rejects(raw.bytes(FileStore.uuid, ipid, 4, stub), code('NO_SUCH_OBJECT'))
    await assert.rejects(raw.bytes(File.uuid, ACTIVATOR_IPID, 3, stub), code('NO_SUCH_OBJECT'))
    await raw.close()
    await other.close()
    assert.equal(all.store.open_, 0)
  })

  test('repeats a call after it released the object', async () => {
    const all = world()
    const raw = new Raw(all)
    const { object, remUnknown } = await raw.activate(FileStore)
    const { ipid } = (await raw.call(FileStore, object.ipid, 1, { path: '/x' })) as ObjRef
    const stub = raw.stub(File, 1, {})
    await raw.bytes(File.uuid, ipid, 4, stub)
    await raw.bytes(File.uuid, ipid, 4, stub)
    await raw.call(REM_UNKNOWN, remUnknown, 2, [{ ipid, references: 1 }])
    assert.equal(all.store.open_, 0)
    await assert.rejects(raw.bytes(File.uuid, ipid, 4, stub), code('NO_SUCH_OBJECT'))
    await raw.close()
  })

  test('asks for interfaces and numbers that are not there', async () => {
    const all = world()
    const raw = new Raw(all)
    const { object, remUnknown } = await raw.activate(FileStore)
    await assert.rejects(raw.rpc.bind({ uuid: NIL_GUID, major: 0, minor: 0 }), code('NO_SUCH_INTERFACE'))
    await assert.rejects(raw.rpc.bind({ uuid: FileStore.uuid, major: 1, minor: 0 }), code('NO_SUCH_INTERFACE'))
    for (const opnum of [0, 1, 2, 3 + FileStore.procedures.length, 65_535]) {
      const stub = raw.stub(FileStore, 0, { path: '' })
      await assert.rejects(raw.bytes(FileStore.uuid, object.ipid, opnum, stub), code('NOT_IN_CONTRACT'))
    }
    const ids = { classId: FileStore.uuid, interfaceId: File.uuid }
    const stub = raw.stub(ACTIVATOR, 0, ids)
    const reply = await raw.bytes(ACTIVATOR.uuid, ACTIVATOR_IPID, 3, stub)
    assert.equal(new DataView(reply.stub.slice().buffer).getUint32(reply.stub.length - 4, true), 0x8000_4002)
    const broken = raw.bytes(REM_UNKNOWN.uuid, remUnknown, 3, raw.stub(REM_UNKNOWN, 2, []))
    await assert.rejects(broken, code('BAD_VALUE'))
    assert.equal(all.store.calls, 0)
    await raw.close()
  })

  test('releases what it does not hold', async () => {
    const all = world()
    const raw = new Raw(all)
    const { object, remUnknown } = await raw.activate(FileStore)
    const many = { ipid: object.ipid, references: 0xffff_ffff }
    const unknown = { ipid: NIL_GUID, references: 1 }
    const own = [ACTIVATOR_IPID, remUnknown].map((ipid) => ({ ipid, references: 0xffff_ffff }))
    await raw.call(REM_UNKNOWN, remUnknown, 2, [unknown, many, many, ...own])
    assert.equal(raw.server.inspect().objects, 0)
    await raw.activate(FileStore)
    assert.equal(raw.server.inspect().objects, 1)
    await raw.close()
  })

  test('adds references: they count, up to what a counter holds', async () => {
    const all = world()
    const raw = new Raw(all)
    const { object, remUnknown } = await raw.activate(FileStore)
    const { ipid } = object
    const results = await raw.call(REM_UNKNOWN, remUnknown, 1, [
      { ipid, references: 5 },
      { ipid, references: 0xffff_ffff },
      { ipid: NIL_GUID, references: 1 },
    ])
    assert.deepEqual(results, [0, 0x8007_0057, 0x8007_0057])
    await raw.call(REM_UNKNOWN, remUnknown, 2, [{ ipid, references: 5 }])
    assert.equal(raw.server.inspect().objects, 1)
    await raw.call(REM_UNKNOWN, remUnknown, 2, [{ ipid, references: 1 }])
    assert.equal(raw.server.inspect().objects, 0)
    assert.equal(REM_UNKNOWN_CALLS.length, 3)
    await raw.close()
  })

  test('lies in the counts of a release', async () => {
    const all = world()
    const raw = new Raw(all)
    const { remUnknown } = await raw.activate(FileStore)
    const empty = raw.stub(REM_UNKNOWN, 2, [])
    const lie = (count: number, room: number): Uint8Array => {
      const stub = empty.slice()
      new DataView(stub.buffer).setUint16(32, count, true)
      new DataView(stub.buffer).setUint32(36, room, true)
      return stub
    }
    for (const stub of [lie(1, 1), lie(1024, 1024), lie(65_535, 65_535), lie(1, 0xffff_ffff)]) {
      await assert.rejects(raw.bytes(REM_UNKNOWN.uuid, remUnknown, 5, stub), BusbarError)
    }
    await raw.close()
  })

  test('cuts, lengthens and changes the bytes of a call: it is refused, or it is another call', async () => {
    const all = world()
    const raw = new Raw(all)
    const { object } = await raw.activate(FileStore)
    const good = raw.stub(FileStore, 0, { path: '/report.pdf' })
    for (let length = 0; length < good.length; length++) {
      const cut = good.subarray(0, length)
      await assert.rejects(raw.bytes(FileStore.uuid, object.ipid, 3, cut), code('BAD_VALUE'))
    }
    const longer = new Uint8Array(good.length + 4)
    longer.set(good)
    await assert.rejects(raw.bytes(FileStore.uuid, object.ipid, 3, longer), code('BAD_VALUE'))
    const version = good.slice()
    version[0] = 6
    await assert.rejects(raw.bytes(FileStore.uuid, object.ipid, 3, version), code('VERSION'))
    assert.equal(all.store.calls, 0)
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        async (edits) => {
          const stub = good.slice()
          for (const [at, byte] of edits) stub[at] = byte
          const reply = await raw.bytes(FileStore.uuid, object.ipid, 3, stub).catch((thrown: unknown) => thrown)
          assert.ok(!(reply instanceof Error) || reply instanceof BusbarError)
        },
      ),
      { seed: 5, numRuns: 400 },
    )
    await raw.close()
  })

  test('lies in extents', async () => {
    const all = world()
    const raw = new Raw(all)
    const { object } = await raw.activate(FileStore)
    const front = new CallFront(new Uint8Array(16), new Slab())
    const writer = front.begin(0, [deadlineExtent(1000)])
    FileStore.procedures[0]!.request.write(writer, { path: '/a' }, { give: assert.fail, take: assert.fail })
    const good = writer.finish()
    await raw.bytes(FileStore.uuid, object.ipid, 3, good)
    assert.equal(all.store.contexts[0]?.deadline, 1000)
    for (const [at, value] of [
      [32, 0xffff_ffff],
      [32, 17],
      [32, 3],
      [40, 0],
      [44, 0xffff_fffe],
      [56, 0xffff_ffff],
      [56, 0],
      [76, 0xffff_ffff],
      [76, 3],
    ] as const) {
      const stub = good.slice()
      new DataView(stub.buffer).setUint32(at, value, true)
      await assert.rejects(raw.bytes(FileStore.uuid, object.ipid, 3, stub), BusbarError, `${value} at ${at}`)
    }
    // An extent that nobody knows is skipped.
    const unknown = good.slice()
    unknown[60]! ^= 0xff
    await raw.bytes(FileStore.uuid, object.ipid, 3, unknown)
    assert.equal(all.store.contexts[1]?.deadline, undefined)
    assert.equal(all.store.calls, 2)
    await raw.close()
  })

  test('asks a stream for too much, for nothing, and for more pages than there may be at once', async () => {
    const all = world()
    const raw = new Raw(all)
    const { object } = await raw.activate(FileStore)
    const { pull } = FileStore.procedures[2]!
    assert.ok(pull !== undefined)
    const { ipid } = (await raw.call(FileStore, object.ipid, 2, { path: '/endless' })) as ObjRef
    const most = { maxItems: 0xffff_ffff, maxBytes: 0xffff_ffff }
    const page = (await raw.call(pull, ipid, 0, most)) as { items: unknown[]; done: boolean }
    assert.deepEqual([page.items.length, page.done], [1024, false])
    const failing = async (room: { maxItems: number; maxBytes: number }): Promise<number> => {
      const reply = await raw.bytes(pull.uuid, ipid, 3, raw.stub(pull, 0, room))
      return new DataView(reply.stub.slice().buffer).getUint32(reply.stub.length - 4, true)
    }
    assert.equal(await failing({ maxItems: 0, maxBytes: 1 }), 0x8007_0057)
    const many = await Promise.all(Array.from({ length: 10 }, () => failing(most)))
    assert.deepEqual(many, [0, 0, 0, 0, 0, 0, 0, 0, 0x8001_010a, 0x8001_010a])
    await raw.close()
    assert.deepEqual(all.store.ended, ['aborted'])
  })

  test('whose partition was cut off waits with its next pipe, whatever its epoch; no other partition does', async () => {
    const all = world()
    const { env, classes } = all
    const serve = (partition: string, epoch: number): { link: TestLink; server: ObjectServer } => {
      const [link, theirs] = linkPair()
      return { link, server: new ObjectServer(new RpcAccess(theirs), { env, classes, caller: { partition, epoch } }) }
    }
    const { link, server } = serve('garbage', 1)
    await link.write(new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n'))
    assert.equal((await server.closed)?.code, 'MALFORMED')
    const answered: string[] = []
    const clients = ['garbage', 'good'].map((partition) => {
      const client = new ObjectClient(new RpcAccess(serve(partition, 2).link), { env })
      void client.activate(FileStore).then(() => answered.push(partition))
      return client
    })
    await settle()
    assert.deepEqual(answered, ['good'])
    env.advance(100)
    await settle()
    assert.deepEqual(answered, ['good', 'garbage'])
    for (const client of clients) client.close()
  })

  test('writes garbage: only its own pipe dies', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    const [mine, theirs] = linkPair()
    const server = new ObjectServer(new RpcAccess(theirs), {
      env: all.env,
      classes: all.classes,
      caller: { partition: 'garbage', epoch: 1 },
    })
    await mine.write(new TextEncoder().encode('GET / HTTP/1.1\r\nHost: storage\r\n\r\n'))
    const reason = await server.closed
    assert.equal(reason?.code, 'MALFORMED')
    assert.equal((await store.stat({ path: 'abc' })).size, 3)
    all.client.close()
    await all.server.closed
  })
})

describe('a hostile server', () => {
  async function against(answer: () => Uint8Array, run: (client: ObjectClient) => Promise<void>): Promise<void> {
    const [mine, theirs] = linkPair()
    const env = new StillEnv()
    const server = new RpcServer(new RpcAccess(theirs), {
      env,
      lookup: (id) => ({ id, opnums: 100, dispatch: answer }),
    })
    const client = new ObjectClient(new RpcAccess(mine), { env })
    await run(client)
    client.close()
    await server.closed
    await settle()
    assert.equal(client.inspect().references, 0)
  }

  test('answers with anything: the call fails typed and nothing is held', async () => {
    let answer = new Uint8Array(0)
    await against(
      () => answer,
      async (client) => {
        await fc.assert(
          fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
            answer = bytes.slice()
            await assert.rejects(client.activate(FileStore), BusbarError)
          }),
          { seed: 6, numRuns: 300 },
        )
        assert.equal(client.inspect().references, 0)
      },
    )
  })

  test('changes a good answer', async () => {
    const all = world()
    const raw = new Raw(all)
    const ids = { classId: FileStore.uuid, interfaceId: FileStore.uuid }
    const { stub } = await raw.bytes(ACTIVATOR.uuid, ACTIVATOR_IPID, 3, raw.stub(ACTIVATOR, 0, ids))
    await raw.close()
    let answer = stub
    await against(
      () => answer,
      async (client) => {
        await client.activate(FileStore)
        await assert.rejects(client.activate(File), code('NO_SUCH_INTERFACE', /in place of files\.File/))
        for (let at = 0; at < stub.length; at++) {
          answer = stub.slice()
          answer[at] = 255 - answer[at]!
          await client.activate(FileStore).catch((thrown: unknown) => assert.ok(thrown instanceof BusbarError))
          answer = stub.subarray(0, at)
          await assert.rejects(client.activate(FileStore), BusbarError)
        }
      },
    )
    assert.equal(counts(all)['given'], 0)
  })
})
