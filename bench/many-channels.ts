import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Broker, CarrierListener } from 'busbar/bus'
import { BusyPoller, listenUnix, nodeEnv, RingAllocator } from 'busbar/transport'
import { startChild } from './children.ts'
import { percentile, type Row, rowOf } from './rows.ts'

const SIZE = 100
const CALLS = 20_000
/** With the two that call. */
const PARTITIONS = 20
const CHANNELS = 1000
const KIB = 1024

/**
 * `many-channels-p50`: a call between two partitions of a bus with twenty, and a thousand other channels that are open, beside the same call on a bus that has no others;
 * `many-channels-memory`: what each of those takes of the broker's memory beside its rings. The other eighteen partitions are in one process.
 */
export async function manyChannels(repetitions: number): Promise<Row[]> {
  const [values, baselines, memory]: [number[], number[], number[]] = [[], [], []]
  for (let i = 0; i < repetitions; i++) {
    const figures = await once()
    values.push(figures.crowded)
    baselines.push(figures.alone)
    memory.push(figures.memory)
  }
  // Memory that the broker gave back in one repetition is used again in the next, and does not show there.
  const value = Math.max(...memory)
  return [
    rowOf('many-channels-p50', 'µs', values, baselines, '<= 1.5'),
    { case: 'many-channels-memory', value, unit: 'KiB', baseline: 48, ratio: value / 48, target: '<= 48 KiB' },
  ]
}

async function once(): Promise<{ alone: number; crowded: number; memory: number }> {
  const env = nodeEnv()
  const everyone = { allowed: true, rule: 'benchmark' }
  const broker = new Broker({
    env,
    policy: { decide: () => everyone, sees: () => true },
    rings: await RingAllocator.load(),
  })
  const poller = new BusyPoller()
  const directory = await mkdtemp(join(tmpdir(), 'busbar-bench-'))
  /** A socket whose attachments get names one after the other. */
  const listen = async (file: string, nameOf: (count: number) => string) => {
    let count = 0
    const attached = (carrier: Parameters<Broker['attach']>[1]): void =>
      void broker.attach(nameOf(count++), carrier, { here: true })
    const carriers = new CarrierListener({ env, onCarrier: attached })
    const path = join(directory, file)
    return { path, listener: await listenUnix(path, { onLink: (link) => carriers.accept(link), poller }) }
  }
  const pair = await listen('pair', (count) => (count === 0 ? 'server' : 'client'))
  const others = await listen('others', (count) => `p${count}`)
  const vars = { BUSBAR_RINGS: 'on', BUSBAR_SOCKET: pair.path }
  const [server, client, crowd] = await Promise.all([
    startChild('bus', pair.path, vars),
    startChild('bus', pair.path, vars),
    startChild('crowd'),
  ])
  try {
    await server.ask({ do: 'offer-echo' })
    await client.ask({ do: 'activate' })
    const p50 = async (): Promise<number> =>
      percentile((await client.ask({ do: 'calls', size: SIZE, count: CALLS })) as number[], 0.5) * 1000
    await p50()
    const alone = await p50()
    const before = held()
    await crowd.ask({ path: others.path, partitions: PARTITIONS - 2, channels: Math.ceil(CHANNELS / (PARTITIONS - 2)) })
    const memory = (held() - before) / KIB / CHANNELS
    return { alone, crowded: await p50(), memory }
  } finally {
    await Promise.all([server.stop(), client.stop(), crowd.stop()])
    broker.close()
    for (const { listener } of [pair, others]) await listener[Symbol.asyncDispose]()
    await rm(directory, { recursive: true, force: true })
  }
}

function held(): number {
  globalThis.gc?.()
  return process.memoryUsage.rss()
}
