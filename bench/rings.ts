import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rawUpload, withPeers } from './bulk.ts'
import type { Broker } from 'busbar/bus'
import { PRIVATE_RING_BYTES } from 'busbar/transport'
import { type Child, startChild } from './children.ts'
import { median, percentile, type Row, rowOf } from './rows.ts'
import { ask, withPairs } from './socket-pairs.ts'

const SIZE = 100
const CALLS = 50_000
const MANY = 300_000
const IN_FLIGHT = 64
/** Calls for which one doorbell is allowed. */
const CALLS_A_BELL = 50
const BYTES = 2 * 1024 ** 3
/** Pipes, and the raw socket, carry so many times as much before, unmeasured: compiling goes on for the first gigabytes. */
const WARMING = 3
/** Through calls with long payloads, behind as many that are not measured: code goes on being compiled for the first eight GiB. */
const UPLOAD = 4 * 1024 ** 3
const UPLOAD_WARMING = 8 * 1024 ** 3
/** The same over a raw socket, for so long, and for so long before, `ms`. */
const UPLOAD_TIME = 2000
const CHUNK = 65_536
const MIB = 1024 ** 2
const MESSAGES = 8_000_000
/** Channels that do nothing, and how long they are watched, `ms`. */
const IDLE = 100
const WATCH = 5000

const ON = { BUSBAR_RINGS: 'on' } as const
const DOORBELL = { ...ON, BUSBAR_POLL: '0' } as const

type Peers = { client: Child; server: Child }

function onRings<T>(
  vars: Readonly<Record<string, string>>,
  run: (peers: Peers & { broker: Broker }) => Promise<T>,
): Promise<T> {
  return withPeers(run, 'bus', vars)
}

/**
 * `ring-call-p50`, `ring-call-p99`, `ring-call-64`, the doorbells of those on both sides, and `ring-call-doorbell-p50`: plain 100-byte calls of a contract over an association on a pipe,
 * beside a raw framed echo over one socket. `ring-component-call-64`: the same calls on a component.
 */
export async function ringCalls(repetitions: number): Promise<Row[]> {
  const raw: Record<'p50' | 'rate', number[]> = { p50: [], rate: [] }
  const ring: Record<'p50' | 'p99' | 'rate' | 'doorbell', number[]> = { p50: [], p99: [], rate: [], doorbell: [] }
  const rung: number[] = []
  const components: number[] = []
  for (let i = 0; i < repetitions; i++) {
    const echo = await rawEcho()
    raw.p50.push(echo.p50)
    raw.rate.push(echo.rate)
    await onRings(ON, async ({ client, server }) => {
      const times = await lone(client, server)
      ring.p50.push(percentile(times, 0.5) * 1000)
      ring.p99.push(percentile(times, 0.99) * 1000)
      await client.ask({ do: 'calls-many', size: SIZE, count: MANY, inFlight: IN_FLIGHT })
      const before = await woken(client, server)
      const ms = (await client.ask({ do: 'calls-many', size: SIZE, count: MANY, inFlight: IN_FLIGHT })) as number
      ring.rate.push(MANY / (ms / 1000))
      rung.push((((await woken(client, server)) - before) / MANY) * CALLS_A_BELL)
    })
    await onRings(ON, async ({ client, server }) => {
      await offerAndBind(client, server, true)
      const load = { do: 'calls-many', size: SIZE, count: MANY, inFlight: IN_FLIGHT }
      await client.ask(load)
      components.push(MANY / (((await client.ask(load)) as number) / 1000))
    })
    await onRings(DOORBELL, async ({ client, server }) => {
      ring.doorbell.push(percentile(await lone(client, server), 0.5) * 1000)
    })
  }
  return [
    rowOf('ring-call-p50', 'µs', ring.p50, raw.p50, '<= 0.1'),
    rowOf('ring-call-p99', 'µs', ring.p99, raw.p50, '<= 1'),
    rowOf('ring-call-64', 'calls/s', ring.rate, raw.rate, '>= 2'),
    rowOf('ring-component-call-64', 'calls/s', components, raw.rate, ''),
    rowOf(
      'ring-call-64-doorbells',
      'in 50 calls',
      rung,
      rung.map(() => 1),
      '<= 1',
    ),
    rowOf('ring-call-doorbell-p50', 'µs', ring.doorbell, raw.p50, '<= 1.6'),
  ]
}

/**
 * One pipe in 64 KiB writes, beside one raw socket: `ring-pipe-into`, read into the reader's own memory, `ring-pipe-duplex` as streams of Node, and
 * `ring-upload-1m`, calls with a payload of 1 MiB, two at a time. Their component may keep what it gets; `ring-upload-1m-recycling` is of one that gives the
 * memory back (`context.recycle()`). `ring-pipe-into-to-copy` has as its baseline the same bytes copied into shared memory
 * and out of it by one process; those that end in `-to-upload` the same task over a raw socket: frames of 1 MiB in memory of their own, each answered, two at a time.
 */
export async function ringPipe(repetitions: number): Promise<Row[]> {
  const rate = (ms: unknown, bytes = BYTES): number => bytes / 1e6 / ((ms as number) / 1000)
  const baselines: number[] = []
  const copies: number[] = []
  const uploads: number[] = []
  const values: Record<'into' | 'duplex' | 'upload' | 'recycling', number[]> = {
    into: [],
    duplex: [],
    upload: [],
    recycling: [],
  }
  const pipe = (what: string) => ({ do: what, chunk: CHUNK, bytes: BYTES })
  const calls = (bytes: number) => ({ do: 'upload-calls', size: MIB, count: bytes / MIB })
  const loads = [
    ['into', 'sink', BYTES, pipe('upload'), Array.from({ length: WARMING }, () => pipe('upload'))],
    ['duplex', 'duplex', BYTES, pipe('upload-duplex'), Array.from({ length: WARMING }, () => pipe('upload-duplex'))],
    ['upload', 'intake', UPLOAD, calls(UPLOAD), [calls(UPLOAD_WARMING)]],
    ['recycling', 'recycling-intake', UPLOAD, calls(UPLOAD), [calls(UPLOAD_WARMING)]],
  ] as const
  for (let i = 0; i < repetitions; i++) {
    baselines.push(rate(await rawUpload(BYTES, WARMING * BYTES)))
    copies.push(rate(plainCopy(BYTES)))
    uploads.push(await rawFramedUpload())
    for (const [name, service, bytes, load, before] of loads) {
      await onRings(ON, async ({ client, server }) => {
        await server.ask({ do: `offer-${service}` })
        for (const warming of before) await client.ask(warming)
        values[name].push(rate(await client.ask(load), bytes))
      })
    }
  }
  return [
    rowOf('ring-pipe-into', 'MB/s', values.into, baselines, '>= 3'),
    rowOf('ring-pipe-into-to-copy', 'MB/s', values.into, copies, '>= 0.5'),
    rowOf('ring-pipe-duplex', 'MB/s', values.duplex, baselines, '>= 1.3'),
    rowOf('ring-upload-1m', 'MB/s', values.upload, baselines, '>= 2'),
    rowOf('ring-upload-1m-recycling', 'MB/s', values.recycling, baselines, ''),
    rowOf('ring-upload-1m-to-upload', 'MB/s', values.upload, uploads, '>= 2'),
    rowOf('ring-upload-1m-recycling-to-upload', 'MB/s', values.recycling, uploads, ''),
  ]
}

/** Frames of 1 MiB over a raw socket, two at a time, each answered by its length; MB/s. */
function rawFramedUpload(): Promise<number> {
  return withPairs(['raw'], async ([pair]) => {
    if (pair === undefined) return Number.NaN
    const load = { size: MIB, inFlight: 2, ms: UPLOAD_TIME }
    await ask(pair, 'uploads', load)
    return (((await ask(pair, 'uploads', load)) as number) * MIB) / 1e6
  })
}

/** So many bytes into shared memory as large as a ring, and out of it, by one process; ms. */
function plainCopy(bytes: number): number {
  const ring = new Uint8Array(new SharedArrayBuffer(PRIVATE_RING_BYTES))
  const from = new Uint8Array(CHUNK).fill(7)
  const into = new Uint8Array(CHUNK)
  const copy = (count: number): void => {
    for (let done = 0; done < count; done += CHUNK) {
      const at = done % PRIVATE_RING_BYTES
      ring.set(from, at)
      into.set(ring.subarray(at, at + CHUNK))
    }
  }
  copy(bytes / 4)
  const start = performance.now()
  copy(bytes)
  return performance.now() - start
}

/** `ring-messages`: 64-byte messages one way on a message pipe; the baseline is the same pipe through the broker. */
export async function ringMessages(repetitions: number): Promise<Row[]> {
  const values: number[] = []
  const baselines: number[] = []
  const send = { do: 'messages', size: 64, count: MESSAGES }
  for (let i = 0; i < repetitions; i++) {
    for (const [vars, into] of [
      [{ BUSBAR_RINGS: 'off' }, baselines],
      [ON, values],
    ] as const) {
      await onRings(vars, async ({ client, server }) => {
        await server.ask({ do: 'offer-messages' })
        await client.ask({ ...send, count: MESSAGES / 4 })
        into.push(MESSAGES / 1e6 / (((await client.ask(send)) as number) / 1000))
      })
    }
  }
  return [rowOf('ring-messages', 'M/s', values, baselines, '>= 5 M/s')]
}

/** `ring-idle`: what the bus and both ends of 100 channels on rings take of a core together while nothing happens; the baseline is one core. */
export async function ringIdle(repetitions: number): Promise<Row[]> {
  const values: number[] = []
  for (let i = 0; i < repetitions; i++) {
    await onRings(ON, async ({ client, server, broker }) => {
      await server.ask({ do: 'offer-sink' })
      await client.ask({ do: 'open-many', count: IDLE })
      const both = [client, server]
      await Promise.all(both.map((child) => child.ask({ do: 'idle', ms: 500 })))
      const { pipes } = broker.inspect() as { pipes: { medium: string }[] }
      const rings = pipes.filter(({ medium }) => medium === 'ring').length
      if (rings !== IDLE) throw new Error(`${rings} of ${IDLE} channels are on rings`)
      const before = process.cpuUsage()
      const used = (await Promise.all(both.map((child) => child.ask({ do: 'idle', ms: WATCH })))) as number[]
      const bus = process.cpuUsage(before)
      const all = used.reduce((sum, ms) => sum + ms, (bus.user + bus.system) / 1000)
      values.push((all / WATCH) * 100)
    })
  }
  return [
    {
      case: 'ring-idle',
      value: median(values),
      unit: '%',
      baseline: 100,
      ratio: median(values) / 100,
      target: '< 1 %',
    },
  ]
}

/** How many times both together had to wake the other so far. */
async function woken(client: Child, server: Child): Promise<number> {
  const counts = (await Promise.all([client, server].map((child) => child.ask({ do: 'rung' })))) as number[]
  return counts.reduce((sum, count) => sum + count, 0)
}

/** Plain calls of a contract over an association, or calls of a component. */
async function offerAndBind(client: Child, server: Child, component = false): Promise<void> {
  await server.ask({ do: component ? 'offer-echo' : 'offer-rpc' })
  await client.ask({ do: component ? 'activate' : 'bind' })
}

async function lone(client: Child, server: Child): Promise<number[]> {
  await offerAndBind(client, server)
  await client.ask({ do: 'calls', size: SIZE, count: CALLS })
  return (await client.ask({ do: 'calls', size: SIZE, count: CALLS })) as number[]
}

/** A raw framed echo between two processes: the median time of one, and how many a second with 64 in flight. */
export async function rawEcho(): Promise<{ p50: number; rate: number }> {
  const directory = await mkdtemp(join(tmpdir(), 'busbar-bench-'))
  const [from, to] = await Promise.all([startChild('raw'), startChild('raw')])
  try {
    const path = join(directory, 's')
    await to.ask({ do: 'listen-echo', path })
    await from.ask({ do: 'connect', path })
    await from.ask({ do: 'echo', size: SIZE, count: CALLS })
    const times = (await from.ask({ do: 'echo', size: SIZE, count: CALLS })) as number[]
    await from.ask({ do: 'echo-many', size: SIZE, count: MANY, inFlight: IN_FLIGHT })
    const ms = (await from.ask({ do: 'echo-many', size: SIZE, count: MANY, inFlight: IN_FLIGHT })) as number
    return { p50: percentile(times, 0.5) * 1000, rate: MANY / (ms / 1000) }
  } finally {
    await Promise.all([from.stop(), to.stop()])
    await rm(directory, { recursive: true, force: true })
  }
}
