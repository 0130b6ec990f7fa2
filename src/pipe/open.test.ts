import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { afterEach, test } from 'node:test'
import type { Broker, BusLimits, Endpoint } from '../bus/index.ts'
import { BusbarError } from '../errors/index.ts'
import { type Env, flow, type LinkSink } from '../link/index.ts'
import { StillEnv } from '../testing/index.ts'
import { nodeEnv } from '../transport/index.ts'
import { attach as attachTo, newBroker } from './harness.test.ts'
import { offerPipe, openPipe, type Pipe } from './index.ts'

const realEnv = nodeEnv()
const brokers: Broker[] = []
afterEach(() => {
  for (const broker of brokers.splice(0)) broker.close()
})

function newBus(env: Env = realEnv, limits: Partial<BusLimits> = {}): (partition: string) => Promise<Endpoint> {
  const broker = newBroker(env)
  brokers.push(broker)
  return (partition) => attachTo(broker, partition, env, limits)
}

test('a taker that throws or rejects loses that pipe only, and the caller gets a code without its words', async () => {
  const attach = newBus()
  const [server, client] = [await attach('server'), await attach('client')]
  let calls = 0
  const given: Pipe[] = []
  await offerPipe(server, 'it', {
    accept: (pipe) => {
      given.push(pipe)
      if (++calls === 1) throw new Error('/etc/secret is missing')
      if (calls === 2) return Promise.reject(new Error('/etc/secret is missing'))
      void pipe.end()
    },
  })
  for (let call = 0; call < 2; call++) {
    const first = await openPipe(client, 'server/it')
    const reason = await first.closed
    assert.equal(reason?.code, 'INTERNAL')
    assert.ok(!reason.message.includes('secret'), reason.message)
    // On its own side the program finds what it threw.
    assert.match(String((await given[call]?.closed)?.cause), /secret/)
  }
  const second = await openPipe(client, 'server/it')
  assert.equal(await second.read(), undefined)
})

test('waiting for a service stops at once when the signal was aborted before', async () => {
  const client = await newBus()('client')
  const aborted = AbortSignal.abort()
  await assert.rejects(openPipe(client, 'server/it', { wait: true, signal: aborted }), { code: 'CANCELLED' })
})

test('however many openings are under one signal, it has one listener, and none when they are over', async () => {
  const attach = newBus()
  const client = await attach('client')
  const server = await attach('server')
  const { signal, abort } = aborting()
  const late = Array.from({ length: 20 }, () => openPipe(client, 'server/late', { wait: true, signal }))
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(getEventListeners(signal, 'abort').length, 1)
  await offerPipe(server, 'late', { accept: (pipe) => void pipe.end() })
  for (const pipe of await Promise.all(late)) pipe.close()
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  await server.offer('silent', { decide() {} })
  const silent = Array.from({ length: 20 }, () => openPipe(client, 'server/silent', { signal }))
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(getEventListeners(signal, 'abort').length, 1)
  abort()
  for (const opening of silent) await assert.rejects(opening, { code: 'CANCELLED' })
  assert.equal(getEventListeners(signal, 'abort').length, 0)
})

function aborting(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController()
  return { signal: controller.signal, abort: () => controller.abort() }
}

test('no deadline is too long for a timer', async () => {
  const attach = newBus()
  const client = await attach('client')
  const opening = openPipe(client, 'server/it', { wait: true, deadline: Number.POSITIVE_INFINITY })
  const server = await attach('server')
  await offerPipe(server, 'it', { accept: (pipe) => void pipe.end() })
  assert.equal(await (await opening).read(), undefined)
})

test('the offset of writing counts what the pipe took, and nothing that it refused', async () => {
  const attach = newBus()
  const [server, client] = [await attach('server'), await attach('client')]
  await offerPipe(server, 'it', { mode: 'message', accept: () => {} })
  const pipe = await openPipe(client, 'server/it', { mode: 'message' })
  await pipe.write(new Uint8Array(10))
  await assert.rejects(Promise.resolve(pipe.write(new Uint8Array(100_000))), { code: 'LIMIT' })
  await assert.rejects(Promise.resolve(pipe.write(new Uint8Array(0))), { code: 'INVALID_ARGUMENT' })
  await pipe.end()
  await assert.rejects(Promise.resolve(pipe.write(new Uint8Array(5))), { code: 'ENDED' })
  assert.equal(pipe.bytesWritten, 10)
})

test('reads of both kinds are answered in the order they were asked, and the offset counts both', async () => {
  const attach = newBus()
  const [server, client] = [await attach('server'), await attach('client')]
  const given = new Promise<Pipe>((resolve) => {
    void offerPipe(server, 'it', { accept: resolve })
  })
  const pipe = await openPipe(client, 'server/it', { wait: true })
  const far = await given
  const first = new Uint8Array(3)
  const third = new Uint8Array(100)
  const reads = [pipe.readInto(first), pipe.read(), pipe.readInto(third), pipe.read()]
  await far.write(Buffer.from('abc'))
  assert.deepEqual([await reads[0], Buffer.from(first).toString()], [3, 'abc'])
  await far.write(Buffer.from('defg'))
  assert.equal(Buffer.from((await reads[1]) as Uint8Array).toString(), 'defg')
  await far.write(Buffer.from('hi'))
  await far.end()
  assert.deepEqual([await reads[2], Buffer.from(third.subarray(0, 2)).toString()], [2, 'hi'])
  assert.deepEqual(
    [await reads[3], await pipe.readInto(first), await pipe.read(), pipe.bytesRead],
    [undefined, 0, undefined, 9],
  )
  await assert.rejects(pipe.readInto(new Uint8Array(0)), { code: 'INVALID_ARGUMENT' })
  pipe.close()
  await assert.rejects(pipe.readInto(first), { code: 'CLOSED' })
})

/** What a sink was given, and whether the end came. */
function sinkOf(lent: number): LinkSink & { text: string; over: Promise<void> } {
  let end = (): void => {}
  const over = new Promise<void>((resolve) => {
    end = resolve
  })
  const sink = {
    text: '',
    over,
    chunk: (bytes: Uint8Array): void => void (sink.text += Buffer.from(bytes).toString()),
    borrow: (bytes: Uint8Array): void => sink.chunk(bytes),
    room: lent,
    end,
  }
  return sink
}

for (const [how, mode, lent, before] of [
  ['', 'byte', 0, false],
  [' and lent', 'byte', 1e9, false],
  [' behind what was read', 'byte', 0, true],
  [', message by message', 'message', 0, false],
] as const) {
  test(`what arrives goes to a sink${how}, and counts as read`, async () => {
    const attach = newBus()
    const [server, client] = [await attach('server'), await attach('client')]
    const given = new Promise<Pipe>((resolve) => {
      void offerPipe(server, 'it', { mode, accept: resolve })
    })
    const pipe = await openPipe(client, 'server/it', { mode, wait: true })
    const far = await given
    await far.write(Buffer.from('abc'))
    if (before) assert.equal(await pipe.readInto(new Uint8Array(2)), 2)
    const sink = sinkOf(lent)
    flow(pipe, sink)
    await far.write(Buffer.from('defg'))
    await far.end()
    await sink.over
    assert.deepEqual([sink.text, pipe.bytesRead], [before ? 'cdefg' : 'abcdefg', 7])
    await pipe.end()
    assert.equal(await pipe.closed, undefined)
  })
}

test('a message pipe is not read into memory of the caller', async () => {
  const attach = newBus()
  const [server, client] = [await attach('server'), await attach('client')]
  await offerPipe(server, 'it', { mode: 'message', accept: () => {} })
  const pipe = await openPipe(client, 'server/it', { mode: 'message' })
  await assert.rejects(pipe.readInto(new Uint8Array(10)), { code: 'INVALID_ARGUMENT', message: /message pipe/ })
})

for (const mode of ['message', 'byte'] as const) {
  test(`batches and single reads are answered in the order they were asked, in ${mode} mode`, async () => {
    const attach = newBus()
    const [server, client] = [await attach('server'), await attach('client')]
    const given = new Promise<Pipe>((resolve) => void offerPipe(server, 'it', { mode, accept: resolve }))
    const pipe = await openPipe(client, 'server/it', { mode, wait: true })
    const far = await given
    const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString()
    const waiting = [pipe.readBatch(), pipe.read()] as const
    await far.write(Buffer.from('one'))
    assert.deepEqual((await waiting[0])?.map(text), ['one'])
    await far.write(Buffer.from('two'))
    assert.equal(text(await waiting[1]), 'two')
    for (const word of ['three', 'four', 'five', 'six']) void far.write(Buffer.from(word))
    await far.end()
    const got: string[] = []
    for (let batch = await pipe.readBatch(); batch !== undefined; batch = await pipe.readBatch()) {
      assert.ok(batch.length > 0)
      got.push(...batch.map(text))
    }
    if (mode === 'message') assert.deepEqual(got, ['three', 'four', 'five', 'six'])
    else assert.equal(got.join(''), 'threefourfivesix')
    assert.deepEqual([pipe.bytesRead, await pipe.read(), await pipe.readBatch()], [22, undefined, undefined])
    const late = far.readBatch()
    pipe.close()
    await assert.rejects(late, { code: 'RESET' })
    await assert.rejects(pipe.readBatch(), { code: 'CLOSED' })
  })
}

test('the end of a message pipe may be ignored, also when the pipe breaks', async () => {
  const attach = newBus()
  const [server, client] = [await attach('server'), await attach('client')]
  const taken = new Promise<Pipe>((resolve) => void offerPipe(server, 'it', { mode: 'message', accept: resolve }))
  const pipe = await openPipe(client, 'server/it', { mode: 'message', wait: true })
  for (let i = 0; i < 40; i++) void pipe.write(new Uint8Array(60_000))
  void pipe.end()
  const far = await taken
  far.close()
  assert.equal((await pipe.closed)?.code, 'RESET')
  // An unhandled rejection would fail this test by itself.
  await new Promise((resolve) => setImmediate(resolve))
})

/** Lets everything go on that needs no clock. */
async function turns(): Promise<void> {
  for (let i = 0; i < 60; i++) await new Promise((resolve) => setImmediate(resolve))
}

test('a service that is listed and refuses is asked again after pauses that grow, and not after the deadline', async () => {
  const env = new StillEnv()
  const attach = newBus(env)
  const [server, client] = [await attach('server'), await attach('client')]
  let asked = 0
  await server.offer('it', {
    decide: (opening) => {
      asked++
      opening.refuse(new BusbarError('NOT_READY', 'still warming up'))
    },
  })
  const opening = openPipe(client, 'server/it', { wait: true, deadline: 10_000 })
  const refused = assert.rejects(opening, (thrown) => {
    assert.ok(thrown instanceof BusbarError)
    assert.equal(thrown.code, 'DEADLINE')
    assert.match(String(thrown.cause), /still warming up/)
    return true
  })
  const counts: number[] = []
  for (const ms of [0, 9, 1, 19, 1, 39, 1]) {
    env.advance(ms)
    await turns()
    counts.push(asked)
  }
  // Once before it looked at what is listed, once because it is, and then after 10, 20 and 40 ms.
  assert.deepEqual(counts, [2, 2, 3, 3, 4, 4, 5])
  for (let passed = 70; passed < 9990; passed += 10) {
    env.advance(10)
    await turns()
  }
  assert.ok(asked < 20, `${asked} times in 10 s`)
  env.advance(10)
  await refused
  await turns()
  const before = asked
  env.advance(60_000)
  await turns()
  assert.equal(asked, before)
  assert.equal(env.timers, 0)
})

test('a service that refused and is offered anew is opened at once; one that changes its mind, after the pause', async () => {
  const env = new StillEnv()
  const attach = newBus(env)
  const [server, client] = [await attach('server'), await attach('client')]
  let ready = false
  const offer = (): ReturnType<typeof server.offer> =>
    server.offer('it', {
      decide: (opening, caller) => {
        if (ready) void opening.accept(caller)
        else opening.refuse(new BusbarError('NOT_READY', 'not yet'))
      },
    })
  const refusing = await offer()
  const first = openPipe(client, 'server/it', { wait: true })
  await turns()
  ready = true
  env.advance(10)
  await first
  ready = false
  const second = openPipe(client, 'server/it', { wait: true })
  await turns()
  refusing.withdraw()
  await turns()
  env.advance(10)
  await turns()
  ready = true
  await offer()
  // No clock moves any more: only the news of the offer can have opened it.
  await second
})

test('waiting in vain says when there were more offers than are kept', async () => {
  const env = new StillEnv()
  const attach = newBus(env, { knownOffers: 1 })
  const [server, client] = [await attach('server'), await attach('client')]
  for (const service of ['a', 'b', 'c']) await offerPipe(server, service, { accept: () => {} })
  const refused = assert.rejects(openPipe(client, 'server/d', { wait: true }), (thrown) => {
    assert.ok(thrown instanceof BusbarError)
    assert.equal(thrown.code, 'DEADLINE')
    assert.match(thrown.hints.join(), /2 offers more than this side keeps/)
    return true
  })
  await turns()
  env.advance(10_000)
  await refused
})
