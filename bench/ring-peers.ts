import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { barChart } from './bar-chart.ts'
import { withPeers } from './bulk.ts'
import { type CppName, lacking, withCpp } from './cpp-peers.ts'
import { lineChart } from './line-chart.ts'
import { COLORS } from './payload-sweep.ts'
import { formatted, median, percentile, type Row, rowOf } from './rows.ts'
import { ask, SMALL, withPairs } from './socket-pairs.ts'
import { enclosing } from './svg.ts'
import { portEcho } from './workers.ts'
import { parallel, serial } from './peers/loads.ts'

const IN_FLIGHT = 64
/** One figure of one repetition, `milliseconds`; as much of a quarter before it is not counted. */
const TIME = 800
const WARM = TIME / 4
/** Before the first repetition: compilers are done by then, `milliseconds`. */
const FIRST = 700

/** Something that makes small calls, from its start to its end. */
interface Contender {
  /** Each call's time in ms, one call after the other. */
  serial(ms: number): Promise<number[]>
  /** Calls per second with 64 in flight. */
  parallel(ms: number): Promise<number>
}
type Started = (contender: Contender) => Promise<void>
type Start = (started: Started) => Promise<void>

const overSocket =
  (stack: 'raw' | 'capnweb' | 'grpc-js' | 'vscode-jsonrpc'): Start =>
  (started) =>
    withPairs([stack], async ([pair]) => {
      if (pair === undefined) return
      await started({
        serial: async (ms) => (await ask(pair, 'serial', { ms })) as number[],
        parallel: async (ms) => (await ask(pair, 'parallel', { ms, inFlight: IN_FLIGHT })) as number,
      })
    })

/** Calls of a component between two partitions, once their channel has gone over to rings. */
const overRings =
  (vars: Readonly<Record<string, string>>): Start =>
  (started) =>
    withPeers(
      async ({ client, server, broker }) => {
        await server.ask({ do: 'offer-rpc' })
        await client.ask({ do: 'bind' })
        const load = { count: Number.MAX_SAFE_INTEGER, size: SMALL, inFlight: IN_FLIGHT }
        await client.ask({ do: 'serial', ...load, ms: WARM })
        const { pipes } = broker.inspect() as { pipes: readonly { medium: string }[] }
        const media = pipes.map(({ medium }) => medium)
        if (media.join() !== 'ring') throw new Error(`the calls go through ${media.join()}`)
        await started({
          serial: async (ms) => (await client.ask({ do: 'serial', ...load, ms })) as number[],
          parallel: async (ms) => (await client.ask({ do: 'parallel', ...load, ms })) as number,
        })
      },
      'bus',
      { BUSBAR_RINGS: 'on', ...vars },
    )

const overPort: Start = async (started) => {
  const { call, stop } = portEcho()
  const load = { count: Number.MAX_SAFE_INTEGER, size: SMALL, inFlight: IN_FLIGHT }
  await started({
    serial: (ms) => serial(call, { ...load, ms }),
    parallel: (ms) => parallel(call, { ...load, ms }),
  })
  await stop()
}

const inCpp =
  (name: CppName): Start =>
  (started) =>
    withCpp(name, (peer) =>
      started({
        serial: (ms) => peer.serial(ms, SMALL),
        parallel: (ms) => peer.parallel(ms, SMALL, IN_FLIGHT),
      }),
    )

interface Entry {
  readonly label: string
  readonly color: string
  readonly start: Start
  readonly lacking?: () => Promise<string | undefined>
}

/** By the name that they have in the results; what they are all compared with comes first. */
const ENTRIES = {
  raw: { label: 'raw net.Socket', color: COLORS.raw, start: overSocket('raw') },
  ring: { label: 'busbar rings', color: COLORS.busbar, start: overRings({}) },
  'ring-doorbell': { label: 'rings, no polling', color: '#d4a017', start: overRings({ BUSBAR_POLL: '0' }) },
  'message-port': { label: 'worker MessagePort', color: '#0e7490', start: overPort },
  capnweb: { label: 'capnweb', color: COLORS.capnweb, start: overSocket('capnweb') },
  'grpc-js': { label: 'grpc-js', color: COLORS['grpc-js'], start: overSocket('grpc-js') },
  'vscode-jsonrpc': {
    label: 'vscode-jsonrpc',
    color: COLORS['vscode-jsonrpc'],
    start: overSocket('vscode-jsonrpc'),
  },
  'grpc-c++': { label: 'gRPC C++', color: '#65a30d', start: inCpp('grpc-c++'), lacking: () => lacking('grpc-c++') },
  'capnp-c++': {
    label: 'Cap’n Proto C++',
    color: '#be185d',
    start: inCpp('capnp-c++'),
    lacking: () => lacking('capnp-c++'),
  },
} satisfies Record<string, Entry> & Record<CppName, Entry>
type Name = keyof typeof ENTRIES
const NAMES = Object.keys(ENTRIES) as Name[]

/** Part of the calls that took no longer, in percent. */
const SHARES = [1, 10, 25, 50, 75, 90, 95, 98, 99, 99.5, 99.8, 99.9, 99.95, 99.98, 99.99]
/** A part of the calls is told of only when so many took longer. */
const ABOVE = 10

interface Figures {
  /** Of each repetition: of one call at a time, `microseconds`; and calls per second with 64 in flight. */
  readonly p50: number[]
  readonly p99: number[]
  readonly rate: number[]
  /** Times of single calls of all repetitions together, `microseconds`, by the part of the calls that took no longer. */
  readonly curve: Record<string, number>
}

const RESULTS = fileURLToPath(new URL('./ring-peers.json', import.meta.url))
const BARS = fileURLToPath(new URL('./ring-peers.svg', import.meta.url))
const CURVES = fileURLToPath(new URL('./ring-peers-latency.svg', import.meta.url))

/**
 * `ring-peers-*`: 100-byte calls over rings, beside everything else that makes calls between two processes or threads of a computer, all in turns.
 * Draws `bench/ring-peers.svg` and `bench/ring-peers-latency.svg`, of this run alone.
 */
export async function ringPeers(repetitions: number): Promise<Row[]> {
  const missing: Row[] = []
  const names: Name[] = []
  for (const name of NAMES) {
    const { lacking: lacks }: Entry = ENTRIES[name]
    const needs = await lacks?.()
    if (needs === undefined) names.push(name)
    else missing.push({ case: `${name}-call`, value: Number.NaN, unit: '', baseline: 0, ratio: 0, missing: needs })
  }
  const figures = new Map<Name, Figures>(names.map((name) => [name, { p50: [], p99: [], rate: [], curve: {} }]))
  await withAll(names, [], (contenders) => measure(contenders, figures, repetitions))
  const machine = `${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown'}, Node ${process.version}`
  writeFileSync(RESULTS, formatted({ machine, repetitions, figures: Object.fromEntries(figures) }))
  writeFileSync(BARS, bars(figures, machine))
  writeFileSync(CURVES, curves(figures, machine))
  return [...rows(figures), ...missing]
}

/** Starts all of them; they live as long as `run` does. */
async function withAll(
  names: readonly Name[],
  started: readonly (readonly [Name, Contender])[],
  run: (contenders: readonly (readonly [Name, Contender])[]) => Promise<void>,
): Promise<void> {
  const [name, ...rest] = names
  if (name === undefined) return run(started)
  await ENTRIES[name].start((contender) => withAll(rest, [...started, [name, contender]], run))
}

async function measure(
  contenders: readonly (readonly [Name, Contender])[],
  figures: ReadonlyMap<Name, Figures>,
  repetitions: number,
): Promise<void> {
  const times = new Map<Name, number[]>()
  for (const [, contender] of contenders) {
    await contender.serial(FIRST)
    await contender.parallel(FIRST)
  }
  for (let i = 0; i < repetitions; i++) {
    for (const [name, contender] of contenders) {
      await contender.serial(WARM)
      const some = await contender.serial(TIME)
      times.set(name, [...(times.get(name) ?? []), ...some])
      figures.get(name)?.p50.push(micro(percentile(some, 0.5)))
      figures.get(name)?.p99.push(micro(percentile(some, 0.99)))
    }
    for (const [name, contender] of contenders) {
      await contender.parallel(WARM)
      figures.get(name)?.rate.push(Math.round(await contender.parallel(TIME)))
    }
  }
  for (const [name, all] of times) {
    const sorted = all.sort((a, b) => a - b)
    for (const share of SHARES) {
      const above = sorted.length * (1 - share / 100)
      const time = sorted[Math.floor(sorted.length - above)]
      const curve = figures.get(name)?.curve
      if (above >= ABOVE && time !== undefined && curve !== undefined) curve[`${share}`] = micro(time)
    }
  }
}

function micro(ms: number): number {
  return Number((ms * 1000).toPrecision(4))
}

/** The targets are those of `ring`. */
function rows(figures: ReadonlyMap<Name, Figures>): Row[] {
  const of = (name: Name): Figures => figures.get(name) ?? { p50: [], p99: [], rate: [], curve: {} }
  const raw = of('raw')
  const found: Row[] = []
  for (const name of figures.keys()) {
    const { p50, p99, rate } = of(name)
    if (name === 'raw') continue
    const [half, last, many] = name === 'ring' ? ['<= 0.1', '<= 1', '>= 2'] : ['', '', '']
    found.push(rowOf(`${name}-call-p50`, 'µs', p50, raw.p50, half ?? ''))
    found.push(rowOf(`${name}-call-p99`, 'µs', p99, raw.p50, last ?? ''))
    found.push(rowOf(`${name}-call-64`, 'calls/s', rate, raw.rate, many ?? ''))
  }
  found.push(rowOf('ring-call-p50-to-grpc-js', 'µs', of('ring').p50, of('grpc-js').p50, '<= 0.025'))
  return found
}

const TIMES = [0.1, 1, 10, 100, 1000, 10_000, 100_000].map((at) => ({
  at,
  text: at < 1000 ? `${at} µs` : `${at / 1000} ms`,
}))
const RATES = [100, 1000, 10_000, 100_000, 1_000_000, 10_000_000].map((at) => ({
  at,
  text: at < 1000 ? `${at}` : at < 1_000_000 ? `${at / 1000} k` : `${at / 1_000_000} M`,
}))

function bars(figures: ReadonlyMap<Name, Figures>, machine: string): string {
  const all = [...figures].map(([name, { p50, rate }]) => ({ name, p50: median(p50), rate: median(rate) }))
  return barChart({
    title: '100-byte calls between two processes or threads',
    subtitle: `Medians of turns in one run. Logarithmic axes. ${machine}`,
    panels: [
      {
        label: 'time of one call, one at a time; shorter is better',
        marks: enclosing(
          TIMES,
          all.map(({ p50 }) => p50),
        ),
      },
      {
        label: 'calls per second, 64 in flight; longer is better',
        marks: enclosing(
          RATES,
          all.map(({ rate }) => rate),
        ),
      },
    ],
    bars: all
      .toSorted((a, b) => a.p50 - b.p50)
      .map(({ name, p50, rate }) => ({
        name: ENTRIES[name].label,
        color: ENTRIES[name].color,
        values: [
          { at: p50, text: `${p50 < 100 ? p50.toFixed(1) : Math.round(p50)} µs` },
          { at: rate, text: `${(rate / 1000).toFixed(rate < 10_000 ? 1 : 0)} k` },
        ],
      })),
  })
}

function curves(figures: ReadonlyMap<Name, Figures>, machine: string): string {
  const lines = [...figures].map(([name, { curve }]) => ({
    name: ENTRIES[name].label,
    color: ENTRIES[name].color,
    dashed: name === 'raw',
    // How many calls there are for each that takes longer.
    points: Object.entries(curve)
      .map(([share, time]) => [100 / (100 - Number(share)), time] as const)
      .toSorted(([a], [b]) => a - b),
  }))
  const marks = [0, 50, 90, 99, 99.9, 99.99].map((share) => ({ at: 100 / (100 - share), text: `${share} %` }))
  return lineChart({
    title: 'How long 100-byte calls take, one at a time',
    subtitle: `The share of calls, across, that took no longer than the time, up. Logarithmic axes. ${machine}`,
    x: { label: 'share of the calls', marks },
    y: {
      label: 'time of a call',
      marks: enclosing(
        TIMES,
        lines.flatMap(({ points }) => points.map(([, time]) => time)),
      ),
    },
    lines,
  })
}
