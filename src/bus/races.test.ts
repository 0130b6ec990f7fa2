import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BusbarError, type ErrorCode } from '../errors/index.ts'
import { type ByteLink, type Env, memoryPair } from '../link/index.ts'
import { nodeEnv } from '../transport/index.ts'
import { type AccessPolicy, Broker } from './broker.ts'
import { CarrierListener } from './carrier-listener.ts'
import { DialledCarrier } from './dialled-carrier.ts'
import { Endpoint } from './endpoint.ts'
import { MuxCarrier } from './mux-carrier.ts'
import { SystemObject } from './system.ts'

// Races that the simulator found, each as small as it can be.

const env: Env = {
  ...nodeEnv(),
  timer: (delay, run) => {
    const handle = setTimeout(run, delay)
    return { cancel: () => clearTimeout(handle) }
  },
}
const policy: AccessPolicy = { decide: () => ({ allowed: true, rule: 'test' }), sees: () => true }

function attachMux(broker: Broker, partition: string): Promise<Endpoint> {
  const [near, far] = memoryPair()
  broker.attach(partition, new MuxCarrier(far, { side: 'bus', env }))
  return Endpoint.attach(new MuxCarrier(near, { side: 'partition', env }), { env })
}

/** A partition with a link for each channel; `wrap` sees each link it dials, the control link first. */
function attachDialled(
  broker: Broker,
  partition: string,
  wrap: (link: ByteLink) => ByteLink | Promise<ByteLink>,
): Promise<Endpoint> {
  const listener = new CarrierListener({ env, onCarrier: (carrier) => void broker.attach(partition, carrier) })
  const dial = (): ByteLink => {
    const [near, far] = memoryPair()
    listener.accept(far)
    return near
  }
  return Endpoint.attach(new DialledCarrier(dial(), async () => wrap(dial())), { env })
}

function noSockets(link: ByteLink): Promise<ByteLink> {
  link.close()
  return Promise.reject(new BusbarError('UNAVAILABLE', 'no more sockets'))
}

function code(expected: ErrorCode): (thrown: unknown) => boolean {
  return (thrown) => BusbarError.from(thrown).code === expected
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

function channelsOf(broker: Broker): number {
  const { partitions } = broker.inspect() as { partitions: { session?: { channels: unknown[] } }[] }
  return partitions.reduce((sum, { session }) => sum + (session?.channels.length ?? 0), 0)
}

test('an opening that is taken back before its stream is announced does not end the session', async () => {
  const broker = new Broker({ env, policy })
  const [storage, web] = await Promise.all([attachMux(broker, 'storage'), attachMux(broker, 'web')])
  await storage.offer('disk', { decide: (opening, caller) => void opening.accept(caller).catch(() => {}) })
  for (let round = 0; round < 20; round++) {
    const controller = new AbortController()
    const opening = web.open('storage/disk', { signal: controller.signal })
    for (let wait = 0; wait < round; wait++) await Promise.resolve()
    controller.abort()
    await opening.then(
      (channel) => channel.close(),
      (thrown: unknown) => assert.ok(code('CANCELLED')(thrown)),
    )
  }
  const channel = await web.open('storage/disk')
  channel.close()
  assert.deepEqual([web.identity.epoch, storage.identity.epoch], [1, 1])
  broker.close()
})

test('an opening that is taken back before its stream is dialled leaves no half-open channel', async () => {
  const broker = new Broker({ env, policy })
  const storage = await attachMux(broker, 'storage')
  await storage.offer('disk', { decide: (opening, caller) => void opening.accept(caller).catch(() => {}) })
  // Every stream but the control stream is dead before its first byte.
  const web = await attachDialled(broker, 'web', (link) => {
    link.close()
    return memoryPair()[0]
  })
  const controller = new AbortController()
  const opening = web.open('storage/disk', { signal: controller.signal })
  await turns(10)
  controller.abort()
  await assert.rejects(opening, code('CANCELLED'))
  await turns(10)
  assert.equal(channelsOf(broker), 0)
  broker.close()
})

test('a stream that cannot be dialled fails its opening at once', async () => {
  const broker = new Broker({ env, policy })
  const storage = await attachMux(broker, 'storage')
  await storage.offer('disk', { decide: (opening, caller) => void opening.accept(caller).catch(() => {}) })
  const web = await attachDialled(broker, 'web', noSockets)
  await assert.rejects(web.open('storage/disk'), code('UNAVAILABLE'))
  await turns(10)
  assert.equal(channelsOf(broker), 0)
  broker.close()
})

test('a target that cannot dial its stream refuses the opening', async () => {
  const broker = new Broker({ env, policy })
  const web = await attachMux(broker, 'web')
  const storage = await attachDialled(broker, 'storage', noSockets)
  await storage.offer('disk', { decide: (opening, caller) => void opening.accept(caller).catch(() => {}) })
  await assert.rejects(web.open('storage/disk'), code('UNAVAILABLE'))
  await turns(10)
  assert.equal(channelsOf(broker), 0)
  broker.close()
})

test('a program that attaches when the session of its VM is over is turned away', async () => {
  const broker = new Broker({ env, policy })
  const endpoint = await attachMux(broker, 'storage')
  const system = new SystemObject(endpoint, env)
  endpoint.close()
  await turns(2)
  const [near, far] = memoryPair()
  const session = system.attach(new MuxCarrier(far, { side: 'bus', env }))
  assert.ok((await session.closed) !== undefined)
  await assert.rejects(Endpoint.attach(new MuxCarrier(near, { side: 'partition', env }), { env }))
  broker.close()
})
