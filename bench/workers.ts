import { MessageChannel, type MessagePort, type TransferListItem, Worker } from 'node:worker_threads'
import { type ByteLink, PacketLink } from 'busbar/link'
import { plainClient, RpcAccess, RpcClient } from 'busbar/rpc'
import { nodeEnv, RingPoller, transferOf, workerLink, workerPorts } from 'busbar/transport'
import { Echo } from './peers/contract.ts'
import type { Call } from './peers/loads.ts'
import type { Ask } from './peers/thread.ts'
import { percentile, type Row, rowOf } from './rows.ts'

const SIZE = 100
const CALLS = 20_000
const MANY = 200_000
const IN_FLIGHT = 64
const BYTES = 1024 ** 3 / 2
const CHUNK = 65_536
const MESSAGES = 1_000_000
const MESSAGE = 64
/** Messages on a bare port until the other side has said that it has them: what waits there is bounded by nothing else. */
const WINDOW = 10_000

/** Threads do not inherit the loader of TypeScript. */
const LOAD = `import('tsx/esm/api').then(({ register }) => {
  register()
  return import('${new URL('./peers/thread.ts', import.meta.url).href}')
})`

/** `worker-*`: a link of rings between two threads, beside a bare `MessagePort` between the same two. */
export async function workers(repetitions: number): Promise<Row[]> {
  const ours: Record<keyof Figures, number[]> = { p50: [], rate: [], messages: [], bulk: [] }
  const bare: Record<keyof Figures, number[]> = { p50: [], rate: [], messages: [], bulk: [] }
  for (let i = 0; i < repetitions; i++) {
    for (const [measure, into] of [
      [onPort, bare],
      [onRings, ours],
    ] as const) {
      const worker = new Worker(LOAD, { eval: true })
      const figures = await measure(worker)
      for (const [name, value] of Object.entries(figures)) into[name as keyof Figures].push(value as number)
      await worker.terminate()
    }
  }
  return [
    rowOf('worker-call-p50', 'µs', ours.p50, bare.p50, ''),
    rowOf('worker-call-64', 'calls/s', ours.rate, bare.rate, ''),
    rowOf('worker-messages', 'M/s', ours.messages, bare.messages, ''),
    rowOf('worker-pipe', 'MB/s', ours.bulk, bare.bulk, ''),
  ]
}

interface Figures {
  /** Of one call at a time, `µs`. */
  readonly p50: number
  /** Calls with 64 in flight, per second. */
  readonly rate: number
  /** Messages one way, millions per second. */
  readonly messages: number
  /** 64 KiB chunks one way, MB per second. */
  readonly bulk: number
}

async function onRings(worker: Worker): Promise<Figures> {
  const poller = new RingPoller()
  const link = (what: Ask['do']): ByteLink => {
    const [near, far] = workerPorts()
    worker.postMessage({ do: what, port: far }, transferOf(far))
    return workerLink(near, poller)
  }
  const client = await plainClient(new RpcClient(new RpcAccess(link('call')), { env: nodeEnv() }), Echo)
  const data = new Uint8Array(SIZE)
  const calls = await callsOf((done) => void client.echo({ data }).then(done))
  const messages = await rateOf(MESSAGES, MESSAGE, async (bytes, count) => {
    await oneWay(new PacketLink(link('messages')), bytes, count)
  })
  const bulk = await rateOf(BYTES / CHUNK, CHUNK, (bytes, count) => oneWay(link('sink'), bytes, count))
  return { ...calls, messages: messages / 1e6, bulk: (bulk * CHUNK) / 1e6 }
}

async function onPort(worker: Worker): Promise<Figures> {
  const open = (what: Ask['do'], told: number): MessagePort => {
    const { port1, port2 } = new MessageChannel()
    worker.postMessage({ do: what, bare: port2, told }, [port2] satisfies TransferListItem[])
    return port1
  }
  const echo = open('port-echo', 1)
  const call = callOf(echo)
  const data = new Uint8Array(SIZE)
  const calls = await callsOf((done) => call(data, () => done()))
  const windows = async (window: number, bytes: Uint8Array, count: number): Promise<void> => {
    const port = open('port-sink', window)
    let heard = (): void => {}
    port.on('message', () => heard())
    for (let sent = 0; sent < count; sent += window) {
      const told = new Promise<void>((resolve) => {
        heard = resolve
      })
      for (let i = 0; i < window; i++) port.postMessage(bytes)
      await told
    }
    port.close()
  }
  const messages = await rateOf(MESSAGES / 4, MESSAGE, (bytes, count) => windows(WINDOW, bytes, count))
  const bulk = await rateOf(BYTES / CHUNK, CHUNK, (bytes, count) => windows(16, bytes, count))
  echo.close()
  return { ...calls, messages: messages / 1e6, bulk: (bulk * CHUNK) / 1e6 }
}

/** A call is a message and the same back. */
function callOf(echo: MessagePort): Call {
  const waiting: ((bytes: number) => void)[] = []
  echo.on('message', (back: Uint8Array) => waiting.shift()?.(back.length))
  return (data, done) => {
    waiting.push(done)
    echo.postMessage(data)
  }
}

/** Calls on a bare port to a thread of its own. */
export function portEcho(): { call: Call; stop(): Promise<unknown> } {
  const worker = new Worker(LOAD, { eval: true })
  const { port1, port2 } = new MessageChannel()
  worker.postMessage({ do: 'port-echo', bare: port2, told: 1 } satisfies Ask, [port2])
  return { call: callOf(port1), stop: () => worker.terminate() }
}

/** One at a time, then 64 at a time, each after as many that do not count. */
async function callsOf(call: (done: () => void) => void): Promise<Pick<Figures, 'p50' | 'rate'>> {
  const times: number[] = []
  for (let i = 0; i < 2 * CALLS; i++) {
    const start = performance.now()
    await new Promise<void>((done) => call(done))
    if (i >= CALLS) times.push(performance.now() - start)
  }
  const many = (): Promise<void> =>
    new Promise((resolve) => {
      let left = MANY
      let answered = 0
      const next = (): void => {
        if (left-- > 0) call(done)
      }
      const done = (): void => {
        if (++answered === MANY) resolve()
        else next()
      }
      for (let i = 0; i < IN_FLIGHT; i++) next()
    })
  await many()
  const start = performance.now()
  await many()
  return { p50: percentile(times, 0.5) * 1000, rate: MANY / ((performance.now() - start) / 1000) }
}

/** Sends per second, after a quarter of them that do not count. */
async function rateOf(
  count: number,
  size: number,
  send: (bytes: Uint8Array, count: number) => Promise<void>,
): Promise<number> {
  const bytes = new Uint8Array(size).fill(7)
  await send(bytes, count / 4)
  const start = performance.now()
  await send(bytes, count)
  return count / ((performance.now() - start) / 1000)
}

async function oneWay(link: ByteLink, bytes: Uint8Array, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent++) {
    const room = link.write(bytes)
    if (room instanceof Promise) await room
  }
  await link.end()
  while ((await link.read()) !== undefined) {}
}
