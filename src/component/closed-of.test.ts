import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BusbarError } from '../errors/index.ts'
import { contract, method, t } from '../rpc/index.ts'
import { ClassTable } from './classes.ts'
import { closedOf } from './closed-of.ts'
import { code, end, File, FileStore, settle, world } from './harness.test.ts'

/** What a promise came to, if it did. */
function outcome(closed: Promise<BusbarError | undefined>): { now: string } {
  const seen = { now: 'open' }
  void closed.then((reason) => {
    seen.now = reason?.code ?? 'released'
  })
  return seen
}

const died = new BusbarError('PEER_DIED', 'the partition is gone')

test('the end of the pipe is told for an activated object, and for one that a call gave, without a call', async () => {
  const all = world()
  const store = await all.client.activate(FileStore)
  const [open, released] = [await store.open({ path: '/a' }), await store.open({ path: '/b' })]
  const seen = [store, open, released].map((proxy) => outcome(closedOf(proxy)))
  assert.equal(closedOf(open), closedOf(open))
  await released[Symbol.asyncDispose]()
  await settle()
  assert.deepEqual(
    seen.map(({ now }) => now),
    ['open', 'open', 'released'],
  )
  all.links[0].close(died)
  await settle()
  assert.deepEqual(
    seen.map(({ now }) => now),
    ['PEER_DIED', 'PEER_DIED', 'released'],
  )
  // Asked only now.
  assert.equal((await closedOf(await Promise.resolve(store)))?.code, 'PEER_DIED')
  const late = world()
  const other = await late.client.activate(FileStore)
  late.links[0].close(died)
  await settle()
  assert.equal((await closedOf(other))?.code, 'PEER_DIED')
  // What was told stays, whatever happens to the proxy.
  store[Symbol.dispose]()
  assert.equal((await closedOf(store))?.code, 'PEER_DIED')
  await end(all)
  await end(late)
})

test('an end in order has a reason too: nobody on this side released the object', async () => {
  const all = world()
  const store = await all.client.activate(FileStore)
  const closed = closedOf(store)
  all.client.close()
  assert.equal((await closed)?.code, 'CLOSED')
  await end(all)
})

test('one that is released is told of at once, also when it was asked afterwards', async () => {
  const all = world()
  const store = await all.client.activate(FileStore)
  store[Symbol.dispose]()
  assert.equal(await closedOf(store), undefined)
  await end(all)
})

test('whoever serves hears of the end of a callback that it was lent', async () => {
  const Sink = contract('test.Sink', { version: '1.0' }, { push: method({}, t.void) })
  const Source = contract('test.Source', { version: '1.0' }, { follow: method({ sink: t.ref(Sink) }, t.void) })
  const classes = new ClassTable()
  const seen: { now: string }[] = []
  classes.offer(Source, { follow: ({ sink }) => void seen.push(outcome(closedOf(sink))) })
  const all = world({ classes })
  const source = await all.client.activate(Source)
  await source.follow({ sink: { push: () => {} } })
  assert.deepEqual(seen, [{ now: 'open' }])
  all.links[0].close(died)
  await settle()
  assert.ok(seen[0]?.now !== 'open' && seen[0]?.now !== 'released', seen[0]?.now)
  await end(all)
})

test('an object that a third party passed on ends with the pipe to that third party', async () => {
  const Gate = contract('test.Gate', { version: '1.0' }, { file: method({}, t.ref(File)) })
  const near = world()
  const file = await (await near.client.activate(FileStore)).open({ path: '/a' })
  const gates = new ClassTable()
  gates.offer(Gate, { file: () => file })
  const far = world({ classes: gates, env: near.env })
  const passedOn = await (await far.client.activate(Gate)).file()
  const [middle, third] = [outcome(closedOf(file)), outcome(closedOf(passedOn))]
  near.links[0].close(died)
  await settle()
  // The one in between hears of it; the third party does as soon as it calls.
  assert.deepEqual([middle.now, third.now], ['PEER_DIED', 'open'])
  await assert.rejects(passedOn.close(), code('PEER_DIED'))
  far.links[0].close(new BusbarError('LINK_LOST', 'cut'))
  await settle()
  assert.equal(third.now, 'LINK_LOST')
  await end(far)
  await end(near)
})

test('what is no proxy has no end, and a method of that name is a method', async () => {
  for (const value of [{}, { read: () => {} }, Promise.resolve()]) {
    assert.throws(() => closedOf(value), code('INVALID_ARGUMENT'))
  }
  const Door = contract('test.Door', { version: '1.0' }, { closed: method({}, t.bool), closedOf: method({}, t.void) })
  const classes = new ClassTable()
  classes.offer(Door, { closed: () => true, closedOf: () => {} })
  const all = world({ classes })
  const door = await all.client.activate(Door)
  assert.equal(await door.closed(), true)
  const seen = outcome(closedOf(door))
  await door[Symbol.asyncDispose]()
  await settle()
  assert.equal(seen.now, 'released')
  await end(all)
})

test('many that are watched and released leave nothing on the pipe', async () => {
  const all = world()
  const store = await all.client.activate(FileStore)
  const files = await store.openMany({ count: 1000 })
  const closed = files.map(({ file }) => closedOf(file))
  for (const { file } of files) file[Symbol.dispose]()
  assert.deepEqual(new Set(await Promise.all(closed)), new Set([undefined]))
  await settle()
  assert.equal(all.client.inspect().references, 1)
  await end(all)
})

test('a proxy that nobody can reach is not kept by it: it is released, and that is told', async () => {
  const releases: (() => void)[] = []
  const all = world({ onProxy: (_, release) => void releases.push(release) })
  const store = await all.client.activate(FileStore)
  const closed = outcome(closedOf(store))
  // What a finalization does.
  for (const release of releases) release()
  await settle()
  assert.equal(closed.now, 'released')
  await end(all)
})
