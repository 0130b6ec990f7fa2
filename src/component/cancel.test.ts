import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, test } from 'node:test'
import { BusbarError } from '../errors/index.ts'
import { code, counts, end, FileStore, settle, world } from './harness.test.ts'

describe('cancelling', () => {
  test('rejects at once and tells the component', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    const controller = new AbortController()
    const pending = store.wait({}, { signal: controller.signal })
    await settle()
    const { signal } = all.store.contexts[0]!
    assert.equal(signal.aborted, false)
    controller.abort()
    await assert.rejects(pending, code('CANCELLED'))
    await settle()
    assert.equal(signal.aborted, true)
    all.store.waiting[0]!()
    await settle()
    await end(all)
  })

  test('before anything is sent', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    const made = all.client.inspect().rpc.calls.made
    await assert.rejects(store.stat({ path: '' }, { signal: AbortSignal.abort() }), code('CANCELLED'))
    assert.equal(all.client.inspect().rpc.calls.made, made)
    await end(all)
  })

  test('before its interface is agreed on, and the pipe dies', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    all.links[1].fence()
    await assert.rejects(store.stat({ path: '' }, { signal: AbortSignal.abort() }), code('CANCELLED'))
    // A rejection that nobody handles fails the test.
    await end(all)
  })

  test('a signal that is used by many calls keeps no listeners', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    const { signal } = new AbortController()
    let listeners = 0
    const counted: AbortSignal = Object.assign(Object.create(signal) as AbortSignal, {
      addEventListener: () => void listeners++,
      removeEventListener: () => void listeners--,
    })
    Object.defineProperties(counted, { aborted: { value: false }, reason: { value: undefined } })
    for (let i = 0; i < 20; i++) await store.stat({ path: '' }, { signal: counted })
    assert.equal(listeners, 0)
    await end(all)
  })

  test('a signal of many calls at once has one listener, which ends those that are under way', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    const controller = new AbortController()
    const { signal } = controller
    const listeners = (): number => getEventListeners(signal, 'abort').length
    const pending = Array.from({ length: 30 }, () => store.wait({}, { signal }))
    await settle()
    assert.equal(listeners(), 1)
    all.store.waiting.splice(0, 10).forEach((go) => go())
    await Promise.all(pending.splice(0, 10))
    assert.equal(listeners(), 1)
    // The first that hears of it ends the calls: the others hear of it all the same.
    controller.abort()
    const ended = await Promise.allSettled(pending)
    assert.equal(ended.filter((each) => each.status === 'rejected' && code('CANCELLED')(each.reason)).length, 20)
    assert.equal(listeners(), 0)
    await settle()
    assert.ok(all.store.contexts.slice(10).every((context) => context.signal.aborted))
    all.store.waiting.splice(0).forEach((go) => go())
    await settle()
    await end(all)
  })

  test('an object that is made for a cancelled call is not kept', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    const controller = new AbortController()
    let make = (): void => {}
    const { open } = all.store
    all.store.open = ((args: { path: string }) =>
      new Promise((resolve) => {
        make = () => resolve(open.call(all.store, args))
      })) as unknown as typeof open
    const pending = store.open({ path: '/late' }, { signal: controller.signal })
    await settle()
    controller.abort()
    await assert.rejects(pending, code('CANCELLED'))
    await settle()
    make()
    await settle()
    assert.deepEqual([all.store.disposed, counts(all)['given']], [['/late'], 1])
    await end(all)
  })

  test('an object whose answer crosses the cancel is given back', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    await (await store.open({ path: '/first' }))[Symbol.asyncDispose]()
    const controller = new AbortController()
    all.links[1].fence()
    const pending = store.open({ path: '/crossing' }, { signal: controller.signal })
    await settle()
    assert.equal(all.store.open_, 1)
    controller.abort()
    await assert.rejects(pending, code('CANCELLED'))
    all.links[1].release()
    await settle()
    assert.deepEqual([all.store.open_, counts(all)['given'], counts(all)['held']], [0, 1, 1])
    await end(all)
  })
})

describe('an answer with references that is longer than the caller takes', () => {
  for (const how of ['is awaited', 'has a deadline', 'is cancelled'] as const) {
    test(`leaves none of them behind when its call ${how}: the pipe is over`, async () => {
      const all = world({ client: { rpc: { response: 3_000 } } })
      const store = await all.client.activate(FileStore)
      const few = await store.openMany({ count: 2 })
      const controller = new AbortController()
      all.links[1].fence()
      const { signal } = controller
      const options = how === 'is awaited' ? undefined : how === 'is cancelled' ? { signal } : { deadline: 1_000 }
      const pending = store.openMany({ count: 30 }, options)
      pending.catch(() => {})
      await settle()
      assert.equal(all.store.open_, 32)
      controller.abort()
      all.links[1].release()
      await assert.rejects(pending, code(how === 'is cancelled' ? 'CANCELLED' : 'LIMIT'))
      assert.equal((await all.client.closed)?.code, 'LIMIT')
      await settle()
      assert.deepEqual([all.store.open_, counts(all)['given'], counts(all)['held']], [0, 0, 0])
      await assert.rejects(few[0]!.file.read({ offset: 0, length: 1 }), code('LIMIT', /limit response/))
      await end(all)
    })
  }

  test('without references costs its call alone', async () => {
    const all = world({ client: { rpc: { response: 3_000 } } })
    const store = await all.client.activate(FileStore)
    const file = await store.open({ path: 'x'.repeat(4_000) })
    await assert.rejects(file.read({ offset: 0, length: 4_000 }), code('LIMIT', /limit response/))
    assert.equal((await file.read({ offset: 0, length: 9 })).length, 9)
    await file[Symbol.asyncDispose]()
    await end(all)
  })
})

describe('deadlines', () => {
  test('reject on this side, and fire the signal on the other', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    const pending = store.wait({}, { deadline: 500 })
    await settle()
    const context = all.store.contexts[0]!
    assert.equal(context.deadline, 500)
    const { signal } = context
    all.env.advance(200)
    assert.equal(context.deadline, 300)
    assert.equal(signal.aborted, false)
    all.env.advance(300)
    await assert.rejects(pending, code('DEADLINE', /500 ms/))
    assert.ok(signal.aborted)
    assert.equal((signal.reason as BusbarError).code, 'DEADLINE')
    assert.equal(context.deadline, 0)
    await settle()
    all.store.waiting[0]!()
    await settle()
    await end(all)
  })

  test('a call that is in time leaves no timer', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    await store.stat({ path: '' }, { deadline: 1000 })
    assert.equal(all.env.timers, 0)
    await assert.rejects(store.fail({ how: '' }, { deadline: 1000 }), code('FAULT'))
    assert.equal(all.env.timers, 0)
    await end(all)
  })

  test('the first call on an interface is watched from its start', async () => {
    const all = world()
    all.links[1].fence()
    const pending = all.client.activate(FileStore, { deadline: 50 })
    await settle()
    all.env.advance(50)
    await assert.rejects(pending, code('DEADLINE'))
    all.links[1].release()
    await settle()
    await end(all)
  })

  test('what is no deadline is refused', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    for (const deadline of [-1, Number.NaN, Number.POSITIVE_INFINITY, '5' as unknown as number]) {
      await assert.rejects(store.stat({ path: '' }, { deadline }), code('INVALID_ARGUMENT', /deadline/))
      await assert.rejects(store.list({ path: '' }, { deadline }).next(), code('INVALID_ARGUMENT', /deadline/))
    }
    await end(all)
  })
})

describe('the pipe dies', () => {
  test('every pending call settles with the reason', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    const pending = Array.from({ length: 50 }, () => store.wait())
    await settle()
    const signals = all.store.contexts.map(({ signal }) => signal)
    assert.equal(signals.length, 50)
    all.links[0].close(new BusbarError('PEER_DIED', 'partition killed'))
    for (const call of pending) await assert.rejects(call, code('PEER_DIED', /wait: partition killed/))
    await settle()
    assert.ok(signals.every(({ aborted }) => aborted))
    await assert.rejects(store.stat({ path: '' }), code('PEER_DIED'))
    await assert.rejects(all.client.activate(FileStore), code('PEER_DIED'))
    await end(all)
  })

  test('the server leaves', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    const pending = store.wait()
    await settle()
    all.server.close()
    await assert.rejects(pending, (thrown) => thrown instanceof BusbarError)
    assert.equal((await all.server.closed)?.code, 'CLOSED')
    await end(all)
  })

  test('an object that is made after the end is not kept', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    let make = (): void => {}
    const { open } = all.store
    all.store.open = ((args: { path: string }) =>
      new Promise((resolve) => {
        make = () => resolve(open.call(all.store, args))
      })) as unknown as typeof open
    const pending = store.open({ path: '/late' })
    await settle()
    all.client.close()
    await assert.rejects(pending, code('CLOSED'))
    await settle()
    make()
    await settle()
    assert.deepEqual(all.store.disposed, ['/late'])
    await end(all)
  })
})
