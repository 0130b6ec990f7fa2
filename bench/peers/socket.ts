/** One end of a Unix socket of a benchmark: serves a stack, or makes calls with it and tells how long they took. */
import { type StackName, STACKS } from '../stacks/index.ts'
import type { Connection } from '../stacks/stack.ts'
import { serve } from './serve.ts'

type Request =
  | { do: 'serve' | 'connect'; stack: StackName; path: string }
  | { do: 'serial' | 'parallel' | 'uploads' | 'under-bulk'; count: number; ms: number; size: number; inFlight: number }
  | { do: 'heap' }

interface Load {
  /** Ends after so many calls, or after so many `milliseconds`, whichever is first. */
  count: number
  ms: number
  /** Payload, `bytes`. */
  size: number
  inFlight: number
}

/** Uploads beside which small calls are made, `bytes`. */
const BULK = 4 * 1024 * 1024

let connection: Connection

type Call = (data: Uint8Array, done: (bytes: number) => void) => void

const handlers = {
  serve: async ({ stack, path }: { stack: StackName; path: string }) => (await STACKS[stack]()).serve(path),
  connect: async ({ stack, path }: { stack: StackName; path: string }) => {
    connection = await (await STACKS[stack]()).connect(path)
  },
  /** One call after the other; each call's time in ms. */
  serial: (load: Load) => serial(connection.echo, load),
  /** Calls per second. */
  parallel: (load: Load) => parallel(connection.echo, load),
  /** Uploads per second. */
  uploads: (load: Load) => parallel(connection.upload, load),
  /** Times of small calls while uploads follow one another on a connection of their own. */
  'under-bulk': async (load: Load) => {
    const beside = await bulkConnection()
    const data = new Uint8Array(BULK)
    let going = true
    const finished = new Promise<void>((resolve) => {
      const next = (): void => {
        if (going) beside.upload(data, next)
        else resolve()
      }
      next()
    })
    const times = await serial(connection.echo, load)
    going = false
    await finished
    return times
  },
  /** `bytes` in use, after everything that can go has gone. */
  heap: async () => {
    for (let i = 0; i < 3; i++) {
      globalThis.gc?.()
      await new Promise((resolve) => setImmediate(resolve))
    }
    return process.memoryUsage().heapUsed
  },
}

let sibling: Promise<Connection> | undefined
function bulkConnection(): Promise<Connection> {
  sibling ??= connection.sibling()
  return sibling
}

function serial(call: Call, { count, ms, size }: Load): Promise<number[]> {
  const data = new Uint8Array(size).fill(7)
  return new Promise((resolve) => {
    const times: number[] = []
    const until = performance.now() + ms
    let start = 0
    const next = (): void => {
      start = performance.now()
      call(data, done)
    }
    const done = (bytes: number): void => {
      const end = performance.now()
      check(bytes, size)
      times.push(end - start)
      if (times.length < count && end < until) next()
      else resolve(times)
    }
    next()
  })
}

function parallel(call: Call, { count, ms, size, inFlight }: Load): Promise<number> {
  const data = new Uint8Array(size).fill(7)
  return new Promise((resolve) => {
    const start = performance.now()
    let begun = 0
    let ended = 0
    let over = false
    const next = (): void => {
      begun++
      call(data, done)
    }
    const done = (bytes: number): void => {
      check(bytes, size)
      ended++
      // Looking at the clock every time would be part of what is measured.
      if (begun === count || ((ended & 15) === 0 && performance.now() - start > ms)) over = true
      if (!over) next()
      else if (ended === begun) resolve((ended * 1000) / (performance.now() - start))
    }
    for (let i = 0; i < Math.min(inFlight, count); i++) next()
  })
}

function check(bytes: number, size: number): void {
  if (bytes !== size) throw new Error(`${size} bytes were sent, and the answer says ${bytes}`)
}

serve((request: Request) => handlers[request.do](request as never) as Promise<unknown>)
