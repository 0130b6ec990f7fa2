import { median, type Row, rowOf } from './rows.ts'
import { ask, type Load, type Pair, SMALL, withPairs } from './socket-pairs.ts'
import type { PeerName, StackName } from './stacks/index.ts'

const MIB = 1024 ** 2
/** Each figure of each repetition is measured for so long, `milliseconds`. */
const TIME = 500

interface Measure {
  /** The end of the case's name: `call-socket-p50` is ours, `grpc-js-p50` a peer's. */
  readonly ours: string
  readonly theirs: string
  readonly unit: string
  readonly target: string
  readonly run: (pair: Pair) => Promise<number>
  /** Peers that we shall be so many times as fast as. */
  readonly ahead?: Readonly<Partial<Record<PeerName, number>>>
}

const p50 = async (pair: Pair, what: string, load: Load): Promise<number> =>
  median((await ask(pair, what, load)) as number[])

/** `call-socket-p50` and `call-socket-64`: 100-byte calls over one Unix socket, beside a raw framed echo and the peers. */
export function callSocket(repetitions: number, peers: readonly PeerName[]): Promise<Row[]> {
  return measure(repetitions, peers, [
    {
      ours: 'call-socket-p50',
      theirs: 'p50',
      unit: 'µs',
      target: '<= 1.3',
      run: async (pair) => (await p50(pair, 'serial', { ms: TIME })) * 1000,
    },
    {
      ours: 'call-socket-64',
      theirs: '64',
      unit: 'calls/s',
      target: '>= 0.6',
      run: async (pair) => (await ask(pair, 'parallel', { ms: TIME, inFlight: 64 })) as number,
      ahead: { capnweb: 2, 'grpc-js': 15 },
    },
  ])
}

/** `upload-1m`: 1 MiB arguments, four calls in flight, answered by their length. */
export function uploadSocket(repetitions: number, peers: readonly PeerName[]): Promise<Row[]> {
  return measure(repetitions, peers, [
    {
      ours: 'upload-1m',
      theirs: 'upload-1m',
      unit: 'MB/s',
      target: '>= 0.7',
      run: async (pair) => (((await ask(pair, 'uploads', { ms: TIME, size: MIB, inFlight: 4 })) as number) * MIB) / 1e6,
    },
  ])
}

/** `call-socket-under-bulk-p50`: small calls while 4 MiB uploads run: ours on the same association, the others on a second connection. */
export function callSocketUnderBulk(repetitions: number, peers: readonly PeerName[]): Promise<Row[]> {
  return measure(repetitions, peers, [
    {
      ours: 'call-socket-under-bulk-p50',
      theirs: 'under-bulk-p50',
      unit: 'ms',
      target: '< 0.5 ms',
      run: (pair) => p50(pair, 'under-bulk', { ms: TIME }),
    },
  ])
}

/** All stacks take turns, so that what else the machine does meets all of them. */
async function measure(repetitions: number, peers: readonly PeerName[], measures: readonly Measure[]): Promise<Row[]> {
  const stacks: StackName[] = ['raw', 'busbar', ...peers]
  return withPairs(stacks, async (pairs) => {
    const rows: Row[] = []
    for (const each of measures) {
      const results = new Map<StackName, number[]>(stacks.map((stack) => [stack, []]))
      // Once unmeasured: each way to call has code of its own to be compiled.
      for (const pair of pairs) await each.run(pair)
      for (let i = 0; i < repetitions; i++) {
        for (const pair of pairs) results.get(pair.stack)?.push(await each.run(pair))
      }
      const of = (stack: StackName): number[] => results.get(stack) ?? []
      rows.push(rowOf(each.ours, each.unit, of('busbar'), of('raw'), each.target))
      for (const peer of peers) {
        rows.push(rowOf(`${peer}-${each.theirs}`, each.unit, of(peer), of('raw'), ''))
        const times = each.ahead?.[peer]
        if (times === undefined) continue
        rows.push(rowOf(`${each.ours}-to-${peer}`, each.unit, of('busbar'), of(peer), `>= ${times}`))
      }
    }
    return rows
  })
}

/** `heap-million-calls`: what a million calls leave behind in the heap, on the calling side and on the serving one. */
export function heapMillionCalls(): Promise<Row[]> {
  return withPairs(['busbar'], async ([pair]) => {
    if (pair === undefined) return []
    const ends = [
      ['heap-million-calls', pair.client],
      ['heap-million-calls-server', pair.server],
    ] as const
    const heaps = () => Promise.all(ends.map(([, child]) => child.ask({ do: 'heap' }) as Promise<number>))
    const million = { count: 1_000_000, ms: Number.MAX_VALUE, size: SMALL, inFlight: 64 }
    // A tenth of it first: what is compiled and allocated once and for all is not growth.
    await ask(pair, 'parallel', { ...million, count: million.count / 10 })
    const before = await heaps()
    await ask(pair, 'parallel', million)
    const after = await heaps()
    return ends.map(([name], i) => {
      const mib = (bytes = Number.NaN): number => Math.round((bytes / MIB) * 100) / 100
      const value = mib((after[i] ?? Number.NaN) - (before[i] ?? Number.NaN))
      const baseline = mib(before[i])
      return { case: name, value, unit: 'MiB', baseline, ratio: value / baseline, target: '<= 1 MiB' }
    })
  })
}
