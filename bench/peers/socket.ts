/** One end of a Unix socket of a benchmark: serves a stack, or makes calls with it and tells how long they took. */
import { type StackName, STACKS } from '../stacks/index.ts'
import type { Connection } from '../stacks/stack.ts'
import { type Load, parallel, serial } from './loads.ts'
import { serve } from './serve.ts'

type Request =
  | { do: 'serve' | 'connect'; stack: StackName; path: string }
  | { do: 'serial' | 'parallel' | 'uploads' | 'under-bulk'; count: number; ms: number; size: number; inFlight: number }
  | { do: 'heap' }

/** Uploads beside which small calls are made, `bytes`. */
const BULK = 4 * 1024 * 1024

let connection: Connection

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
  /** `bytes` in use, array buffers among them, after everything that can go has gone. */
  heap: async () => {
    for (let i = 0; i < 3; i++) {
      globalThis.gc?.()
      await new Promise((resolve) => setImmediate(resolve))
    }
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  },
}

let sibling: Promise<Connection> | undefined
function bulkConnection(): Promise<Connection> {
  sibling ??= connection.sibling()
  return sibling
}

serve((request: Request) => handlers[request.do](request as never) as Promise<unknown>)
