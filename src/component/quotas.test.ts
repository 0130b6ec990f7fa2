import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contract, method, t } from '../rpc/index.ts'
import { ClassTable } from './classes.ts'
import { code, end, FileStore, settle, world } from './harness.test.ts'
import { objectLimits } from './limits.ts'
import { PeerUsage, PeerUsages } from './peer-usage.ts'
import { Raw } from './raw.test.ts'
import { REM_UNKNOWN } from './rem-unknown.ts'

const Work = contract(
  'test.Work',
  { version: '1.0' },
  {
    run: method({ data: t.bytes }, t.void),
    lend: method({ work: t.ref(contract('test.Idle', { version: '1.0' }, { idle: method({}, t.void) })) }, t.void),
  },
)

/** Two pipes of one caller, with calls that run until they are let go. */
function pipes(limits: Parameters<typeof objectLimits>[0]) {
  const usage = new PeerUsage()
  const waiting: (() => void)[] = []
  const classes = new ClassTable()
  const wait = (): Promise<void> => new Promise((resolve) => waiting.push(resolve))
  classes.offer(Work, { run: wait, lend: wait })
  const one = world({ classes, usage, server: limits ?? {} })
  const two = world({ env: one.env, classes, usage, server: limits ?? {} })
  return { usage, waiting, one, two }
}

test('calls of one peer, on all its pipes: the error says which limit, and other calls go on', async () => {
  const { usage, waiting, one, two } = pipes({ peerCalls: 3 })
  const [a, b] = [await one.client.activate(Work), await two.client.activate(Work)]
  const data = new Uint8Array(10)
  // The return channel is there from now on.
  const lent = b.lend({ work: { idle: () => {} } })
  await settle()
  waiting.splice(0).forEach((go) => go())
  await lent
  const objects = two.client.inspect().objects
  const running = [a.run({ data }), b.run({ data }), b.run({ data })]
  await settle()
  assert.equal(usage.calls, 3)
  await assert.rejects(a.run({ data }), code('BUSY', /limit peerCalls: 3 .* at most 3/))
  // With a reference in it, it is refused as a whole.
  await assert.rejects(b.lend({ work: { idle: () => {} } }), code('BUSY'))
  assert.equal(two.client.inspect().objects, objects)
  // What is held can be given back all the same.
  await a[Symbol.asyncDispose]()
  assert.equal(one.server.inspect().objects, 0)
  waiting.splice(0).forEach((go) => go())
  await Promise.all(running)
  assert.deepEqual([usage.calls, usage.bytes], [0, 0])
  await end(one)
  await end(two)
  assert.equal(usage.objects, 0)
})

test('bytes in the arguments of the calls of one peer', async () => {
  const { usage, waiting, one, two } = pipes({ peerBytes: 1000 })
  const [a, b] = [await one.client.activate(Work), await two.client.activate(Work)]
  const running = [a.run({ data: new Uint8Array(600) })]
  await settle()
  assert.ok(usage.bytes > 600 && usage.bytes < 700, `${usage.bytes}`)
  await assert.rejects(b.run({ data: new Uint8Array(400) }), code('BUSY', /limit peerBytes: .* of 1000 bytes/))
  running.push(b.run({ data: new Uint8Array(200) }))
  await settle()
  waiting.splice(0).forEach((go) => go())
  await Promise.all(running)
  // One that is alone is bounded by what a request may be.
  const alone = a.run({ data: new Uint8Array(5000) })
  await settle()
  waiting.splice(0).forEach((go) => go())
  await alone
  assert.deepEqual([usage.calls, usage.bytes], [0, 0])
  await end(one)
  await end(two)
})

test('objects that one peer holds, on all its pipes', async () => {
  const usage = new PeerUsage()
  const one = world({ usage, server: { peerObjects: 5 } })
  const two = world({ env: one.env, usage, server: { peerObjects: 5 } })
  const [a, b] = [await one.client.activate(FileStore), await two.client.activate(FileStore)]
  const files = [await a.open({ path: '/1' }), await b.open({ path: '/2' }), await b.open({ path: '/3' })]
  assert.equal(usage.objects, 5)
  await assert.rejects(a.open({ path: '/4' }), code('LIMIT', /limit peerObjects: .* 5 objects/))
  await assert.rejects(a.list({ path: '/' }).next(), code('LIMIT', /limit peerObjects/))
  await files[1]?.[Symbol.asyncDispose]()
  await a.open({ path: '/5' })
  await end(two)
  assert.equal(usage.objects, 3)
  await end(one)
  assert.equal(usage.objects, 0)
})

test('references that one peer adds to what it holds, on all its pipes, however few objects', async () => {
  const usage = new PeerUsage()
  const all = world()
  const limits = { peerReferences: 1000 }
  const [one, two] = [new Raw(all, { limits, usage }), new Raw(all, { limits, usage })]
  const [a, b] = [await one.activate(FileStore), await two.activate(FileStore)]
  const add = (raw: Raw, { remUnknown, object: { ipid } }: typeof a, references: number): Promise<unknown> =>
    raw.call(REM_UNKNOWN, remUnknown, 1, [{ ipid, references }])
  assert.equal(usage.references, 2)
  assert.deepEqual(await add(one, a, 997), [0])
  assert.deepEqual(await add(two, b, 2), [0x8007_0057])
  assert.deepEqual(await add(two, b, 1), [0])
  for (const many of [0x7fff_ffff, 0xffff_ffff]) assert.deepEqual(await add(one, a, many), [0x8007_0057])
  await assert.rejects(two.activate(FileStore))
  assert.equal(usage.references, 1000)
  // A count above what it holds gives back no more than that.
  await two.call(REM_UNKNOWN, b.remUnknown, 2, [{ ipid: b.object.ipid, references: 0xffff_ffff }])
  assert.deepEqual([usage.references, usage.objects], [998, 1])
  const again = await two.activate(FileStore)
  assert.deepEqual(await add(two, again, 1), [0])
  await one.close()
  assert.equal(usage.references, 2)
  await two.close()
  assert.deepEqual([usage.references, usage.objects], [0, 0])
})

test('references that one peer holds to an object that it is given again and again', async () => {
  const usage = new PeerUsage()
  const one = world({ usage, server: { peerReferences: 5 } })
  const store = await one.client.activate(FileStore)
  for (let again = 0; again < 4; again++) await store.open({ path: '/shared' })
  assert.deepEqual([usage.references, usage.objects], [5, 2])
  const refused = code('LIMIT', /limit peerReferences: .* 5 references/)
  await assert.rejects(store.open({ path: '/shared' }), refused)
  await assert.rejects(store.list({ path: '/' }).next(), refused)
  assert.deepEqual([usage.references, usage.objects], [5, 2])
  await end(one)
  assert.equal(usage.references, 0)
})

test('references that one peer lends in arguments, on all its pipes', async () => {
  const usage = new PeerUsage()
  const Idle = contract('test.Idle', { version: '1.0' }, { idle: method({}, t.void) })
  const Box = contract('test.Box', { version: '1.0' }, { put: method({ all: t.array(t.ref(Idle)) }, t.void) })
  const kept: Disposable[] = []
  const classes = new ClassTable()
  classes.offer(Box, { put: ({ all }) => void kept.push(...all) })
  const settings = { classes, usage, server: { peerLent: 5 } }
  const one = world(settings)
  const two = world({ env: one.env, ...settings })
  const [a, b] = [await one.client.activate(Box), await two.client.activate(Box)]
  const some = (count: number) => ({ all: Array.from({ length: count }, () => ({ idle: () => {} })) })
  await a.put(some(3))
  await b.put(some(1))
  assert.equal(usage.lent, 4)
  // All or nothing: what does not fit as a whole is taken back as a whole.
  await assert.rejects(b.put(some(2)), code('BUSY'))
  assert.deepEqual([usage.lent, two.client.inspect().objects], [4, 1])
  await b.put(some(1))
  await assert.rejects(a.put(some(1)), code('BUSY'))
  kept[0]?.[Symbol.dispose]()
  await settle()
  await b.put(some(1))
  assert.deepEqual([usage.lent, kept.length], [5, 6])
  await end(two)
  assert.equal(usage.lent, 2)
  await end(one)
  assert.equal(usage.lent, 0)
})

test('calls that never end do not count any more when their pipe is over', async () => {
  const { usage, one, two, waiting } = pipes({ peerCalls: 2 })
  const [a, b] = [await one.client.activate(Work), await two.client.activate(Work)]
  for (let i = 0; i < 2; i++) a.run({ data: new Uint8Array(9) }).catch(() => {})
  await settle()
  await assert.rejects(b.run({ data: new Uint8Array(9) }), code('BUSY'))
  await end(one)
  assert.deepEqual([usage.calls, usage.bytes, usage.objects], [0, 0, 1])
  const run = b.run({ data: new Uint8Array(9) })
  await settle()
  // The old ones end after all: that changes nothing.
  waiting.splice(0).forEach((go) => go())
  await run
  assert.deepEqual([usage.calls, usage.bytes], [0, 0])
  await end(two)
})

test('an attachment of a partition is one peer, for as long as it has pipes', () => {
  const usages = new PeerUsages()
  const first = usages.enter({ partition: 'web', epoch: 1 })
  const again = usages.enter({ partition: 'web', epoch: 1 })
  const restarted = usages.enter({ partition: 'web', epoch: 2 })
  assert.equal(first.usage, again.usage)
  assert.notEqual(first.usage, restarted.usage)
  first.over()
  assert.equal(usages.enter({ partition: 'web', epoch: 1 }).usage, again.usage)
  restarted.over()
  again.over()
  assert.equal(usages.size, 1)
})

test('limits that cannot be are refused by name', () => {
  for (const name of ['peerObjects', 'peerReferences', 'peerLent', 'peerCalls', 'peerBytes'] as const) {
    assert.throws(() => objectLimits({ [name]: 0 }), code('INVALID_ARGUMENT', new RegExp(name)))
  }
})
