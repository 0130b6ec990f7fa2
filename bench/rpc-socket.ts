/**
 * One RPC association between two Node processes over a Unix socket, beside a raw length-prefixed echo over another
 * Unix socket, in alternating rounds of the same run. Prints ratios; `--json FILE` writes them as
 * `{ case, value, unit, baseline, ratio }`. Run: `node --import tsx bench/rpc-socket.ts`.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { type InterfaceId, RpcAccess, RpcClient, RpcServer } from '../src/rpc/index.ts'
import { connectUnix, listenUnix, nodeEnv } from '../src/transport/index.ts'

const ECHO: InterfaceId = { uuid: '60a15ec5-4de8-11d7-a637-005056a20182', major: 1, minor: 0 }
/** Payload of a small call, `bytes`. */
const SMALL = 100
/** Payload of a large call, `bytes`. */
const LARGE = 1024 * 1024
/** Round trips one after the other, and calls with 64 in flight, per round. */
const SERIAL = 3_000
const PARALLEL = 60_000
const UPLOADS = 100
const IN_FLIGHT = 64
const ROUNDS = 7

interface Row {
  case: string
  value: number
  unit: string
  baseline: number
  ratio: number
}

/** A way to send a payload and be told that the answer is in. */
interface Caller {
  small: (done: () => void) => void
  large: (done: () => void) => void
}

const dir = process.argv[3] ?? ''

async function serve(): Promise<void> {
  const env = nodeEnv()
  const raw = net.createServer((socket) => {
    const answer = gathering(socket)
    socket.on(
      'data',
      frames((frame) => answer(frame.length > 4_096 ? frame.subarray(0, 4) : frame)),
    )
    socket.on('error', () => {})
  })
  raw.listen(join(dir, 'raw'))
  await once(raw, 'listening')
  const done = Promise.resolve(new Uint8Array(4))
  await listenUnix(join(dir, 'rpc'), {
    onLink: (link) => {
      new RpcServer(new RpcAccess(link), {
        env,
        lookup: () => ({
          id: ECHO,
          opnums: 2,
          dispatch: (call) => (call.opnum === 1 ? done : Promise.resolve(call.stub)),
        }),
      })
    },
  })
  process.send?.('ready')
}

/** Cuts length-prefixed frames out of chunks, as plainly and as fast as that goes. */
function frames(take: (frame: Buffer) => void): (chunk: Buffer) => void {
  let held: Buffer[] = []
  let size = 0
  return (chunk) => {
    held.push(chunk)
    size += chunk.length
    const first = held[0] as Buffer
    if (first.length >= 4 && size < 4 + first.readUInt32LE(0)) return
    let all = held.length === 1 ? chunk : Buffer.concat(held)
    while (all.length >= 4) {
      const length = all.readUInt32LE(0)
      if (all.length < 4 + length) break
      take(all.subarray(4, 4 + length))
      all = all.subarray(4 + length)
    }
    held = all.length > 0 ? [all] : []
    size = all.length
  }
}

/** Writes frames, those of one turn in one system call. */
function gathering(socket: net.Socket): (payload: Uint8Array) => void {
  let waiting: Buffer[] = []
  return (payload) => {
    if (waiting.length === 0) {
      process.nextTick(() => {
        socket.write(waiting.length === 1 ? (waiting[0] as Buffer) : Buffer.concat(waiting))
        waiting = []
      })
    }
    const frame = Buffer.allocUnsafe(4 + payload.length)
    frame.writeUInt32LE(payload.length, 0)
    frame.set(payload, 4)
    waiting.push(frame)
  }
}

async function rawCaller(path: string): Promise<Caller & { end: () => void }> {
  const socket = net.connect(path)
  await once(socket, 'connect')
  const waiting: (() => void)[] = []
  let head = 0
  const send = gathering(socket)
  socket.on(
    'data',
    frames(() => {
      const next = waiting[head++] as () => void
      if (head === waiting.length) {
        waiting.length = 0
        head = 0
      }
      next()
    }),
  )
  const small = new Uint8Array(SMALL)
  const large = new Uint8Array(LARGE)
  const call = (payload: Uint8Array, done: () => void): void => {
    waiting.push(done)
    if (payload.length < 4_096) return send(payload)
    const prefix = Buffer.alloc(4)
    prefix.writeUInt32LE(payload.length)
    socket.cork()
    socket.write(prefix)
    socket.write(payload)
    socket.uncork()
  }
  return { small: (done) => call(small, done), large: (done) => call(large, done), end: () => socket.destroy() }
}

async function rpcCaller(path: string): Promise<Caller & { end: () => void }> {
  const client = new RpcClient(new RpcAccess(await connectUnix(path)), { env: nodeEnv() })
  const context = await client.bind(ECHO)
  const small = new Uint8Array(SMALL)
  const large = new Uint8Array(LARGE)
  return {
    small: (done) => void client.call(context, 0, small).then(done),
    large: (done) => void client.call(context, 1, large).then(done),
    end: () => client.close(),
  }
}

function serial(call: (done: () => void) => void, count: number): Promise<number[]> {
  return new Promise((resolve) => {
    const times: number[] = []
    const next = (): void => {
      const start = performance.now()
      call(() => {
        times.push(performance.now() - start)
        if (times.length < count) next()
        else resolve(times)
      })
    }
    next()
  })
}

/** Calls per second with `width` in flight. */
function parallel(call: (done: () => void) => void, count: number, width: number): Promise<number> {
  return new Promise((resolve) => {
    const start = performance.now()
    let begun = 0
    let ended = 0
    const done = (): void => {
      ended++
      if (ended === count) return resolve((count * 1_000) / (performance.now() - start))
      if (begun < count) next()
    }
    const next = (): void => {
      begun++
      call(done)
    }
    for (let i = 0; i < width; i++) next()
  })
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0
}

async function round(caller: Caller): Promise<{ p50: number; rate: number; upload: number }> {
  const p50 = median(await serial(caller.small, SERIAL)) * 1_000
  const rate = await parallel(caller.small, PARALLEL, IN_FLIGHT)
  const upload = ((await parallel(caller.large, UPLOADS, 4)) * LARGE) / 1e6
  return { p50, rate, upload }
}

async function measure(): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'busbar-rpc-'))
  const child: ChildProcess = fork(fileURLToPath(import.meta.url), ['serve', folder], { execArgv: process.execArgv })
  try {
    await once(child, 'message')
    const raw = await rawCaller(join(folder, 'raw'))
    const rpc = await rpcCaller(join(folder, 'rpc'))
    const rounds: { raw: Awaited<ReturnType<typeof round>>; rpc: Awaited<ReturnType<typeof round>> }[] = []
    await round(raw)
    await round(rpc)
    for (let i = 0; i < ROUNDS; i++) rounds.push({ raw: await round(raw), rpc: await round(rpc) })
    raw.end()
    rpc.end()
    const row = (name: string, key: 'p50' | 'rate' | 'upload', unit: string): Row => ({
      case: name,
      value: median(rounds.map((each) => each.rpc[key])),
      unit,
      baseline: median(rounds.map((each) => each.raw[key])),
      ratio: median(rounds.map((each) => each.rpc[key] / each.raw[key])),
    })
    return [
      row('rpc-socket-p50', 'p50', 'us'),
      row('rpc-socket-64', 'rate', 'calls/s'),
      row('rpc-socket-upload', 'upload', 'MB/s'),
    ]
  } finally {
    child.kill()
    rmSync(folder, { recursive: true, force: true })
  }
}

if (process.argv[2] === 'serve') {
  await serve()
} else {
  const rows = await measure()
  for (const each of rows) {
    const figures = [each.value, each.baseline].map((value) => value.toFixed(1).padStart(12))
    process.stdout.write(
      `${each.case.padEnd(20)}${figures[0]} ${each.unit}, raw ${figures[1]}: ratio ${each.ratio.toFixed(2)}\n`,
    )
  }
  const json = process.argv.indexOf('--json')
  const file = process.argv[json + 1]
  if (json > 0 && file !== undefined) writeFileSync(file, `${JSON.stringify(rows, null, 2)}\n`)
}
