import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { contract, method, t } from '../src/rpc/index.ts'
import { openConfiguredHost } from '../src/host/index.ts'
import { checkRequirements, installCommand } from '../src/partition/index.ts'
import { type Row, rowOf } from './rows.ts'

const SIZE = 100
/** Calls that are measured, after half as many that are not. Emulated processors are slow. */
const CALLS = { direct: 3000, bus: 300 } as const
const BYTES = { direct: 64 * 1024 ** 2, bus: 6 * 1024 ** 2 } as const
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
      { direct: t.bool, size: t.uint32, count: t.uint32 },
      t.struct({ p50: t.float64, p99: t.float64, medium: t.string }),
    ),
    upload: method({ direct: t.bool, bytes: t.uint53 }, t.float64),
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
policy:
  - { allow: client, to: server, service: [bench.DirectEcho, direct-sink], direct: true }
  - { allow: client, to: server, service: [bench.BusEcho, bus-sink] }
`

/**
 * `vm-ring-call-p50`, `vm-ring-call-p99` and `vm-ring-pipe`: 100-byte calls and one pipe in 64 KiB writes from machine to machine under QEMU, over
 * rings in memory that the two share. The baseline is the same over virtio-serial and the broker, between the same programs in the same minute.
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
  const column = (): Record<'direct' | 'bus', number[]> => ({ direct: [], bus: [] })
  const [p50, p99, rate] = [column(), column(), column()]
  // Machines are no reason for this process to stay.
  const keepAlive = setInterval(() => {}, 1000)
  try {
    await Promise.all(['client', 'server'].map((name) => host.start(name)))
    await Promise.all(['client', 'server'].map((name) => host.attached(name)))
    const lab = await host.bus.activate(Lab, { in: 'client', wait: true, deadline: LONG })
    for (const how of ['bus', 'direct'] as const) {
      const direct = how === 'direct'
      await lab.calls({ direct, size: SIZE, count: CALLS[how] * WARMING }, { deadline: LONG })
      await lab.upload({ direct, bytes: BYTES[how] * WARMING }, { deadline: LONG })
    }
    for (let i = 0; i < repetitions; i++) {
      for (const how of ['bus', 'direct'] as const) {
        const direct = how === 'direct'
        await lab.calls({ direct, size: SIZE, count: CALLS[how] / 2 }, { deadline: LONG })
        const times = await lab.calls({ direct, size: SIZE, count: CALLS[how] }, { deadline: LONG })
        if (times.medium !== (direct ? 'ring' : 'stream')) throw new Error(`measured a ${times.medium}`)
        p50[how].push(times.p50)
        p99[how].push(times.p99)
        await lab.upload({ direct, bytes: BYTES[how] / 2 }, { deadline: LONG })
        rate[how].push(BYTES[how] / 1000 / (await lab.upload({ direct, bytes: BYTES[how] }, { deadline: LONG })))
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
  ]
}
