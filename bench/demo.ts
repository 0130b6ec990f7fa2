import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { checkRequirements, installCommand } from '../src/partition/index.ts'
import { type Row, rowOf } from './rows.ts'

const MAIN = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))

interface Times {
  /** Until both partitions had attached, and in all, seconds. */
  readonly up: number
  readonly all: number
  readonly stream: number
}

/** `demo-*`: the demo's own times. The baseline is the same on processes; theirs is the start of one Node that does nothing. */
export async function demo(repetitions: number): Promise<Row[]> {
  const idle: number[] = []
  const process: Times[] = []
  const qemu: Times[] = []
  const machines = installCommand(await checkRequirements()) === undefined
  for (let i = 0; i < repetitions; i++) {
    idle.push(await idleNode())
    process.push(await runDemo('process'))
    if (machines) qemu.push(await runDemo('qemu'))
  }
  const column = (times: readonly Times[], key: keyof Times): number[] => times.map((time) => time[key])
  const rows = [rowOf('demo-process', 's', column(process, 'all'), idle, '<= 15 s')]
  if (!machines) return rows
  return [
    ...rows,
    rowOf('demo-qemu-up', 's', column(qemu, 'up'), column(process, 'up'), '<= 30 s'),
    rowOf('demo-qemu-stream', 's', column(qemu, 'stream'), column(process, 'stream'), ''),
    rowOf('demo-qemu', 's', column(qemu, 'all'), column(process, 'all'), '<= 90 s'),
  ]
}

async function runDemo(kind: 'process' | 'qemu'): Promise<Times> {
  const child = spawn(process.execPath, [MAIN, 'demo', '--kind', kind], { stdio: ['ignore', 'pipe', 'ignore'] })
  let out = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  const [status] = (await once(child, 'close')) as [number | null]
  if (status !== 0) throw new Error(`the demo on ${kind} failed:\n${out}`)
  const seconds = (what: RegExp): number => {
    const line = out.split('\n').find((each) => what.test(each)) ?? ''
    return Number(/^ *([\d.]+) s/.exec(line)?.[1])
  }
  return { up: seconds(/boot two|start two/), all: seconds(/all of it held/), stream: seconds(/stream it/) }
}

async function idleNode(): Promise<number> {
  const start = performance.now()
  await once(spawn(process.execPath, ['-e', '0']), 'close')
  return (performance.now() - start) / 1000
}
