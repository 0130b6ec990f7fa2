/** One end of a Unix socket with objects at it: serves a stack, or uses it and tells how long that took. */
import { type Adapter, type ObjectConnection, type ObjectStackName, OBJECT_STACKS } from '../stacks/objects.ts'
import { median } from '../rows.ts'
import { serve } from './serve.ts'

type Request =
  | { do: 'serve' | 'connect'; stack: ObjectStackName; path: string }
  | { do: 'calls'; ms: number; size: number }
  | { do: 'many'; ms: number; count: number }
  | { do: 'stream'; ms: number; bytes: number; through?: Adapter }
  | { do: 'chain'; ms: number; calls: number }

let connection: ObjectConnection

const handlers = {
  serve: ({ stack, path }: { stack: ObjectStackName; path: string }) => OBJECT_STACKS[stack].serve(path),
  connect: async ({ stack, path }: { stack: ObjectStackName; path: string }) => {
    connection = await OBJECT_STACKS[stack].connect(path)
  },
  /** One call after the other; each call's time in ms. */
  calls: async ({ ms, size }: { ms: number; size: number }) => {
    const { call } = connection
    const data = new Uint8Array(size).fill(7)
    const times: number[] = []
    const until = performance.now() + ms
    let start = performance.now()
    while (start < until) {
      expect(await call?.(data), size)
      const end = performance.now()
      times.push(end - start)
      start = performance.now()
    }
    return times
  },
  /** Objects per second: from the call to the proxies, and with their release as well. */
  many: async ({ ms, count }: { ms: number; count: number }) => {
    const { many } = connection
    const begun = performance.now()
    let [taking, calls] = [0, 0]
    while (performance.now() - begun < ms) {
      const start = performance.now()
      const taken = await many?.(count)
      taking += performance.now() - start
      expect(taken?.count, count)
      await taken?.release()
      calls++
    }
    const rate = (time: number): number => (calls * count * 1000) / time
    return { taken: rate(taking), released: rate(performance.now() - begun) }
  },
  /** The medians in ms of one call and of a chain of them, in turns; what they gave is let go of in between, unmeasured. */
  chain: async ({ ms, calls }: { ms: number; calls: number }) => {
    const [one, all]: [number[], number[]] = [[], []]
    const until = performance.now() + ms
    while (performance.now() < until) {
      for (const [length, times] of [
        [1, one],
        [calls, all],
      ] as const) {
        const start = performance.now()
        const release = await connection.chain?.(length)
        times.push(performance.now() - start)
        await release?.()
      }
    }
    return { one: median(one), all: median(all) }
  },
  /** One stream of so many bytes after the other; MB per second of each. */
  stream: async ({ ms, bytes, through }: { ms: number; bytes: number; through?: Adapter }) => {
    const rates: number[] = []
    const until = performance.now() + ms
    let start = performance.now()
    while (start < until) {
      expect(await connection.stream?.(bytes, through), bytes)
      const end = performance.now()
      rates.push(bytes / 1e6 / ((end - start) / 1000))
      start = end
    }
    return rates
  },
}

function expect(found: number | undefined, wanted: number): void {
  if (found !== wanted) throw new Error(`${wanted} were asked for, and ${found} came`)
}

serve((request: Request) => handlers[request.do](request as never) as Promise<unknown>)
