/** A program of a machine in a benchmark: both ends are this one. Runs in the guest, where only the built package is. */
import { attach, contract, method, t } from 'busbar'

const echo = { echo: method({ data: t.bytes }, t.bytes) }
const Echo = {
  direct: contract('bench.DirectEcho', { version: '1.0' }, echo),
  bus: contract('bench.BusEcho', { version: '1.0' }, echo),
}
const Lab = contract(
  'bench.Lab',
  { version: '1.0' },
  {
    calls: method(
      { direct: t.bool, size: t.uint32, count: t.uint32 },
      t.struct({ p50: t.float64, p99: t.float64, medium: t.string }),
    ),
    upload: method({ direct: t.bool, bytes: t.uint53 }, t.float64),
  },
)
const CHUNK = 65_536
/** The other machine may have started later. */
const PATIENT = { wait: true, deadline: 300_000 }

const bus = await attach()

/** What carries the newest channel that was opened here. */
function medium() {
  return bus.inspect().endpoint.channels.at(-1).medium
}

async function sink({ handle }) {
  const buffer = new Uint8Array(CHUNK)
  while ((await handle.readInto(buffer)) > 0) {}
  await handle.end()
}

async function calls({ direct, size, count }) {
  const client = await bus.activate(direct ? Echo.direct : Echo.bus, { in: 'server', ...PATIENT })
  const data = new Uint8Array(size)
  const times = []
  for (let i = 0; i < count; i++) {
    const start = performance.now()
    await client.echo({ data })
    times.push(performance.now() - start)
  }
  times.sort((a, b) => a - b)
  const at = (share) => times[Math.floor(times.length * share)]
  return { p50: at(0.5), p99: at(0.99), medium: medium() }
}

/** `ms` until the other side has read all. */
async function upload({ direct, bytes }) {
  const { handle } = await bus.open(direct ? 'server/direct-sink' : 'server/bus-sink', PATIENT)
  const chunk = new Uint8Array(CHUNK)
  const start = performance.now()
  for (let sent = 0; sent < bytes; sent += CHUNK) {
    const room = handle.write(chunk)
    if (room instanceof Promise) await room
  }
  await handle.end()
  await handle.read()
  return performance.now() - start
}

if (bus.partition === 'server') {
  for (const each of Object.values(Echo)) await bus.offer(each, { echo: ({ data }) => data })
  await bus.offer('direct-sink', sink)
  await bus.offer('bus-sink', sink)
} else await bus.offer(Lab, { calls, upload })
await bus.closed
