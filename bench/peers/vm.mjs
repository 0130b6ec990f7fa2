/** A program of a partition in a benchmark: all ends are this one. Runs in the guest too, where only the built package is. */
import { attach, contract, method, t } from 'busbar'

const echo = { echo: method({ data: t.bytes }, t.bytes) }
const Echo = {
  ring: contract('bench.RingEcho', { version: '1.0' }, echo),
  stream: contract('bench.StreamEcho', { version: '1.0' }, echo),
}
const Lab = contract(
  'bench.Lab',
  { version: '1.0' },
  {
    calls: method(
      { to: t.string, how: t.string, size: t.uint32, count: t.uint32 },
      t.struct({ p50: t.float64, p99: t.float64, medium: t.string }),
    ),
    upload: method({ to: t.string, how: t.string, bytes: t.uint53 }, t.float64),
  },
)
const CHUNK = 65_536
/** The other partition may have started later. */
const PATIENT = { wait: true, deadline: 300_000 }

const ring = await attach()
// Of one partition, each program attaches for itself: this one as a program without rings.
process.env.BUSBAR_RINGS = 'off'
const bus = { ring, stream: ring.partition === 'worker' ? ring : await attach() }

/** What carries the newest channel that was opened here. */
function medium(how) {
  return bus[how].inspect().endpoint.channels.at(-1).medium
}

async function sink({ handle }) {
  const buffer = new Uint8Array(CHUNK)
  while ((await handle.readInto(buffer)) > 0) {}
  await handle.end()
}

async function calls({ to, how, size, count }) {
  const client = await bus[how].activate(Echo[how], { in: to, ...PATIENT })
  const data = new Uint8Array(size)
  const times = []
  for (let i = 0; i < count; i++) {
    const start = performance.now()
    await client.echo({ data })
    times.push(performance.now() - start)
  }
  times.sort((a, b) => a - b)
  const at = (share) => times[Math.floor(times.length * share)]
  return { p50: at(0.5), p99: at(0.99), medium: medium(how) }
}

/** `ms` until the other side has read all. */
async function upload({ to, how, bytes }) {
  const { handle } = await bus[how].open(`${to}/${how}-sink`, PATIENT)
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

if (ring.partition === 'client') await ring.offer(Lab, { calls, upload })
else {
  for (const how of ['ring', 'stream']) {
    await bus[how].offer(Echo[how], { echo: ({ data }) => data })
    await bus[how].offer(`${how}-sink`, sink)
  }
}
await ring.closed
