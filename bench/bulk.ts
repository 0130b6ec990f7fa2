import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Broker, CarrierListener } from 'busbar/bus'
import { BusyPoller, listenUnix, nodeEnv, RingAllocator, socketLink } from 'busbar/transport'
import { type Child, startChild } from './children.ts'
import { type Row, rowOf } from './rows.ts'

const CHUNK = 65_536
/** Both sides first carry this part of the bytes unmeasured: compiling was a sixth of the processor time of the first GiB. */
const WARMING = 2

/** A broker in this process with two partitions, and a raw pair of processes beside it. */
export async function withPeers<T>(
  run: (peers: { client: Child; server: Child; broker: Broker }) => Promise<T>,
  peer = 'bus',
  vars: Readonly<Record<string, string>> = { BUSBAR_RINGS: 'off' },
): Promise<T> {
  const env = nodeEnv()
  const everyone = { allowed: true, rule: 'benchmark' }
  const rings = vars['BUSBAR_RINGS'] === 'on' ? await RingAllocator.load() : undefined
  const broker = new Broker({ env, policy: { decide: () => everyone, sees: () => true }, rings })
  // As the host does it: a descriptor for the control stream, a socket for each channel.
  const poller = new BusyPoller()
  const carriers = new CarrierListener({ env, onCarrier: (carrier) => carrier.close() })
  const directory = await mkdtemp(join(tmpdir(), 'busbar-bench-'))
  const path = join(directory, 's')
  const listener = await listenUnix(path, { onLink: (link) => carriers.accept(link), poller })
  const [client, server] = await Promise.all([startChild(peer, path, vars), startChild(peer, path, vars)])
  try {
    for (const [name, child] of [
      ['client', client],
      ['server', server],
    ] as const) {
      broker.attach(name, carriers.adopt(socketLink(child.socket, {}, poller)), { here: true })
    }
    return await run({ client, server, broker })
  } finally {
    await Promise.all([client.stop(), server.stop()])
    broker.close()
    await listener[Symbol.asyncDispose]()
    await rm(directory, { recursive: true, force: true })
  }
}

/** Milliseconds that so many bytes take over a raw socket, which carried `before` unmeasured. */
export async function rawUpload(bytes: number, before: number = bytes / WARMING): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'busbar-bench-'))
  const [from, to] = await Promise.all([startChild('raw'), startChild('raw')])
  try {
    const path = join(directory, 's')
    await to.ask({ do: 'listen-sink', path })
    await from.ask({ do: 'connect', path })
    await from.ask({ do: 'upload', bytes: before, chunk: CHUNK })
    await from.ask({ do: 'connect', path })
    return (await from.ask({ do: 'upload', bytes, chunk: CHUNK })) as number
  } finally {
    await Promise.all([from.stop(), to.stop()])
    await rm(directory, { recursive: true, force: true })
  }
}

/**
 * `pipe-broker`: one pipe, process to process through the broker, against one raw socket; read into the reader's own memory, and
 * (`pipe-broker-read`) in chunks with memory of their own.
 */
export async function pipeBroker(repetitions: number): Promise<Row[]> {
  const bytes = 1024 ** 3
  const rate = (ms: number) => bytes / 1e6 / (ms / 1000)
  const [baselines, values, plain]: [number[], number[], number[]] = [[], [], []]
  for (let i = 0; i < repetitions; i++) {
    baselines.push(rate(await rawUpload(bytes)))
    for (const [sink, rates] of [
      ['sink', values],
      ['plain-sink', plain],
    ] as const) {
      const ms = await withPeers(async ({ client, server }) => {
        await server.ask({ do: `offer-${sink}` })
        await client.ask({ do: 'upload', bytes: bytes / WARMING, chunk: CHUNK, to: sink })
        return (await client.ask({ do: 'upload', bytes, chunk: CHUNK, to: sink })) as number
      })
      rates.push(rate(ms))
    }
  }
  return [
    rowOf('pipe-broker', 'MB/s', values, baselines, '>= 0.35'),
    rowOf('pipe-broker-read', 'MB/s', plain, baselines, ''),
  ]
}
