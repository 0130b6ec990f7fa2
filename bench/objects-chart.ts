import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { barChart } from './bar-chart.ts'
import { COLORS } from './payload-sweep.ts'
import type { Row } from './rows.ts'
import { enclosing } from './svg.ts'

const PICTURE = fileURLToPath(new URL('./objects.svg', import.meta.url))

/** What both do, by the name of the row; capnweb's has `capnweb-` in front, or is the baseline of ours. */
const TASKS = [
  { row: 'component-call-p50', label: 'µs for a 100-byte call; shorter is better' },
  { row: 'pipelined-5', label: 'µs for a chain of five calls; shorter is better' },
  { row: 'refs-per-second', label: 'references a second; longer is better' },
  { row: 'stream-bytes', label: 'MB/s of a stream of bytes; longer is better' },
] as const

const MARKS = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000].map((at) => ({
  at,
  text: at < 1000 ? `${at}` : at < 1_000_000 ? `${at / 1000} k` : `${at / 1_000_000} M`,
}))

/** Draws `bench/objects.svg` when one run has measured all that is in it. */
export function drawObjects(rows: readonly Row[], machine: string): void {
  const valueOf = (name: string): number | undefined => rows.find((row) => row.case === name)?.value
  const ours = TASKS.map(({ row }) => valueOf(row))
  const theirs = TASKS.map(({ row }) => valueOf(`capnweb-${row}`) ?? baselineOf(rows, row))
  if ([...ours, ...theirs].includes(undefined)) return
  const bar = (name: 'busbar' | 'capnweb', values: readonly (number | undefined)[]) => ({
    name,
    color: COLORS[name],
    values: values.map((at = Number.NaN) => ({
      at,
      text: at < 1000 ? at.toPrecision(3) : `${Math.round(at / 1000)} k`,
    })),
  })
  const picture = barChart({
    title: 'Objects of another process, over one Unix socket',
    subtitle: `Medians of turns in one run. Logarithmic axes. ${machine}`,
    width: 1240,
    panels: TASKS.map(({ label }, i) => ({ label, marks: enclosing(MARKS, [ours[i] ?? 1, theirs[i] ?? 1]) })),
    bars: [bar('busbar', ours), bar('capnweb', theirs)],
  })
  writeFileSync(PICTURE, picture)
}

/** References are compared with capnweb's directly. */
function baselineOf(rows: readonly Row[], name: string): number | undefined {
  return name === 'refs-per-second' ? rows.find((row) => row.case === name)?.baseline : undefined
}
