/** Pipes that go over to rings, of which one end does not say whether it has them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryPair } from '../link/index.ts'
import { MuxSession } from '../mux/index.ts'
import { Broker } from './broker.ts'
import { FEATURES } from './contact.ts'
import { openChannel, RawControl, TestEnv, turns } from './harness.test.ts'
import { MuxCarrier } from './mux-carrier.ts'
import { MAX_RAISING_OF_ONE } from './raising-turns.ts'

test('a caller that never says whether it has rings keeps no other caller of the service from them', async () => {
  const env = new TestEnv()
  let memory = 0
  const grant = { process: 1, memory: 2, callerBell: 3, serviceBell: 4, key: new Uint8Array(16) }
  const rings = {
    allocate: () => {
      memory++
      return { grant, release: () => void memory-- }
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
    if (!offered) return id
    await service.control.next('offerRing')
    service.control.send({ kind: 'ringResult', channelId, code: 0, text: '' })
    return id
  }

  const silent = await attach('silent')
  for (let i = 0; i < MAX_RAISING_OF_ONE + 4; i++) await open(silent, i < MAX_RAISING_OF_ONE)
  await turns()
  assert.equal(memory, MAX_RAISING_OF_ONE)
  const another = await attach('another')
  const channelId = await open(another, true)
  await another.control.next('offerRing')
  another.control.send({ kind: 'ringResult', channelId, code: 0, text: '' })
  assert.deepEqual(await another.control.next('useRing'), { kind: 'useRing', channelId, code: 0, text: '' })
  broker.close()
  await turns()
  assert.equal(memory, 0)
})
