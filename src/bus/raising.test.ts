/** Pipes that go over to rings, of which one end does not say whether it has them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryPair } from '../link/index.ts'
import { MuxSession } from '../mux/index.ts'
import { Broker } from './broker.ts'
import { FEATURES } from './contact.ts'
import { openChannel, RawControl, TestEnv, turns } from './harness.test.ts'
import { MuxCarrier } from './mux-carrier.ts'
import { MAX_RAISING, MAX_RAISING_OF_ONE } from './raising-turns.ts'

/** A service whose pipes go over to rings, and who may call it. */
async function world() {
  const env = new TestEnv()
  const held = { memory: 0 }
  const grant = { process: 1, memory: 2, callerBell: 3, serviceBell: 4, key: new Uint8Array(16) }
  const rings = {
    allocate: () => {
      held.memory++
      return { grant, release: () => void held.memory-- }
    },
  }
  const broker = new Broker({ env, rings, policy: { decide: () => ({ allowed: true, rule: '' }), sees: () => true } })
  const attach = async (name: string): Promise<{ control: RawControl; mux: MuxSession }> => {
    const [near, far] = memoryPair()
    broker.attach(name, new MuxCarrier(far, { side: 'bus', env }), { here: true })
    const mux = new MuxSession(near, { role: 'client', env: new TestEnv(), onStream: () => {} })
    const control = new RawControl(mux.open())
    control.send({ kind: 'initiateContact', oldest: 1, newest: 1, features: FEATURES.RINGS })
    await control.next('versionResponse')
    return { control, mux }
  }
  const service = await attach('service')
  service.control.send({ kind: 'makeOffer', offerId: 1, service: 'it', mode: 'byte', contract: '' })
  await service.control.next('offerResult')
  /** The service opens, and says that it has the rings if it is offered some. */
  const open = async ({ control, mux }: typeof service, offered: boolean): Promise<number> => {
    const { id } = mux.open()
    control.send(openChannel(id, 'service/it'))
    const { channelId } = await service.control.next('openChannel')
    service.control.send({ kind: 'openResult', channelId, code: 0, text: '' })
    if (offered) await has(service)
    return id
  }
  /** Says that it has the rings which it is offered. */
  const has = async ({ control }: typeof service): Promise<void> => {
    const { channelId } = await control.next('offerRing')
    control.send({ kind: 'ringResult', channelId, code: 0, text: '' })
  }
  return { env, broker, held, service, attach, open, has }
}

test('a caller that never says whether it has rings keeps no other caller of the service from them', async () => {
  const { broker, held, attach, open, has } = await world()
  const silent = await attach('silent')
  for (let i = 0; i < MAX_RAISING_OF_ONE + 4; i++) await open(silent, i < MAX_RAISING_OF_ONE)
  await turns()
  assert.equal(held.memory, MAX_RAISING_OF_ONE)
  const another = await attach('another')
  const channelId = await open(another, true)
  await has(another)
  assert.deepEqual(await another.control.next('useRing'), { kind: 'useRing', channelId, code: 0, text: '' })
  broker.close()
  await turns()
  assert.equal(held.memory, 0)
})

test('three that never say it keep others from them for two seconds, and their channels are streams then', async () => {
  const { env, broker, held, service, attach, open, has } = await world()
  const silent = [await attach('silent-a'), await attach('silent-b'), await attach('silent-c')]
  for (const one of silent) for (let i = 0; i < MAX_RAISING_OF_ONE; i++) await open(one, true)
  await turns()
  assert.equal(held.memory, MAX_RAISING)
  const another = await attach('another')
  for (let i = 0; i < 5; i++) {
    await open(another, false)
    if (i === 0) await env.advance(2_000)
    await has(service)
    await has(another)
    assert.equal((await another.control.next('useRing')).code, 0)
  }
  await turns()
  const refused = silent.flatMap(({ control }) => control.received.filter(({ kind }) => kind === 'useRing'))
  assert.equal(refused.length, 1)
  assert.equal(held.memory, MAX_RAISING - 1)
  broker.close()
  await turns()
  assert.deepEqual([held.memory, env.timers], [0, 0])
})
