import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { lineChart } from './line-chart.ts'
import { formatted, median, type Row, rowOf } from './rows.ts'
import { ask, type Pair, withPairs } from './socket-pairs.ts'
import type { PeerName, StackName } from './stacks/index.ts'
import { enclosing } from './svg.ts'

const KIB = 1024
const MIB = 1024 * KIB
const SIZES = [
  { at: 100, text: '100 B' },
  { at: KIB, text: '1 KiB' },
  { at: 8 * KIB, text: '8 KiB' },
  { at: 64 * KIB, text: '64 KiB' },
  { at: 512 * KIB, text: '512 KiB' },
  { at: 4 * MIB, text: '4 MiB' },
  { at: 16 * MIB, text: '16 MiB' },
]
/** One point of one line, `milliseconds`. */
const TIME = 200
/** What is not counted before: what long payloads go through is compiled in it. */
const WARM = 600

export const COLORS: Readonly<Record<StackName, string>> = {
  raw: '#777777',
  busbar: '#c2410c',
  capnweb: '#1d4ed8',
  'grpc-js': '#047857',
  'vscode-jsonrpc': '#7e22ce',
  'connect-node': '#a16207',
}
const PICTURE = fileURLToPath(new URL('./payload-sweep.svg', import.meta.url))
/** What the picture is drawn from: of each stack and size the repetitions of the run that measured it last. */
const POINTS = fileURLToPath(new URL('./payload-sweep.json', import.meta.url))
/** Median times of a call in `milliseconds`, one for each repetition, by stack and by payload in `bytes`. */
type Points = Partial<Record<StackName, Record<number, number[]>>>

/**
 * `sweep-SIZE`: one echo at a time from 100 B to 16 MiB, each way. Draws `bench/payload-sweep.svg` when all peers have taken part,
 * in this run or in others: `--against PEER` refreshes one line.
 */
export async function payloadSweep(repetitions: number, peers: readonly PeerName[]): Promise<Row[]> {
  const stacks: StackName[] = ['raw', 'busbar', ...peers]
  return withPairs(stacks, async (pairs) => {
    const rows: Row[] = []
    const points = readPoints()
    for (const { at: size, text } of SIZES) {
      const times = new Map<StackName, number[]>(stacks.map((stack) => [stack, []]))
      for (let i = 0; i < repetitions; i++) {
        for (const pair of pairs) times.get(pair.stack)?.push(await point(pair, size))
      }
      const of = (stack: StackName): number[] => times.get(stack) ?? []
      for (const stack of stacks) {
        const line = (points[stack] ??= {})
        line[size] = of(stack).map((ms) => Number(ms.toPrecision(4)))
        if (stack === 'raw') continue
        const name = `sweep-${text.replace(' ', '')}`
        rows.push(rowOf(stack === 'busbar' ? name : `${stack}-${name}`, 'ms', of(stack), of('raw'), ''))
      }
      // At once: a run that is cut short has measured something.
      writeFileSync(POINTS, formatted(points))
    }
    const lines = new Map<StackName, [number, number][]>()
    for (const stack of Object.keys(COLORS) as StackName[]) {
      const line = points[stack]
      if (line !== undefined)
        lines.set(
          stack,
          SIZES.map(({ at }) => [at, median(line[at] ?? [])]),
        )
    }
    if (lines.size === Object.keys(COLORS).length) writeFileSync(PICTURE, picture(lines))
    return rows
  })
}

function readPoints(): Points {
  try {
    return JSON.parse(readFileSync(POINTS, 'utf8')) as Points
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw thrown
  }
}

async function point(pair: Pair, size: number): Promise<number> {
  await ask(pair, 'serial', { ms: WARM, size })
  return median((await ask(pair, 'serial', { ms: TIME, size })) as number[])
}

function picture(lines: ReadonlyMap<StackName, readonly [number, number][]>): string {
  const marks = [0.01, 0.1, 1, 10, 100, 1000, 10_000].map((at) => ({
    at,
    text: at < 1 ? `${at * 1000} µs` : at < 1000 ? `${at} ms` : `${at / 1000} s`,
  }))
  const values = [...lines.values()].flat().map(([, time]) => time)
  return lineChart({
    title: 'One echo over one Unix socket, two Node processes',
    subtitle: 'Median time of a call by payload, one at a time; lower is better. Logarithmic axes.',
    x: { label: 'payload, each way', marks: SIZES },
    y: { label: 'time of a call', marks: enclosing(marks, values) },
    lines: [...lines].map(([stack, points]) => ({
      name: stack === 'raw' ? 'raw frames' : stack,
      color: COLORS[stack],
      dashed: stack === 'raw',
      points,
    })),
  })
}
