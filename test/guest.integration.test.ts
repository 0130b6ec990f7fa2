/** A real guest: who may touch what in it, and what becomes of it when the bus on the host goes and comes back. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Bus } from '../src/agent/index.ts'
import { Broker, Endpoint, MuxCarrier } from '../src/bus/index.ts'
import { memoryPair } from '../src/link/index.ts'
import { buildImage, checkRequirements, installCommand, launchQemu } from '../src/partition/index.ts'
import { type Client, contract, method, t } from '../src/rpc/index.ts'
import { nodeEnv, serialHost } from '../src/transport/index.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

const Probe = contract(
  'test.Probe',
  { version: '1.0' },
  {
    look: method(
      {},
      t.struct({ uid: t.uint32, device: t.string, interfaces: t.array(t.string), descriptors: t.uint32 }),
    ),
  },
)

/** Runs in the guest, as an ordinary program there. */
const PROGRAM = `
import { openSync, readdirSync } from 'node:fs'
import { attach, contract, method, t } from 'busbar'
const Probe = contract('test.Probe', { version: '1.0' }, {
  look: method({}, t.struct({ uid: t.uint32, device: t.string, interfaces: t.array(t.string), descriptors: t.uint32 })),
})
const descriptors = () => readdirSync('/proc/self/fd').length
const look = () => {
  let device = 'opened'
  try {
    openSync('/dev/virtio-ports/org.busbar.0', 'r+')
  } catch (error) {
    device = error.code
  }
  return { uid: process.getuid(), device, interfaces: readdirSync('/sys/class/net'), descriptors: descriptors() }
}
const bus = await attach()
await bus.offer(Probe, { look })
await bus.closed
`

/** One bus on the host, attached to the guest's port, as \`busbar up\` does it. */
async function openBus(
  portPath: string,
): Promise<{ probe: Client<typeof Probe>; bus: Bus; epoch: number; close(): void }> {
  const env = nodeEnv()
  const everyone = { allowed: true, rule: 'test' }
  const broker = new Broker({ env, policy: { decide: () => everyone, sees: () => true } })
  const port = await serialHost(portPath, { env })
  const session = broker.attach('guest', new MuxCarrier(await port.accept(), { side: 'bus', env }))
  const [near, far] = memoryPair()
  broker.attach('host', new MuxCarrier(far, { side: 'bus', env }))
  const bus = new Bus(await Endpoint.attach(new MuxCarrier(near, { side: 'partition', env }), { env }), env)
  const probe = await bus.activate(Probe, { in: 'guest', wait: true, deadline: 120_000 })
  const close = (): void => {
    broker.close()
    port.close()
  }
  return { probe, bus, epoch: session.epoch, close }
}

test('a guest', { timeout: 300_000 }, async (context) => {
  const missing = installCommand(await checkRequirements())
  if (missing !== undefined) {
    assert.equal(process.env['CI'], undefined, `QEMU must be there in CI: ${missing}`)
    return context.skip(`virtual machines cannot be started here: ${missing}`)
  }
  const directory = await mkdtemp(join(tmpdir(), 'busbar-guest-'))
  const keepAlive = setInterval(() => {}, 1000)
  try {
    const image = await buildImage({ packageDir: root })
    await using guest = await launchQemu({
      name: 'guest',
      image,
      consolePath: join(directory, 'console.log'),
      files: [{ from: Buffer.from(PROGRAM), to: '/app/probe.mjs' }],
      programs: [{ name: 'probe', command: 'node', args: ['/app/probe.mjs'] }],
    })
    const first = await openBus(guest.portPath)
    await context.test('runs programs without privileges, without the device, without a network', async () => {
      const { uid, device, interfaces } = await first.probe.look()
      assert.equal(uid, 1000)
      assert.equal(device, 'EACCES')
      assert.deepEqual(interfaces, ['lo'])
    })
    await context.test('gives a program one descriptor for each open channel', async () => {
      const { descriptors } = await first.probe.look()
      const second = await first.bus.activate(Probe, { in: 'guest' })
      assert.equal((await second.look()).descriptors, descriptors + 1)
    })
    await context.test('attaches again when the bus on the host is a new one', async () => {
      // As when the broker is killed: nothing is said, the socket just goes.
      first.close()
      const second = await openBus(guest.portPath)
      assert.equal((await second.probe.look()).uid, 1000)
      second.close()
    })
  } finally {
    clearInterval(keepAlive)
    await rm(directory, { recursive: true, force: true })
  }
})
