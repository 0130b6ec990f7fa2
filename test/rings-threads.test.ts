/** Rings between threads of one process: the link suite with an end in each, RPC over them, and a thread as a partition of a bus. */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { MessageChannel, Worker } from 'node:worker_threads'
import { Bus } from '../src/agent/index.ts'
import { Broker, CarrierListener, DialledCarrier, Endpoint } from '../src/bus/index.ts'
import { BusbarError } from '../src/errors/index.ts'
import { memoryPair, type MessageLink } from '../src/link/index.ts'
import { openPipe } from '../src/pipe/index.ts'
import { plainClient, RpcAccess, RpcClient } from '../src/rpc/index.ts'
import { flowing, type LinkPair, linkSuite, messageSuite } from '../src/testing/index.ts'
import {
  nodeEnv,
  RingPoller,
  type RingStream,
  transferOf,
  workerLink,
  type WorkerPort,
  workerPorts,
} from '../src/transport/index.ts'
import { Greeter } from './rings/contract.ts'
import { FarEnds } from './rings/far-end.ts'
import { talkOf, type ThreadData } from './rings/thread.ts'

const env = nodeEnv()
const threads: Worker[] = []

/** Threads do not inherit the loader of TypeScript. */
const LOAD = `import('tsx/esm/api').then(({ register }) => {
  register()
  return import('${new URL('./rings/thread.ts', import.meta.url).href}')
})`

/** Starts the other thread. */
function start(role: ThreadData['role'], window?: number): { worker: Worker; far: FarEnds } {
  const { port1, port2 } = new MessageChannel()
  const data: ThreadData = { role, talk: port2, window }
  const worker = new Worker(LOAD, { eval: true, workerData: data, transferList: [port2] })
  port1.unref()
  threads.push(worker)
  return { worker, far: new FarEnds(talkOf(port1)) }
}

after(async () => {
  await Promise.all(threads.map((worker) => worker.terminate()))
})

describe('rings between threads', { timeout: 120_000 }, () => {
  const here = async (window?: number, ringBytes?: number): Promise<LinkPair<RingStream>> => {
    const [near, far] = workerPorts(ringBytes)
    const [a, b] = [near, far].map((port) => workerLink(port, new RingPoller(window)))
    return { a: a as RingStream, b: b as RingStream, dispose: async () => {} }
  }
  linkSuite('both ends in one thread', () => here())
  linkSuite('both ends in one thread, read through flow', async () => flowing(await here()))
  linkSuite('both ends in one thread, of one page, without polling', () => here(0, 4096))

  for (const [how, window] of [
    ['polling', undefined],
    ['without polling', 0],
  ] as const) {
    const { far } = start('ends', window)
    const poller = new RingPoller(window)
    const pair = async (): Promise<LinkPair> => {
      const [near, other] = workerPorts()
      const a = workerLink(near, poller)
      return { a, b: await far.open(other, transferOf(other)), dispose: async () => {} }
    }
    linkSuite(`one end in each thread, ${how}`, pair, { peerSees: 'code', turn: far.turn })
  }

  test('one end is told when the other thread is gone', async () => {
    const { worker, far } = start('ends')
    const [near, other] = workerPorts()
    const link = workerLink(near)
    const end = await far.open(other, transferOf(other))
    const read = link.read()
    await end.write(new Uint8Array([1, 2, 3]))
    assert.deepEqual(await read, new Uint8Array([1, 2, 3]))
    const next = assert.rejects(async () => link.read(), { code: 'LINK_LOST' })
    const room: unknown[] = []
    for (let i = 0; i < 100; i++)
      room.push(Promise.resolve(link.write(new Uint8Array(65_536))).catch((why: unknown) => why))
    await worker.terminate()
    await next
    assert.equal((await link.closed)?.code, 'LINK_LOST')
    const last = (await Promise.all(room)).at(-1)
    assert.ok(last instanceof BusbarError && last.code === 'LINK_LOST')
  })

  const strange: readonly [string, string, (port: WorkerPort) => WorkerPort][] = [
    ['memory that is no region', 'MALFORMED', (port) => ({ ...port, memory: new SharedArrayBuffer(65_536) })],
    ['memory that is too small', 'MALFORMED', (port) => ({ ...port, memory: new SharedArrayBuffer(4096) })],
    ['the memory of another pair', 'STALE_EPOCH', (port) => ({ ...port, memory: workerPorts()[0].memory })],
    ['a third side', 'MALFORMED', (port) => ({ ...port, side: 2 as 1 })],
  ]
  for (const [what, code, change] of strange) {
    test(`${what}: ${code}`, () => {
      const [near, far] = workerPorts()
      assert.throws(() => workerLink(change(near)), { code })
      near.signals.close()
      far.signals.close()
    })
  }

  test('a message that is none of ours closes the link: PROTOCOL', async () => {
    for (const message of [2, 'end', undefined, [], [0, 'no code'], ['RESET', 'text']]) {
      const [near, far] = workerPorts()
      const link = workerLink(near)
      far.signals.postMessage(message)
      assert.equal((await link.closed)?.code, 'PROTOCOL')
      far.signals.close()
    }
  })

  test('rings of no possible size are refused', () => {
    for (const bytes of [0, 4095, 4097, -4096, Number.NaN, 2 ** 31]) {
      assert.throws(() => workerPorts(bytes), { code: 'INVALID_ARGUMENT' }, `${bytes}`)
    }
  })

  test('calls of a contract, small and large, many at once', async () => {
    const { far } = start('server')
    const [near, other] = workerPorts()
    await far.open(other, transferOf(other))
    const client = await plainClient(new RpcClient(new RpcAccess(workerLink(near)), { env }), Greeter)
    const names = Array.from({ length: 500 }, (_, index) => `caller ${index}`)
    assert.deepEqual(
      await Promise.all(names.map((name) => client.greet({ name }))),
      names.map((name) => `Hello ${name}`),
    )
    const data = Uint8Array.from({ length: 1_000_000 }, (_, index) => index % 251)
    assert.deepEqual(Buffer.from(await client.reverse({ data })), Buffer.from(data).reverse())
  })
})

describe('a thread as a partition', { timeout: 120_000 }, async () => {
  const everyone = { allowed: true, rule: 'test' }
  const broker = new Broker({ env, policy: { decide: () => everyone, sees: () => true } })
  const poller = new RingPoller()
  const carriersOf = (name: string): CarrierListener =>
    new CarrierListener({ env, onCarrier: (carrier) => void broker.attach(name, carrier) })
  const { worker, far } = start('partition')
  const fromThread = carriersOf('thread')
  worker.on('message', (port: WorkerPort) => fromThread.accept(workerLink(port, poller)))
  const fromHere = carriersOf('here')
  const dial = async () => {
    const [near, other] = memoryPair()
    fromHere.accept(other)
    return near
  }
  const endpoint = await Endpoint.attach(new DialledCarrier(await dial(), dial), { env })
  after(() => broker.close())

  const pipes = (mode: 'byte' | 'message') => async (): Promise<LinkPair<MessageLink>> => {
    const pipe = await openPipe(endpoint, `thread/${mode}`, { mode, wait: true })
    return { a: Object.assign(pipe, { maxMessage: 65_528 }), b: await far.open(), dispose: async () => {} }
  }
  const traits = { turn: far.turn, queuesReads: true, maxChunk: 65_528 }
  linkSuite('pipe to a thread in byte mode', pipes('byte'), traits)
  messageSuite('pipe to a thread in message mode', pipes('message'), traits)

  test('its component', async () => {
    const bus = new Bus(endpoint, env)
    const greeter = await bus.activate(Greeter, { in: 'thread', wait: true })
    assert.equal(await greeter.greet({ name: 'Ada' }), 'Hello Ada')
  })
})
