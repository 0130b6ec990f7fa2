/** A partition of a benchmark: attached over descriptor 3 to the broker in the parent. */
import { Endpoint, MuxCarrier } from '../../src/bus/index.ts'
import { offerPipe, openPipe } from '../../src/pipe/index.ts'
import { fdLink, nodeEnv } from '../../src/transport/index.ts'
import { serve } from './serve.ts'

type Request =
  | { do: 'offer-sink' }
  | { do: 'upload'; bytes: number; chunk: number }
  | { do: 'offer-slow'; delay: number }
  | { do: 'rss' }

const env = nodeEnv()
let attached: Promise<Endpoint> | undefined
const endpoint = () => {
  attached ??= Endpoint.attach(new MuxCarrier(fdLink(3), { side: 'partition', env }), { env })
  return attached
}

const handlers = {
  'offer-sink': async () => {
    await offerPipe(await endpoint(), 'sink', {
      accept: async (pipe) => {
        for (;;) {
          const chunk = await pipe.read()
          if (chunk === undefined) break
        }
        await pipe.end()
      },
    })
  },
  /** Reads a chunk, rests, reads the next: slower than any writer, fast enough to finish. */
  'offer-slow': async ({ delay }: { delay: number }) => {
    await offerPipe(await endpoint(), 'slow', {
      accept: async (pipe) => {
        let since = 0
        for (;;) {
          const chunk = await pipe.read()
          if (chunk === undefined) break
          since += chunk.length
          if (since >= 4_194_304) {
            since = 0
            await new Promise((resolve) => setTimeout(resolve, delay))
          }
        }
        await pipe.end()
      },
    })
  },
  upload: async ({ bytes, chunk, to = 'sink' }: { bytes: number; chunk: number; to?: string }) => {
    const pipe = await openPipe(await endpoint(), `server/${to}`)
    const data = new Uint8Array(chunk).fill(7)
    const start = performance.now()
    for (let sent = 0; sent < bytes; sent += chunk) {
      const room = pipe.write(data)
      if (room instanceof Promise) await room
    }
    await pipe.end()
    while ((await pipe.read()) !== undefined) {}
    return performance.now() - start
  },
  rss: async () => {
    globalThis.gc?.()
    return process.memoryUsage().rss
  },
}

serve((request: Request) => handlers[request.do](request as never) as Promise<unknown>)
