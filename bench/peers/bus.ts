/** A partition of a benchmark: attached over descriptor 3 to the broker in the parent. */
import { once } from 'node:events'
import { attach, Bus } from 'busbar/agent'
import { DialledCarrier, Endpoint } from 'busbar/bus'
import {
  AssociationGroups,
  type Client,
  contract,
  method,
  type PlainClient,
  plainClient,
  plainInterface,
  RpcAccess,
  RpcClient,
  RpcServer,
  t,
} from 'busbar/rpc'
import { connectUnix, fdLink, nodeEnv, RingMedium, RingPoller } from 'busbar/transport'
import { failed } from '../stacks/stack.ts'
import { Echo } from './contract.ts'
import { type Call, type Load, parallel, serial } from './loads.ts'
import { serve } from './serve.ts'

type Request =
  | { do: 'offer-sink' }
  | { do: 'offer-plain-sink' }
  | { do: 'upload'; bytes: number; chunk: number; to?: string }
  | { do: 'offer-echo' }
  | { do: 'activate' }
  | { do: 'offer-rpc' }
  | { do: 'bind' }
  | { do: 'calls'; size: number; count: number }
  | { do: 'calls-many'; size: number; count: number; inFlight: number }
  | ({ do: 'serial' | 'parallel' } & Load)
  | { do: 'offer-slow'; delay: number }
  | { do: 'upload-watched'; bytes: number; chunk: number; to: string }
  | { do: 'calls-under-bulk'; size: number; bytes: number; uploads: number }
  | { do: 'rss' }
  | { do: 'offer-duplex' }
  | { do: 'upload-duplex'; bytes: number; chunk: number }
  | { do: 'offer-intake' | 'offer-recycling-intake' }
  | { do: 'upload-calls'; size: number; count: number }
  | { do: 'rung' }
  | { do: 'offer-messages' }
  | { do: 'messages'; size: number; count: number }
  | { do: 'open-many'; count: number }
  | { do: 'idle'; ms: number }

/** Room for one read, `bytes`. */
const CHUNK = 65_536

let attached: Promise<Bus> | undefined
const bus = (): Promise<Bus> => {
  attached ??= poller === undefined ? attach() : attachOn(poller)
  return attached
}

/** With rings, this process looks at them through a poller that can be asked how often it had to wake the other side. */
const poller =
  process.env['BUSBAR_RINGS'] === 'on'
    ? new RingPoller(process.env['BUSBAR_POLL'] === undefined ? undefined : Number(process.env['BUSBAR_POLL']))
    : undefined

/** As `attach` does it. */
async function attachOn(looking: RingPoller): Promise<Bus> {
  const env = nodeEnv()
  const path = process.env['BUSBAR_CHANNELS'] ?? ''
  const control =
    process.env['BUSBAR_SOCKET'] === undefined ? fdLink(Number(process.env['BUSBAR_FD'])) : await connectUnix(path)
  const carrier = new DialledCarrier(control, () => connectUnix(path))
  return new Bus(await Endpoint.attach(carrier, { env, rings: await RingMedium.load(looking) }), env)
}
let echo: Pick<PlainClient<typeof Echo>, 'echo'> | Client<typeof Echo>
let intake: Client<typeof Intake> | undefined
const call: Call = (data, done) => void echo.echo({ data }).then((back) => done(back.length), failed)

/** Takes long payloads. */
const Intake = contract('bench.Intake', { version: '1.0' }, { upload: method({ data: t.bytes }, t.uint32) })

const handlers = {
  /** Reads into memory of its own: what whoever reads much does. */
  'offer-sink': async () => {
    await (await bus()).offer('sink', async ({ handle }) => {
      const buffer = new Uint8Array(CHUNK)
      while ((await handle.readInto(buffer)) > 0) {}
      await handle.end()
    })
  },
  'offer-plain-sink': async () => {
    await (await bus()).offer('plain-sink', async ({ handle }) => {
      while ((await handle.read()) !== undefined) {}
      await handle.end()
    })
  },
  /** Reads a chunk, rests, reads the next: slower than any writer, fast enough to finish. */
  'offer-slow': async ({ delay }: { delay: number }) => {
    await (await bus()).offer('slow', async ({ handle }) => {
      let since = 0
      for (let chunk = await handle.read(); chunk !== undefined; chunk = await handle.read()) {
        since += chunk.length
        if (since < 4_194_304) continue
        since = 0
        await new Promise((resolve) => setTimeout(resolve, delay))
      }
      await handle.end()
    })
  },
  'offer-echo': async () => {
    await (await bus()).offer(Echo, { echo: ({ data }) => data })
  },
  activate: async () => {
    echo = await (await bus()).activate(Echo, { in: 'server' })
  },
  /** The same contract served over an association on a pipe, without a component. */
  'offer-rpc': async () => {
    const env = nodeEnv()
    const served = plainInterface(Echo, { echo: ({ data }) => data })
    const lookup = ({ uuid }: { uuid: string }) => (uuid === Echo.uuid ? served : undefined)
    const groups = new AssociationGroups(env)
    await (await bus()).offer('rpc', ({ handle }) => {
      void new RpcServer(new RpcAccess(handle), { env, lookup, groups })
    })
  },
  bind: async () => {
    const rpc = new RpcClient(new RpcAccess(await (await bus()).openPipe('server/rpc')), { env: nodeEnv() })
    echo = await plainClient(rpc, Echo)
  },
  /** One call after the other; each call's time in ms. */
  calls: async ({ size, count }: { size: number; count: number }) => {
    const data = new Uint8Array(size)
    const times: number[] = []
    for (let i = 0; i < count; i++) {
      const start = performance.now()
      await echo.echo({ data })
      times.push(performance.now() - start)
    }
    return times
  },
  /** So many calls with so many in flight; ms in all. */
  'calls-many': async ({ size, count, inFlight }: { size: number; count: number; inFlight: number }) => {
    const data = new Uint8Array(size)
    let left = count
    const worker = async () => {
      while (left-- > 0) await echo.echo({ data })
    }
    const start = performance.now()
    await Promise.all(Array.from({ length: inFlight }, worker))
    return performance.now() - start
  },
  /** As over a socket, in the time that is given. */
  serial: (load: Load) => serial(call, load),
  parallel: (load: Load) => parallel(call, load),
  /** The same upload, telling the most memory this process had meanwhile. */
  'upload-watched': async (request: { bytes: number; chunk: number; to: string }) => {
    let highest = 0
    const watch = setInterval(() => {
      highest = Math.max(highest, process.memoryUsage.rss())
    }, 50)
    await handlers.upload(request)
    clearInterval(watch)
    return highest
  },
  /** Times of calls made while uploads of `bytes` follow one another. */
  'calls-under-bulk': async ({ size, bytes, uploads }: { size: number; bytes: number; uploads: number }) => {
    const data = new Uint8Array(size)
    const times: number[] = []
    let uploading = true
    const bulk = async (): Promise<void> => {
      for (let i = 0; i < uploads; i++) await handlers.upload({ bytes, chunk: 65_536 })
      uploading = false
    }
    const finished = bulk()
    while (uploading) {
      const start = performance.now()
      await echo.echo({ data })
      times.push(performance.now() - start)
    }
    await finished
    return times
  },
  upload: async ({ bytes, chunk, to = 'sink' }: { bytes: number; chunk: number; to?: string }): Promise<number> => {
    const pipe = await (await bus()).openPipe(`server/${to}`)
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
  /** Reads as a program does that knows streams of Node and nothing else. */
  'offer-duplex': async () => {
    await (await bus()).offer('duplex', (pipe) => {
      pipe.on('data', () => {}).on('end', () => pipe.end())
    })
  },
  'upload-duplex': async ({ bytes, chunk }: { bytes: number; chunk: number }): Promise<number> => {
    const pipe = await (await bus()).open('server/duplex')
    const data = Buffer.alloc(chunk, 7)
    const start = performance.now()
    for (let sent = 0; sent < bytes; sent += chunk) if (!pipe.write(data)) await once(pipe, 'drain')
    pipe.end()
    pipe.resume()
    await once(pipe, 'end')
    return performance.now() - start
  },
  'offer-intake': async () => {
    await (await bus()).offer(Intake, { upload: ({ data }) => data.length })
  },
  /** Gives the memory of the argument back when the call is answered. */
  'offer-recycling-intake': async () => {
    await (await bus()).offer(Intake, {
      upload: ({ data }, call) => {
        call.recycle()
        return data.length
      },
    })
  },
  /** Calls with `size` bytes each, two at a time; ms in all. */
  'upload-calls': async ({ size, count }: { size: number; count: number }): Promise<number> => {
    // Once: what is compiled for one pipe is compiled anew for the next.
    const to = (intake ??= await (await bus()).activate(Intake, { in: 'server' }))
    const data = new Uint8Array(size).fill(7)
    let left = count
    const worker = async (): Promise<void> => {
      while (left-- > 0) await to.upload({ data })
    }
    const start = performance.now()
    await Promise.all([worker(), worker()])
    return performance.now() - start
  },
  /** How many times this process had to wake the other side of a ring so far. */
  rung: async () => poller?.inspect().rung ?? 0,
  'offer-messages': async () => {
    await (await bus()).offer(
      'messages',
      async ({ handle }) => {
        while ((await handle.readBatch()) !== undefined) {}
        await handle.end()
      },
      { mode: 'message' },
    )
  },
  /** Sends so many messages; ms until the other side has read all of them. */
  messages: async ({ size, count }: { size: number; count: number }): Promise<number> => {
    const pipe = await (await bus()).openPipe('server/messages', { mode: 'message' })
    const data = new Uint8Array(size).fill(7)
    const start = performance.now()
    for (let sent = 0; sent < count; sent++) {
      const room = pipe.write(data)
      if (room instanceof Promise) await room
    }
    await pipe.end()
    while ((await pipe.read()) !== undefined) {}
    return performance.now() - start
  },
  'open-many': async ({ count }: { count: number }) => {
    const pipes = Array.from({ length: count }, async () => {
      const pipe = await (await bus()).openPipe('server/sink')
      await pipe.write(new Uint8Array(1))
    })
    await Promise.all(pipes)
  },
  /** Milliseconds of processor time that this process takes while it waits so long. */
  idle: async ({ ms }: { ms: number }) => {
    const before = process.cpuUsage()
    await new Promise((resolve) => setTimeout(resolve, ms))
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1000
  },
  rss: async () => {
    globalThis.gc?.()
    return process.memoryUsage().rss
  },
}

serve((request: Request) => handlers[request.do](request as never) as Promise<unknown>)
