import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { NIL_GUID, Reader } from '../bytes/index.ts'
import { type Client, contract, type Contract, method, t } from '../rpc/index.ts'
import { ClassTable } from './classes.ts'
import { code, counts, end, settle, world } from './harness.test.ts'
import { implement } from './implement.ts'
import { decodeObjRef, type ObjRef } from './objref.ts'
import { readThat } from './orpc.ts'
import { query } from './query.ts'
import { Raw } from './raw.test.ts'
import { REM_UNKNOWN, REM_UNKNOWN_2 } from './rem-unknown.ts'
import { same } from './same.ts'

const Readable = contract('test.Readable', { version: '1.0' }, { read: method({}, t.string) })
const Writable = contract('test.Writable', { version: '1.0' }, { write: method({ text: t.string }, t.void) })
const Countable = contract('test.Countable', { version: '1.0' }, { up: method({ to: t.uint32 }, t.stream(t.uint32)) })
const Closable = contract('test.Closable', { version: '1.0' }, { close: method({}, t.void) })
const Shelf = contract(
  'test.Shelf',
  { version: '1.0' },
  {
    open: method({}, t.ref(Readable)),
    borrow: method({ item: t.ref(Readable) }, t.void),
    borrowed: method({}, t.ref(Readable)),
    isBorrowed: method({ item: t.ref(Writable) }, t.bool),
  },
)

class Note {
  disposed = 0
  text = ''
  constructor() {
    implement([Readable, Writable, Countable], this)
  }
  read(): string {
    return this.text
  }
  write({ text }: { text: string }): void {
    this.text += text
  }
  *up({ to }: { to: number }): Generator<number> {
    for (let i = 1; i <= to; i++) yield i
  }
  [Symbol.dispose](): void {
    this.disposed++
  }
}

function shelf(settings: Parameters<typeof world>[0] = {}) {
  const classes = new ClassTable()
  const notes: Note[] = []
  const all = { borrowed: undefined as Client<typeof Readable> | undefined }
  classes.offer(Shelf, {
    open: () => {
      const note = new Note()
      notes.push(note)
      return note
    },
    borrow: ({ item }) => {
      all.borrowed = item
    },
    borrowed: () => all.borrowed as Client<typeof Readable>,
    isBorrowed: ({ item }) => same(item, all.borrowed as object),
  })
  return Object.assign(world({ classes, ...settings }), { notes, seen: all })
}

describe('query', () => {
  test('for the contract that a proxy has shares its references, which a stream on one that was released does not give back', async () => {
    const all = shelf()
    const proxy = await all.client.activate(Shelf)
    const one = await query(await proxy.open(), Countable)
    const two = await query(one, Countable)
    const stream = two.up({ to: 3 })
    two[Symbol.dispose]()
    // Nothing was called through this contract yet.
    await stream.next().catch(code('RELEASED'))
    const three = await query(one, Countable)
    one[Symbol.dispose]()
    await settle()
    assert.equal((await three.up({ to: 3 }).next()).value, 1)
    await end(all)
  })

  test('gives another contract of the same object', async () => {
    const all = shelf()
    const proxy = await all.client.activate(Shelf)
    const readable = await proxy.open()
    const writable = await query(readable, Writable)
    await writable.write({ text: 'hello' })
    assert.equal(await readable.read(), 'hello')
    assert.ok(same(readable, writable) && same(writable, await query(writable, Readable)))
    assert.ok(!same(writable, await proxy.open()))
    // One object, however many interfaces: it ends when all of them are released.
    assert.equal(counts(all)['given'], 3)
    readable[Symbol.dispose]()
    await settle()
    await writable.write({ text: '!' })
    assert.deepEqual([all.notes[0]?.text, all.notes[0]?.disposed], ['hello!', 0])
    await end(all)
    assert.deepEqual(
      all.notes.map(({ disposed }) => disposed),
      [1, 1],
    )
  })

  test('of what the object does not implement fails with NO_SUCH_INTERFACE', async () => {
    const all = shelf()
    const proxy = await all.client.activate(Shelf)
    const readable = await proxy.open()
    await assert.rejects(query(readable, Closable), code('NO_SUCH_INTERFACE', /Closable/))
    await assert.rejects(query(proxy, Readable), code('NO_SUCH_INTERFACE'))
    readable[Symbol.dispose]()
    await assert.rejects(query(readable, Writable), code('RELEASED'))
    await end(all)
  })

  test('keeps the object alive while it is under way', async () => {
    const all = shelf()
    const proxy = await all.client.activate(Shelf)
    const readable = await proxy.open()
    const asked = query(readable, Writable)
    readable[Symbol.dispose]()
    const writable = await asked
    await writable.write({ text: 'x' })
    await settle()
    assert.deepEqual([all.notes[0]?.text, all.notes[0]?.disposed, counts(all)['held']], ['x', 0, 2])
    await end(all)
  })

  test('that is cancelled gives back what it would have got', async () => {
    const all = shelf()
    const proxy = await all.client.activate(Shelf)
    const readable = await proxy.open()
    all.links[1].fence()
    const stop = new AbortController()
    const asked = query(readable, Writable, { signal: stop.signal })
    asked.catch(() => {})
    await settle()
    stop.abort()
    await assert.rejects(asked, code('CANCELLED'))
    readable[Symbol.dispose]()
    all.links[1].release()
    await settle()
    assert.deepEqual([counts(all)['given'], all.notes[0]?.disposed], [1, 1])
    await end(all)
  })

  test('an object of this side is its own answer', async () => {
    const note = new Note()
    assert.equal((await query(note, Writable)) as unknown, note)
    await assert.rejects(query(note, Closable), code('NO_SUCH_INTERFACE'))
  })

  test('works on callbacks, and on what was passed on, wherever its contract is known', async () => {
    const all = shelf()
    const proxy = await all.client.activate(Shelf)
    const note = new Note()
    await proxy.borrow({ item: note })
    const back = await query(all.seen.borrowed as object, Writable)
    await back.write({ text: 'called back' })
    assert.equal(note.text, 'called back')

    const third = shelf({ env: all.env })
    const onwards = await third.client.activate(Shelf)
    await onwards.borrow({ item: all.seen.borrowed as Client<typeof Readable> })
    const far = third.seen.borrowed as object
    // The middle has never given a Writable: it has no contract by which calls could go on.
    await assert.rejects(query(far, Writable), code('NO_SUCH_INTERFACE'))
    assert.equal(await onwards.isBorrowed({ item: back }), true)
    const farther = await query(far, Writable)
    await farther.write({ text: ' from far' })
    assert.equal(note.text, 'called back from far')
    assert.ok(same(far, farther))
    await end(third)
    await settle()
    back[Symbol.dispose]()
    all.seen.borrowed?.[Symbol.dispose]()
    await settle()
    assert.deepEqual([all.client.inspect().exports, all.server.inspect().imports], [{}, {}])
    await end(all)
  })
})

describe('RemQueryInterface', () => {
  const hresult = (stub: Uint8Array): number => new Reader(stub.subarray(stub.length - 4)).u32()

  async function asked(through: Contract | typeof REM_UNKNOWN, number: number, iids: string[], references = 2) {
    const all = shelf()
    const raw = new Raw(all)
    const { object, remUnknown } = await raw.activate(Shelf)
    const { ipid, oxid, oid } = (await raw.call(Shelf, object.ipid, 0, {})) as ObjRef
    const stub = raw.stub(REM_UNKNOWN_2, number, { ipid, references, iids })
    const reply = await raw.bytes(through.uuid, remUnknown, 3 + number, stub)
    return { all, raw, ipid, oxid, oid, remUnknown, stub: reply.stub.slice() }
  }

  test('answers as MS-DCOM says: all, some, none', async () => {
    const some = await asked(REM_UNKNOWN, 0, [Writable.uuid, Closable.uuid, Readable.uuid])
    assert.equal(hresult(some.stub), 1)
    const reader = new Reader(some.stub)
    assert.equal(readThat(reader), undefined)
    reader.skip(4)
    assert.equal(reader.u32(), 3)
    const results = Array.from({ length: 3 }, () => {
      const result = reader.u32()
      reader.skip(4 + 4)
      const [references, oxid, oid] = [reader.u32(), reader.u64(), reader.u64()]
      const ipid = Buffer.from(reader.bytes(16)).toString('hex')
      return { result, references, oxid, oid, ipid }
    })
    reader.skip(4)
    reader.done('answer')
    assert.deepEqual(
      results.map(({ result, references, oxid, oid }) => ({ result, references, oxid, oid })),
      [
        { result: 0, references: 2, oxid: some.oxid, oid: some.oid },
        { result: 0x8000_4002, references: 0, oxid: 0n, oid: 0n },
        { result: 0, references: 2, oxid: some.oxid, oid: some.oid },
      ],
    )
    assert.notEqual(results[0]?.ipid, results[2]?.ipid)
    assert.deepEqual(some.raw.server.inspect().exports['test.Readable'], { objects: 1, references: 3, running: 0 })
    await some.raw.close()

    const every = await asked(REM_UNKNOWN_2, 0, [Writable.uuid])
    assert.equal(hresult(every.stub), 0)
    await every.raw.close()
    const none = await asked(REM_UNKNOWN, 0, [Closable.uuid, NIL_GUID])
    assert.equal(hresult(none.stub), 0x8000_4002)
    await none.raw.close()
  })

  test('RemQueryInterface2 answers with OBJREFs', async () => {
    const { raw, stub, oid } = await asked(REM_UNKNOWN_2, 3, [Closable.uuid, Writable.uuid])
    assert.equal(hresult(stub), 1)
    const reader = new Reader(stub)
    reader.skip(8)
    assert.deepEqual([reader.u32(), reader.u32(), reader.u32()], [2, 0x8000_4002, 0])
    assert.deepEqual([reader.u32(), reader.u32()], [2, 0])
    assert.notEqual(reader.u32(), 0)
    const size = reader.u32()
    assert.equal(reader.u32(), size)
    const found = decodeObjRef(reader.bytes(size))
    assert.deepEqual([found.iid, found.references, found.oid], [Writable.uuid, 1, oid])
    await raw.call(Writable, found.ipid, 0, { text: 'by its own IPID' })
    await raw.close()
  })

  test('of what was passed on: where one of several fails, nothing is kept of the others', async () => {
    // The shelf, the note, and the note once more.
    const near = shelf({ client: { objects: 3 } })
    const items = await (await near.client.activate(Shelf)).open()
    const Desk = contract(
      'test.Desk',
      { version: '1.0' },
      { item: method({}, t.ref(Readable)), other: method({}, t.ref(Writable)) },
    )
    const desks = new ClassTable()
    desks.offer(Desk, { item: () => items, other: () => new Note() })
    const raw = new Raw({ env: near.env, classes: desks, channels: near.channels })
    const { object, remUnknown } = await raw.activate(Desk)
    const { ipid } = (await raw.call(Desk, object.ipid, 0, {})) as ObjRef
    const query = async (...iids: string[]): Promise<number> => {
      const stub = raw.stub(REM_UNKNOWN_2, 0, { ipid, references: 1, iids })
      return hresult((await raw.bytes(REM_UNKNOWN.uuid, remUnknown, 3, stub)).stub)
    }
    const held = { 'test.Shelf': 1, 'test.Readable': 1 }
    assert.notEqual(await query(Writable.uuid, Writable.uuid, Writable.uuid), 0)
    await settle()
    assert.deepEqual(near.client.inspect().imports, held)
    assert.equal(await query(Writable.uuid), 0)
    assert.deepEqual(near.client.inspect().imports, { ...held, 'test.Writable': 1 })
    await raw.close()
    await end(near)
  })

  test('what a hostile peer asks is refused', async () => {
    const { raw, remUnknown, ipid } = await asked(REM_UNKNOWN, 0, [Writable.uuid])
    const failing = async (args: object): Promise<number> => {
      const stub = raw.stub(REM_UNKNOWN_2, 0, { ipid, references: 1, iids: [Writable.uuid], ...args })
      return hresult((await raw.bytes(REM_UNKNOWN.uuid, remUnknown, 3, stub)).stub)
    }
    assert.equal(await failing({ ipid: NIL_GUID }), 0x8007_0057)
    assert.equal(await failing({ ipid: remUnknown }), 0x8007_0057)
    assert.equal(await failing({ references: 0 }), 0x8007_0057)
    assert.equal(await failing({ iids: [] }), 0)
    assert.equal(await failing({ references: 0xffff_ffff }), 0x8007_000e)
    assert.equal(await failing({ references: 0x7fff_ffff }), 0x8007_000e)
    const many = raw.stub(REM_UNKNOWN_2, 0, {
      ipid,
      references: 1,
      iids: Array.from({ length: 65 }, () => Writable.uuid),
    })
    await assert.rejects(raw.bytes(REM_UNKNOWN.uuid, remUnknown, 3, many), code('LIMIT'))
    // IRemUnknown has no fourth method; IRemUnknown2 has.
    await assert.rejects(raw.bytes(REM_UNKNOWN.uuid, remUnknown, 6, many), code('NOT_IN_CONTRACT'))
    assert.deepEqual(raw.server.inspect().exports['test.Writable'], { objects: 1, references: 2, running: 0 })
    await raw.close()
  })
})
