import { contract, method, t } from '../../src/rpc/index.ts'

/** What a program of a test does with pipes to another partition, which runs the same. */
export const Ends = contract(
  'test.Ends',
  { version: '1.0' },
  {
    /** Opens a pipe that comes back, `partition/echo`. */
    open: method({ to: t.string }, t.void),
    /** Sends so many bytes on it, ends it, and reads to its end: how many came back as they were. */
    copy: method({ bytes: t.uint32 }, t.uint32),
    /** Sends a text on it and settles when that came back. */
    mark: method({ text: t.string }, t.void),
    /** Opens pipes to `partition/service` with bytes flowing both ways for ever; settles when so many have come. */
    begin: method({ to: t.string, pipes: t.uint32, bytes: t.uint32 }, t.void),
    /** Settles when the pipes of `open` or `begin` are over, with the codes that they ended with. */
    over: method({}, t.array(t.string)),
    /** Calls the other partition, one call after the other. */
    calls: method({ to: t.string, count: t.uint32 }, t.void),
  },
)

/** The module for programs: serves `Ends` and what that needs at the other side. */
export const ENDS_MODULE = `
import { contract, method, t } from 'busbar'
import { flow } from './flow.mjs'
const Ends = contract('test.Ends', { version: '1.0' }, {
  open: method({ to: t.string }, t.void),
  copy: method({ bytes: t.uint32 }, t.uint32),
  mark: method({ text: t.string }, t.void),
  begin: method({ to: t.string, pipes: t.uint32, bytes: t.uint32 }, t.void),
  over: method({}, t.array(t.string)),
  calls: method({ to: t.string, count: t.uint32 }, t.void),
})
const RegionEcho = contract('test.RegionEcho', { version: '1.0' }, { echo: method({ data: t.bytes }, t.bytes) })
const pattern = Uint8Array.from({ length: 65_536 + 251 }, (_, index) => index % 251)
export async function offerEnds(bus, deadline) {
  const options = { wait: true, deadline }
  let pipe
  let flows = []
  const codeOf = (reason) => (reason === undefined ? 'in order' : (reason.code ?? String(reason)))
  await bus.offer(RegionEcho, { echo: ({ data }) => data })
  await bus.offer('echo', (duplex) => void duplex.on('error', () => {}).pipe(duplex))
  await bus.offer('flow', (duplex) => void flow(duplex.on('error', () => {}).handle, () => {}))
  await bus.offer(Ends, {
    open: async ({ to }) => {
      pipe = await bus.openPipe(to + '/echo', options)
      flows = [pipe.closed.then((reason) => [codeOf(reason)])]
    },
    copy: async ({ bytes }) => {
      const send = async () => {
        for (let sent = 0; sent < bytes; ) {
          const length = Math.min(1 + ((sent * 7) % 65_536), bytes - sent)
          const room = pipe.write(pattern.slice(sent % 251, (sent % 251) + length))
          sent += length
          if (room instanceof Promise) await room
        }
        await pipe.end()
      }
      let right = 0
      const take = async () => {
        for (let chunk = await pipe.read(); chunk !== undefined; chunk = await pipe.read()) {
          for (const byte of chunk) if (byte === right % 251) right++
        }
      }
      await Promise.all([send(), take()])
      return right
    },
    mark: async ({ text }) => {
      const bytes = Buffer.from(text)
      void pipe.write(new Uint8Array(bytes))
      for (let got = 0; got < bytes.length; ) got += (await pipe.read()).length
    },
    begin: async ({ to, pipes, bytes }) => {
      let total = 0
      let reached
      const done = new Promise((resolve) => { reached = resolve })
      const run = (one) => {
        let before = 0
        return flow(one, (got) => {
          total += got - before
          before = got
          if (total >= bytes) reached()
        })
      }
      flows = Array.from({ length: pipes }, () => bus.openPipe(to, options).then(run, (error) => [codeOf(error)]))
      await done
    },
    over: async () => [...new Set((await Promise.all(flows)).flat())].toSorted(),
    calls: async ({ to, count }) => {
      const echo = await bus.activate(RegionEcho, { in: to, ...options })
      const data = new Uint8Array(100)
      for (let call = 0; call < count; call++) await echo.echo({ data })
      echo[Symbol.dispose]()
    },
  })
}
`
