import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { NIL_GUID } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import { type Client, contract, method, RpcAccess, t } from '../rpc/index.ts'
import { memoryPair } from '../testing/index.ts'
import { ACTIVATOR, ACTIVATOR_IPID } from './activator.ts'
import { ClassTable } from './classes.ts'
import { ObjectClient } from './client.ts'
import { code, counts, end, settle, world } from './harness.test.ts'
import type { ObjRef } from './objref.ts'
import { Raw } from './raw.test.ts'
import { REM_UNKNOWN } from './rem-unknown.ts'
import { ObjectServer } from './server.ts'

const Ear = contract('test.Ear', { version: '1.0' }, { hear: method({}, t.uint32) })
const Desk = contract(
  'test.Desk',
  { version: '1.0' },
  {
    take: method({ ears: t.array(t.ref(Ear)) }, t.uint32),
    one: method({ ear: t.ref(Ear) }, t.uint32),
    giving: method({}, t.ref(Ear)),
    plain: method({}, t.uint32),
  },
)
/** The same with a method more: what a newer caller believes to be there. */
const NewDesk = contract(
  'test.Desk',
  { version: '1.1' },
  { ...Desk.methods, newest: method({ ear: t.ref(Ear) }, t.uint32) },
)

function desk(settings: Parameters<typeof world>[0] = {}) {
  const classes = new ClassTable()
  const taken: Client<typeof Ear>[] = []
  const served: string[] = []
  classes.offer(Desk, {
    take: ({ ears }) => {
      served.push('take')
      return taken.push(...ears)
    },
    one: ({ ear }) => {
      served.push('one')
      return taken.push(ear)
    },
    giving: () => ({ hear: () => 7 }),
    plain: () => served.push('plain'),
  })
  return { ...world({ classes, ...settings }), taken, served }
}

const ear = { hear: () => 1 }

describe('a call with a reference', () => {
  test('does not run before the return channel is up', async () => {
    let arrive = (): void => {}
    const all = desk()
    const caller = { partition: 'web', epoch: 1 }
    const [near, far] = memoryPair()
    const server = new ObjectServer(new RpcAccess(far), {
      env: all.env,
      classes: all.classes,
      caller,
      returns: all.channels,
    })
    const client = new ObjectClient(new RpcAccess(near), {
      env: all.env,
      returns: {
        peer: { partition: 'storage', epoch: 0 },
        open: async (token) => {
          const pair = memoryPair()
          arrive = () => all.channels.claim(token, caller, new RpcAccess(pair[1]))
          return new RpcAccess(pair[0])
        },
      },
    })
    const proxy = await client.activate(Desk)
    const giving = proxy.one({ ear })
    await settle()
    assert.deepEqual(all.served, [])
    arrive()
    await giving
    assert.deepEqual(all.served, ['one'])
    assert.equal(await all.taken[0]!.hear(), 1)
    client.close()
    await server.closed
    await end(all)
  })

  test('that cannot open one fails, gives nothing, and the next one tries again', async () => {
    const all = desk()
    let tries = 0
    const [near, far] = memoryPair()
    const caller = { partition: 'web', epoch: 1 }
    const server = new ObjectServer(new RpcAccess(far), {
      env: all.env,
      classes: all.classes,
      caller,
      returns: all.channels,
    })
    const client = new ObjectClient(new RpcAccess(near), {
      env: all.env,
      returns: {
        peer: { partition: 'storage', epoch: 0 },
        open: async (token) => {
          if (tries++ === 0) throw new BusbarError('DENIED', 'not this time')
          const pair = memoryPair()
          all.channels.claim(token, caller, new RpcAccess(pair[1]))
          return new RpcAccess(pair[0])
        },
      },
    })
    const proxy = await client.activate(Desk)
    await assert.rejects(proxy.one({ ear }), code('DENIED', /test\.Desk\.one: not this time/))
    assert.equal(client.inspect().objects, 0)
    await proxy.one({ ear })
    assert.deepEqual([tries, client.inspect().objects], [2, 1])
    client.close()
    await server.closed
    await end(all)
  })

  test('on a pipe without one is refused with a code', async () => {
    const all = desk()
    const [near, far] = memoryPair()
    const server = new ObjectServer(new RpcAccess(far), {
      env: all.env,
      classes: all.classes,
      caller: { partition: 'web', epoch: 1 },
    })
    const without = new ObjectClient(new RpcAccess(near), { env: all.env })
    const proxy = await without.activate(Desk)
    await assert.rejects(proxy.one({ ear }), code('UNAVAILABLE', /return channel/))
    assert.equal(without.inspect().objects, 0)
    without.close()
    await server.closed
    await end(all)
  })

  test('that is cancelled, or out of time, while it waits was never made', async () => {
    const all = desk()
    const proxy = await all.client.activate(Desk)
    all.links[1].fence()
    const stop = new AbortController()
    const cancelled = proxy.one({ ear }, { signal: stop.signal })
    const late = proxy.one({ ear }, { deadline: 10 })
    for (const each of [cancelled, late]) each.catch(() => {})
    await settle()
    stop.abort()
    all.env.advance(11)
    await assert.rejects(cancelled, code('CANCELLED'))
    await assert.rejects(late, code('DEADLINE'))
    assert.equal(all.client.inspect().objects, 0)
    all.links[1].release()
    await settle()
    assert.deepEqual(all.served, [])
    await end(all)
  })

  test('that the server refuses before it looks gives nothing', async () => {
    const all = desk()
    const proxy = await all.client.activate(NewDesk)
    await assert.rejects(proxy.newest({ ear }), code('NOT_IN_CONTRACT'))
    assert.equal(all.client.inspect().objects, 0)
    await proxy.one({ ear })
    await assert.rejects(proxy.newest({ ear }), code('NOT_IN_CONTRACT'))
    // What it held before, it still holds.
    assert.equal(await all.taken[0]!.hear(), 1)
    assert.deepEqual([all.client.inspect().objects, counts(all)['given']], [1, 1])
    await end(all)
  })

  test('on a proxy that is released right behind it reaches the object', async () => {
    const all = desk()
    const proxy = await all.client.activate(Desk)
    const given = proxy.one({ ear })
    proxy[Symbol.dispose]()
    assert.equal(await given, 1)
    await settle()
    assert.equal(counts(all)['given'], 0)
    await end(all)
  })

  test('to a proxy that was released is refused', async () => {
    const all = desk()
    const proxy = await all.client.activate(Desk)
    const own = await proxy.giving()
    own[Symbol.dispose]()
    await assert.rejects(proxy.one({ ear: own }), code('RELEASED', /passed on/))
    await end(all)
  })
})

describe('quotas', () => {
  test('objects that the caller gives, on its side', async () => {
    const all = desk({ client: { objects: 5 } })
    const proxy = await all.client.activate(Desk)
    const ears = Array.from({ length: 6 }, () => ({ hear: () => 1 }))
    await assert.rejects(proxy.take({ ears }), code('LIMIT', /5 objects/))
    assert.equal(all.client.inspect().objects, 0)
    assert.equal(await proxy.take({ ears: ears.slice(1) }), 5)
    await end(all)
  })

  test('references that the server takes, on its side: all of a call or none', async () => {
    const all = desk({ server: { objects: 5 } })
    const proxy = await all.client.activate(Desk)
    const ears = Array.from({ length: 6 }, () => ({ hear: () => 1 }))
    await assert.rejects(proxy.take({ ears }), code('BUSY'))
    await settle()
    assert.deepEqual([all.client.inspect().objects, all.server.inspect().imports, all.served], [0, {}, []])
    assert.equal(await proxy.take({ ears: ears.slice(1) }), 5)
    await end(all)
  })
})

describe('a hostile peer', () => {
  test('gets tokens that are withdrawn with the pipe, and when another one is asked for', async () => {
    const all = desk()
    const raw = new Raw(all)
    const { remUnknown } = await raw.activate(Desk)
    const invite = async () => (await raw.call(ACTIVATOR, ACTIVATOR_IPID, 1, { remUnknown })) as { token: string }
    const first = await invite()
    assert.notEqual((await invite()).token, first.token)
    assert.equal(all.channels.waiting, 1)
    await raw.close()
    assert.equal(all.channels.waiting, 0)
    await end(all)
  })

  const ref = (more: Partial<ObjRef>): ObjRef => ({
    iid: Ear.uuid,
    ipid: NIL_GUID,
    references: 1,
    oxid: 1n,
    oid: 1n,
    ...more,
  })

  test('sends references that it may not send', async () => {
    const all = desk()
    const raw = new Raw(all)
    const { object, remUnknown } = await raw.activate(Desk)
    const { oxid } = object
    const given = (await raw.call(Desk, object.ipid, 2, {})) as ObjRef
    const other = new Raw(all)
    const elsewhere = await other.activate(Desk)
    for (const [bad, expected] of [
      // Foreign, and no return channel is there.
      [ref({}), 'PROTOCOL'],
      // "Home", but never given here, given on another pipe, not counted, or of another kind.
      [ref({ oxid }), 'NO_SUCH_OBJECT'],
      [ref({ oxid, ipid: elsewhere.object.ipid }), 'NO_SUCH_OBJECT'],
      [ref({ oxid, ipid: remUnknown }), 'NO_SUCH_OBJECT'],
      [ref({ oxid, ipid: ACTIVATOR_IPID }), 'NO_SUCH_OBJECT'],
      [ref({ oxid, ipid: object.ipid }), 'NO_SUCH_INTERFACE'],
      [ref({ oxid, ipid: given.ipid, iid: Desk.uuid }), 'NO_SUCH_INTERFACE'],
    ] as const) {
      const stub = raw.stub(Desk, 1, { ear: bad })
      await assert.rejects(raw.bytes(Desk.uuid, object.ipid, 4, stub), code(expected))
    }
    assert.deepEqual(all.served, [])
    const home = raw.stub(Desk, 1, { ear: { ...given, references: 0 } })
    await raw.bytes(Desk.uuid, object.ipid, 4, home)
    assert.equal(await all.taken[0]!.hear(), 7)
    await raw.close()
    await other.close()
    await end(all)
  })

  test('asks for the return channel in the wrong order', async () => {
    const all = desk()
    const raw = new Raw(all)
    const { remUnknown } = await raw.activate(Desk)
    const failing = async (number: number, args: unknown): Promise<number> => {
      const stub = raw.stub(ACTIVATOR, number, args)
      const reply = await raw.bytes(ACTIVATOR.uuid, ACTIVATOR_IPID, 3 + number, stub)
      return new DataView(reply.stub.slice().buffer).getUint32(reply.stub.length - 4, true)
    }
    assert.equal(await failing(2, {}), 0x8007_0015)
    const { token } = (await raw.call(ACTIVATOR, ACTIVATOR_IPID, 1, { remUnknown })) as { token: string }
    const [near, far] = memoryPair()
    all.channels.claim(token, { partition: 'raw', epoch: 1 }, new RpcAccess(far))
    assert.equal(await failing(2, {}), 0)
    assert.equal(await failing(1, { remUnknown }), 0x8001_010a)
    // Bytes that are no answer end the whole pipe.
    await near.write(new Uint8Array(64).fill(7))
    assert.notEqual(await raw.server.closed, undefined)
    await raw.close()
    await end(all)
  })

  test('says that what it never had came home', async () => {
    const all = desk()
    const proxy = await all.client.activate(Desk)
    await proxy.one({ ear })
    const raw = new Raw(all)
    const { remUnknown } = await raw.activate(Desk)
    await raw.call(REM_UNKNOWN, remUnknown, 2, [{ ipid: NIL_GUID, references: 0xffff_ffff }])
    assert.equal(await all.taken[0]!.hear(), 1)
    await raw.close()
    await end(all)
  })
})
