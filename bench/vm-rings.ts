import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { contract, method, t } from '../src/rpc/index.ts'
import { openConfiguredHost } from '../src/host/index.ts'
import { checkRequirements, installCommand } from '../src/partition/index.ts'
import { type Row, rowOf } from './rows.ts'

const SIZE = 100
/** What is measured: from one machine to another, and from a machine to a process of the host, on rings and over virtio-serial. */
const WAYS = {
  direct: { to: 'server', how: 'ring' },
  bus: { to: 'server', how: 'stream' },
  region: { to: 'worker', how: 'ring' },
  port: { to: 'worker', how: 'stream' },
} as const
type Way = keyof typeof WAYS
const NAMES = Object.keys(WAYS) as readonly Way[]
/** Calls that are measured, after half as many that are not. Emulated processors are slow. */
const CALLS = { direct: 3000, bus: 300, region: 2000, port: 400 } as const
const BYTES = { direct: 64 * 1024 ** 2, bus: 6 * 1024 ** 2, region: 32 * 1024 ** 2, port: 8 * 1024 ** 2 } as const
/** How much more there is before all of it: emulated code is slow until it was compiled, and again until it was optimized. */
const WARMING = 2
/** Longest time of one measurement, `ms`. */
const LONG = 300_000

/** What the client's machine measures; as in `peers/vm.mjs`. */
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

const PROGRAM = fileURLToPath(new URL('./peers/vm.mjs', import.meta.url))
const MACHINE = `
    kind: qemu
    memory: 512M
    files: [{ from: ${PROGRAM}, to: /app/vm.mjs }]
    run: [node, /app/vm.mjs]`
const CONFIG = `
partitions:
  client: ${MACHINE}
  server: ${MACHINE}
  worker: { kind: process, run: [node, ${PROGRAM}] }
policy:
  - { allow: client, to: server, service: [bench.RingEcho, ring-sink], direct: true }
  - { allow: client, to: [server, worker], service: '*' }
`

/**
 * `vm-ring-call-p50`, `vm-ring-call-p99` and `vm-ring-pipe`: 100-byte calls and one pipe in 64 KiB writes from machine to machine under QEMU, over
 * rings in memory that the two share. `vm-region-call-p50`, `vm-region-call-p99` and `vm-region-pipe`: the same from a machine to a process of the host, over rings
 * in memory that the machine shares with the bus. The baseline is the same over virtio-serial and the broker, between the same programs in the same minute.
 */
export async function vmRings(repetitions: number): Promise<Row[]> {
  const missing = installCommand(await checkRequirements())
  if (missing !== undefined) {
    console.error(`vm-rings: no machines here: ${missing}`)
    return []
  }
  const directory = await mkdtemp(join(tmpdir(), 'busbar-bench-'))
  const file = join(directory, 'busbar.yaml')
  await writeFile(file, CONFIG)
  const host = await openConfiguredHost({ file, logDirectory: directory })
  const column = (): Record<Way, number[]> => ({ direct: [], bus: [], region: [], port: [] })
  const [p50, p99, rate] = [column(), column(), column()]
  // Machines are no reason for this process to stay.
  const keepAlive = setInterval(() => {}, 1000)
  try {
    await Promise.all(host.names.map((name) => host.start(name)))
    await Promise.all(host.names.map((name) => host.attached(name)))
    const lab = await host.bus.activate(Lab, { in: 'client', wait: true, deadline: LONG })
    for (const way of NAMES) {
      await lab.calls({ ...WAYS[way], size: SIZE, count: CALLS[way] * WARMING }, { deadline: LONG })
      await lab.upload({ ...WAYS[way], bytes: BYTES[way] * WARMING }, { deadline: LONG })
    }
    for (let i = 0; i < repetitions; i++) {
      for (const way of NAMES) {
        const what = WAYS[way]
        await lab.calls({ ...what, size: SIZE, count: CALLS[way] / 2 }, { deadline: LONG })
        const times = await lab.calls({ ...what, size: SIZE, count: CALLS[way] }, { deadline: LONG })
        if (times.medium !== what.how) throw new Error(`measured a ${times.medium}`)
        p50[way].push(times.p50)
        p99[way].push(times.p99)
        await lab.upload({ ...what, bytes: BYTES[way] / 2 }, { deadline: LONG })
        rate[way].push(BYTES[way] / 1000 / (await lab.upload({ ...what, bytes: BYTES[way] }, { deadline: LONG })))
      }
    }
  } finally {
    clearInterval(keepAlive)
    await host.close()
    await rm(directory, { recursive: true, force: true })
  }
  return [
    rowOf('vm-ring-call-p50', 'ms', p50.direct, p50.bus, '<= 0.1'),
    rowOf('vm-ring-call-p99', 'ms', p99.direct, p99.bus, ''),
    rowOf('vm-ring-pipe', 'MB/s', rate.direct, rate.bus, '>= 8'),
    rowOf('vm-region-call-p50', 'ms', p50.region, p50.port, ''),
    rowOf('vm-region-call-p99', 'ms', p99.region, p99.port, ''),
    rowOf('vm-region-pipe', 'MB/s', rate.region, rate.port, ''),
  ]
}
