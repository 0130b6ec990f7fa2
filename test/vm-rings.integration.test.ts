/**
 * Rings between programs of two real machines, and from them to the bus, for a process and the host's own programs. All of them are killed at all points
 * of transfers: the others hear why, and nothing is left.
 * `npm run ring:nightly` kills 4,200 pipes in some 45 minutes: `VM_KILLS=nightly node --import tsx --test test/vm-rings.integration.test.ts`.
 */
import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { type BusHost, openConfiguredHost } from '../src/host/index.ts'
import { checkRequirements, installCommand } from '../src/partition/index.ts'
import { type Client, contract, method, t } from '../src/rpc/index.ts'
import { heldRings } from '../src/testing/index.ts'
import { installed } from './built-bus.ts'
import { endsOf, placesInUse, regionTests } from './rings/bus-region.ts'
import { ENDS_MODULE } from './rings/ends.ts'
import { FLOW } from './rings/flow.ts'

/** Pipes that each side opens to the other. */
const PIPES = 5
const NIGHTLY = process.env['VM_KILLS'] === 'nightly'
/** How often the program of the other machine is killed, and the machine. */
const PROGRAM_ROUNDS = NIGHTLY ? 400 : 4
const MACHINE_ROUNDS = NIGHTLY ? 20 : 1
/** Bytes that have come when the program is killed: none while pipes are opened and go over, a few in the link, about a ring, several rings. */
const POINTS = [0, 2_000_000, 1, 300_000, 30_000, 100] as const
/** What a pipe may end with: its other end died while it was opened, before, or after. */
const ENDS = ['CANCELLED', 'NO_SUCH_SERVICE', 'PEER_DIED']
/** Calls on rings, and the most doorbells that they may take: both machines look, unless one is held up. */
const CALLS = 300
const MOST_BELLS = CALLS / 3
/** Longest that anything may take, `ms`: machines are emulated, and many tests may run at once. */
const LONG = NIGHTLY ? 4 * 3_600_000 : 600_000

const Lab = contract(
  'test.Lab',
  { version: '1.0' },
  {
    look: method({}, t.struct({ uid: t.uint32, devices: t.array(t.string), modes: t.array(t.string) })),
    /** Opens pipes to the other machine's victim, both ways, and settles when bytes flow on all of them. */
    flow: method({}, t.void),
    /** Opens as many, and settles when so many bytes have come on all of them together. */
    begin: method({ bytes: t.uint32 }, t.void),
    /** Settles when all of those are over, with the codes that they ended with. */
    over: method({}, t.array(t.string)),
    /** Kills the victim of this machine, and starts another. */
    kill: method({}, t.void),
    /** Calls the other machine one call after the other. */
    calls: method({ count: t.uint32 }, t.void),
    /** Settles when this program leaves the processor to others. */
    rest: method({}, t.void),
  },
)

/** Lives until it is killed. What it sends waits in the rings until the other side reads. */
const VICTIM = `
import { attach } from 'busbar'
import { flow } from './flow.mjs'
const bus = await attach()
await bus.offer('go', (pipe) => {
  pipe.end()
  const options = { wait: true, deadline: ${LONG} }
  for (let i = 0; i < ${PIPES}; i++) void bus.openPipe('keeper/keeper', options).then((one) => flow(one, () => {}))
})
await bus.offer('victim', (pipe) => void flow(pipe.on('error', () => {}).handle, () => {}))
process.send?.('ready')
await bus.closed
`
const LAB = `
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { attach, contract, method, t } from 'busbar'
import { offerEnds } from './ends.mjs'
import { flow } from './flow.mjs'
const Lab = contract('test.Lab', { version: '1.0' }, {
  look: method({}, t.struct({ uid: t.uint32, devices: t.array(t.string), modes: t.array(t.string) })),
  flow: method({}, t.void),
  begin: method({ bytes: t.uint32 }, t.void),
  over: method({}, t.array(t.string)),
  kill: method({}, t.void),
  calls: method({ count: t.uint32 }, t.void),
  rest: method({}, t.void),
})
const PCI = '/sys/bus/pci/devices'
const id = (device) => readFileSync(PCI + '/' + device + '/device', 'utf8').trim()
const bus = await attach()
let victim
const startVictim = async () => {
  victim = fork('/app/victim.mjs', { stdio: 'inherit' })
  await once(victim, 'message')
}
const options = { wait: true, deadline: ${LONG} }
let pipes = []
let flows = []
let counted = 0
let total = 0
/** Bytes that somebody waits for; without it he waits until all pipes have some. */
let enough
let echo
let reached = () => {}
const run = (pipe) => {
  let seen = false
  let before = 0
  return flow(pipe, (got) => {
    total += got - before
    before = got
    if (enough !== undefined) return total >= enough && reached()
    if (seen || got < 400_000) return
    seen = true
    if (++counted === ${2 * PIPES}) reached()
  })
}
/** When all are to flow, nothing is read before all are open: opening goes through processors that would have their hands full. */
const opened = (pipe) => {
  if (enough !== undefined) flows.push(run(pipe))
  else if (pipes.push(pipe) === ${2 * PIPES}) flows = pipes.map(run)
}
await bus.offer('keeper', (pipe) => opened(pipe.on('error', () => {}).handle))
const starting = async (bytes) => {
  pipes = []
  flows = []
  counted = 0
  total = 0
  enough = bytes
  const done = new Promise((resolve) => { reached = resolve })
  const go = await bus.open('other/go', options)
  go.on('error', () => {}).resume().end()
  return { done }
}
const Echo = contract('test.Echo', { version: '1.0' }, { echo: method({ data: t.bytes }, t.bytes) })
await bus.offer(Echo, { echo: ({ data }) => data })
const lab = {
  look: () => {
    const devices = readdirSync(PCI).filter((device) => id(device) === '0x1110')
    const modes = devices.map((device) => {
      const { mode, uid } = statSync(PCI + '/' + device + '/resource2')
      return (mode & 0o777).toString(8) + ' ' + uid
    })
    return { uid: process.getuid(), devices, modes }
  },
  flow: async () => {
    const { done } = await starting()
    for (let i = 0; i < ${PIPES}; i++) opened(await bus.openPipe('other/victim', options))
    await done
  },
  begin: async ({ bytes }) => {
    const { done } = await starting(bytes)
    for (let i = 0; i < ${PIPES}; i++) {
      flows.push(bus.openPipe('other/victim').then(run, (error) => [error.code ?? String(error)]))
    }
    if (bytes > 0) await done
  },
  over: async () => [...new Set((await Promise.all(flows)).flat())].toSorted(),
  calls: async ({ count }) => {
    echo ??= await bus.activate(Echo, { in: 'other', ...options })
    const data = new Uint8Array(100)
    for (let call = 0; call < count; call++) await echo.echo({ data })
  },
  rest: async () => {
    for (let share = 1; share > 0.5; ) {
      const { user, system } = process.cpuUsage()
      const since = performance.now()
      await new Promise((resolve) => setTimeout(resolve, 200))
      const used = process.cpuUsage({ user, system })
      share = (used.user + used.system) / 1000 / (performance.now() - since)
    }
  },
  kill: async () => {
    victim.kill('SIGKILL')
    await once(victim, 'exit')
    await startVictim()
  },
}
if (bus.partition === 'other') await startVictim()
await offerEnds(bus, ${LONG})
await bus.offer(Lab, lab)
await bus.closed
`
/** A process of the host. */
const HELPER = `
import { attach } from 'busbar'
import { offerEnds } from './ends.mjs'
const bus = await attach()
await offerEnds(bus, ${LONG})
await bus.closed
`
const MACHINE = `
    kind: qemu
    memory: 512M
    files:
      - { from: lab.mjs, to: /app/lab.mjs }
      - { from: flow.mjs, to: /app/flow.mjs }
      - { from: ends.mjs, to: /app/ends.mjs }
      - { from: victim.mjs, to: /app/victim.mjs }
    run: [node, /app/lab.mjs]`
const CONFIG = `
partitions:
  keeper: ${MACHINE}
  other: ${MACHINE}
  helper: { kind: process, run: [node, helper.mjs] }
policy:
  - { allow: keeper, to: other, service: [go, echo] }
  - { allow: [keeper, other], to: [keeper, other], service: '*', direct: true }
  - { allow: '*', to: '*', service: '*' }
`

interface Report {
  readonly bus: {
    readonly pipes: readonly { caller: string; medium: string; noRings?: string; bytesToService?: number }[]
  }
  readonly direct: readonly {
    machines: readonly string[]
    places: number
    free: number
    inUse: number
    bells: number
  }[]
}

test('two machines that share memory', { timeout: 3 * LONG }, async (context) => {
  const missing = installCommand(await checkRequirements())
  if (missing !== undefined) {
    assert.equal(process.env['CI'], undefined, `QEMU must be there in CI: ${missing}`)
    return context.skip(`virtual machines cannot be started here: ${missing}`)
  }
  const directory = await installed('vm-rings', {
    'flow.mjs': FLOW,
    'ends.mjs': ENDS_MODULE,
    'victim.mjs': VICTIM,
    'lab.mjs': LAB,
    'helper.mjs': HELPER,
    'busbar.yaml': CONFIG,
  })
  const logs: string[] = []
  const host: BusHost = await openConfiguredHost({
    file: join(directory, 'busbar.yaml'),
    logDirectory: join(directory, 'logs'),
    socket: join(directory, 'bus.sock'),
    observe: (event) => event.kind === 'starting' && event.log !== undefined && logs.push(event.log),
  })
  const report = (): Report => host.inspect() as Report
  const pair = (): Report['direct'][0] => report().direct[0] as Report['direct'][0]
  const start = async (name: string): Promise<Client<typeof Lab>> => {
    await host.start(name)
    await host.attached(name)
    return host.bus.activate(Lab, { in: name, wait: true, deadline: LONG })
  }
  /** Bytes flow on rings in both directions, and none of them the bus sees. */
  const flow = async (keeper: Client<typeof Lab>): Promise<void> => {
    await keeper.flow({}, { deadline: LONG })
    const pipes = report().bus.pipes.filter(({ caller }) => caller !== 'host')
    const media = pipes.map(({ caller, medium, noRings }) => ({ caller, medium, noRings }))
    const rings = pipes.filter(({ medium, bytesToService }) => medium === 'ring' && bytesToService === undefined)
    assert.ok(rings.length >= 2 * PIPES, JSON.stringify(media))
    assert.equal(pair().inUse, rings.length)
  }
  /** Whoever lived has its channels still. */
  const allFree = async (but: number): Promise<void> => {
    while (pair().inUse > but) await new Promise((resolve) => setImmediate(resolve))
    assert.equal(pair().free, pair().places - but)
  }
  const keepAlive = setInterval(() => {}, 1000)
  try {
    let [keeper, other] = await Promise.all([start('keeper'), start('other')])
    assert.deepEqual(
      logs.toSorted(),
      ['keeper', 'other'].map((name) => join(directory, 'logs', `${name}.console.log`)),
    )
    await context.test('give it to their programs, and to nobody else', async () => {
      for (const machine of [keeper, other]) {
        assert.deepEqual(await machine.look(), {
          uid: 1000,
          devices: ['0000:00:10.0', '0000:00:10.1'],
          modes: ['600 1000', '600 1000'],
        })
      }
      assert.deepEqual(
        report().direct.map(({ machines, inUse }) => ({ machines, inUse })),
        [{ machines: ['keeper', 'other'], inUse: 0 }],
      )
    })
    await context.test('call each other without doorbells while they do, and rest when they do not', async () => {
      await keeper.calls({ count: CALLS }, { deadline: LONG })
      const before = pair().bells
      await keeper.calls({ count: CALLS }, { deadline: LONG })
      assert.ok(pair().bells - before < MOST_BELLS, `${CALLS} calls took ${pair().bells - before} doorbells`)
      await Promise.all([keeper.rest({}, { deadline: LONG }), other.rest({}, { deadline: LONG })])
    })
    await context.test(`${PROGRAM_ROUNDS * PIPES * 2} pipes whose other program is killed at all points`, async (t) => {
      let rings = 0
      for (let round = 0; round < PROGRAM_ROUNDS; round++) {
        const bytes = POINTS[round % POINTS.length] ?? 0
        await keeper.begin({ bytes }, { deadline: LONG })
        rings += pair().inUse
        await other.kill({}, { deadline: LONG })
        const codes = await keeper.over({}, { deadline: LONG })
        assert.deepEqual([...new Set([...codes, ...ENDS])].toSorted(), ENDS, `round ${round}`)
        await allFree(1)
      }
      t.diagnostic(`${rings} of them had memory when it was killed`)
    })
    const stage = { host, socket: join(directory, 'bus.sock'), deadline: LONG }
    await regionTests(context, { ...stage, kill: () => other.kill({}, { deadline: LONG }) })
    const helper = await endsOf(stage, 'helper')
    await context.test(`${MACHINE_ROUNDS * PIPES * 2} pipes whose other machine is killed in the middle`, async () => {
      for (let round = 0; round < MACHINE_ROUNDS; round++) {
        await flow(keeper)
        await helper.begin({ to: 'other/flow', pipes: PIPES, bytes: 100_000 }, { deadline: LONG })
        await host.kill('other')
        assert.deepEqual(await keeper.over({}, { deadline: LONG }), ['PEER_DIED'], `round ${round}`)
        assert.deepEqual(await helper.over({}, { deadline: LONG }), ['PEER_DIED'], `round ${round}`)
        await allFree(0)
        assert.equal(placesInUse(host, 'other'), 0)
        other = await start('other')
      }
    })
    await context.test('leave nothing behind', async () => {
      await flow(keeper)
      keeper = other
      await host.close()
      // Whoever is told of the end lets go in a later turn.
      for (let turn = 0; turn < 1000 && heldRings().length > 0; turn++)
        await new Promise((resolve) => setImmediate(resolve))
      assert.deepEqual(heldRings(), [])
    })
  } finally {
    clearInterval(keepAlive)
    await host.close()
    await rm(directory, { recursive: true, force: true })
  }
})
