// The system object of a VM, between a bus and programs that say what they like.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BusbarError, codeNumber } from '../errors/index.ts'
import type { ByteLink } from '../link/index.ts'
import { CarrierListener } from './carrier-listener.ts'
import { encodeMessage } from './codec.ts'
import { FEATURES } from './contact.ts'
import { DialledCarrier } from './dialled-carrier.ts'
import { Endpoint } from './endpoint.ts'
import { dialler, newBus, offerEcho, ONE_OF_EACH, openChannel, RawControl, rejects, turns } from './harness.test.ts'
import { DEFAULT_BUS_LIMITS } from './limits.ts'
import type { Message } from './messages.ts'
import { PlaceBridge } from './place-bridge.ts'
import { type RawBus, rawBus } from './raw-bus.test.ts'
import { SystemObject } from './system.ts'

describe('a system object', () => {
  async function vm(): Promise<{
    bus: RawBus
    endpoint: Endpoint
    upstream: RawControl
    system: SystemObject
    dial(): ByteLink
    program(): RawControl
  }> {
    const bridge = new PlaceBridge()
    const bus = rawBus({ rings: bridge, features: FEATURES.PLACES })
    const { endpoint, control } = await bus.attached()
    const system = new SystemObject(endpoint, bus.env, {}, bridge)
    const listener = new CarrierListener({ env: bus.env, onCarrier: (carrier) => void system.attach(carrier) })
    const dial = dialler(listener)
    return { bus, endpoint, upstream: control, system, dial, program: () => new RawControl(dial()) }
  }

  test('says no to a program that opens and leaves without end, and keeps its session with a bus that is slow', async () => {
    const { bus, endpoint, program } = await vm()
    const control = program()
    await control.contact()
    bus.stall()
    for (let channelId = 1; channelId < 40_000; channelId += 2) {
      control.send(openChannel(channelId, 'storage/it'))
      control.send({ kind: 'closeChannel', channelId, code: codeNumber('CANCELLED'), text: '' })
      if (channelId % 100 === 1) await turns(1)
    }
    control.send(openChannel(40_001, 'storage/it'))
    assert.equal((await control.next('openResult')).code, codeNumber('BUSY'))
    const { backlog } = endpoint.inspect() as { backlog: number }
    assert.ok(backlog < DEFAULT_BUS_LIMITS.controlBacklog / 2, `${backlog} bytes`)
    endpoint.close()
  })

  test('passes on a bounded number of what a program rings without end, and keeps its session', async () => {
    const { bus, endpoint, upstream, dial, program } = await vm()
    const control = program()
    control.send({ kind: 'initiateContact', oldest: 1, newest: 1, features: FEATURES.PLACES })
    const { token } = await control.next('versionResponse')
    const own = dial()
    void own.write(encodeMessage({ kind: 'attachStream', token, channelId: 1 }))
    control.send(openChannel(1, 'storage/it'))
    const { channelId } = await upstream.next('openChannel')
    upstream.send({ kind: 'openResult', channelId, code: 0, text: '' })
    await control.next('openResult')
    upstream.send({ ...ONE_OF_EACH.offerPlace, channelId } as Message)
    await control.next('offerPlace')
    bus.stall()
    for (let bell = 0; bell < 200_000; bell++) {
      control.send({ kind: 'ringBell', channelId: 1 })
      if (bell % 1000 === 0) await turns(1)
    }
    await turns()
    const rung = upstream.received.filter(({ kind }) => kind === 'ringBell')
    assert.ok(rung.length > 0 && rung.length <= 1000, `${rung.length} bells`)
    assert.deepEqual([upstream.over, control.over], [undefined, undefined])
    endpoint.close()
    await turns()
    assert.equal(bus.env.timers, 0)
  })

  test('takes back an offer that its program withdrew before the bus had answered', async () => {
    const { bus, upstream, program } = await vm()
    const control = program()
    await control.contact()
    const offer = { kind: 'makeOffer', offerId: 1, service: 'it', mode: 'byte', contract: '' } as const
    control.send(offer, { kind: 'withdrawOffer', offerId: 1 }, { ...offer, service: 'other' })
    const first = await upstream.next('makeOffer')
    const second = await upstream.next('makeOffer')
    upstream.send({ kind: 'offerResult', offerId: first.offerId, code: 0, text: '' })
    assert.equal((await upstream.next('withdrawOffer')).offerId, first.offerId)
    upstream.send({ kind: 'offerResult', offerId: second.offerId, code: 0, text: '' })
    await turns()
    assert.ok(!upstream.received.some((message) => message.kind === 'withdrawOffer'))
    control.link.close()
    assert.equal((await upstream.next('withdrawOffer')).offerId, second.offerId)
    assert.equal(bus.env.timers, 0)
  })

  test('a refusal of a withdrawn offer does not take the number from the one that came after', async () => {
    const { upstream, program } = await vm()
    const control = program()
    await control.contact()
    const offer = { kind: 'makeOffer', offerId: 1, service: 'it', mode: 'byte', contract: '' } as const
    control.send(offer, { kind: 'withdrawOffer', offerId: 1 }, { ...offer, service: 'other' })
    const first = await upstream.next('makeOffer')
    const second = await upstream.next('makeOffer')
    upstream.send({ kind: 'offerResult', offerId: second.offerId, code: 0, text: '' })
    upstream.send({ kind: 'offerResult', offerId: first.offerId, code: codeNumber('BUSY'), text: '' })
    await turns()
    control.send({ kind: 'withdrawOffer', offerId: 1 })
    assert.equal((await upstream.next('withdrawOffer')).offerId, second.offerId)
  })

  test('passes on no more offers than a program may have while the bus does not answer, withdrawn ones included', async () => {
    const { bus, upstream, program } = await vm()
    const control = program()
    await control.contact()
    const offer = { kind: 'makeOffer', service: 'it', mode: 'byte', contract: '' } as const
    for (let offerId = 1; offerId <= 500; offerId++) {
      control.send({ ...offer, offerId }, { kind: 'withdrawOffer', offerId })
      if (offerId % 50 === 0) await turns(2)
    }
    await turns()
    const asked = upstream.received.splice(0).filter(({ kind }) => kind === 'makeOffer')
    assert.equal(asked.length, DEFAULT_BUS_LIMITS.offers)
    const refused = control.received.filter((message) => message.kind === 'offerResult' && message.code !== 0)
    assert.equal(refused.length, 500 - asked.length)
    for (const message of asked) upstream.send({ ...message, kind: 'offerResult', code: 0, text: '' } as Message)
    await turns()
    control.send({ ...offer, offerId: 1000 })
    assert.equal((await upstream.next('makeOffer')).kind, 'makeOffer')
    assert.equal(bus.env.timers, 0)
  })

  test('asks the bus once and tells each program of each offer once, however often it asks', async () => {
    const { upstream, program } = await vm()
    const control = program()
    await control.contact()
    for (let i = 0; i < 3; i++) control.send({ kind: 'requestOffers' })
    await upstream.next('requestOffers')
    upstream.send(ONE_OF_EACH.offer, { kind: 'allOffersDelivered' })
    await turns()
    const seen = control.received.map(({ kind }) => kind)
    assert.equal(seen.filter((kind) => kind === 'offer').length, 1)
    assert.equal(seen.filter((kind) => kind === 'allOffersDelivered').length, 3)
    assert.deepEqual(upstream.received, [])
  })

  test('ends its programs with the session of the VM, and lets nobody in afterwards', async () => {
    const { bus, system, program } = await vm()
    const early = program()
    await early.contact()
    const silent = program()
    early.send({ kind: 'requestOffers' }, openChannel(1, 'storage/it'))
    await turns()
    bus.cut()
    await turns()
    const late = program()
    late.send(ONE_OF_EACH.initiateContact)
    silent.send(ONE_OF_EACH.initiateContact)
    await turns()
    for (const { over } of [early, late, silent]) assert.ok(over !== undefined)
    const { programs, pipes } = system.inspect() as { programs: unknown[]; pipes: number }
    assert.deepEqual([programs, pipes], [[], 0])
    assert.equal(bus.env.timers, 0)
  })

  test('says that a program is gone when the partition is not', async () => {
    const bus = newBus()
    const storage = await bus.honest('mux', 'storage')
    const accepted = await offerEcho(storage.endpoint)
    const { endpoint } = await bus.honest('mux', 'vm')
    const system = new SystemObject(endpoint, bus.env)
    const listener = new CarrierListener({ env: bus.env, onCarrier: (carrier) => void system.attach(carrier) })
    const dial = dialler(listener)
    const control = dial()
    const program = await Endpoint.attach(new DialledCarrier(control, async () => dial()), { env: bus.env })
    await offerEcho(program)
    await program.open('storage/echo')
    const calling = await storage.endpoint.open('vm/echo')
    control.close(new BusbarError('LINK_LOST', 'cut'))
    for (const channel of [calling, accepted[0]]) {
      const reason = await channel?.closed
      assert.deepEqual([reason?.code, reason?.message], ['PEER_DIED', 'a program of partition "vm" is gone'])
    }
    await turns()
    await rejects(storage.endpoint.open('vm/echo'), 'NO_SUCH_SERVICE')
    bus.idle()
  })

  test('a program that dies leaves nothing of its channels in the VM', async () => {
    const bus = newBus()
    const storage = await bus.honest('mux', 'storage')
    await storage.endpoint.offer('slow', { decide: () => {} })
    await storage.endpoint.offer('fast', { decide: (opening, caller) => void opening.accept(caller).catch(() => {}) })
    const { endpoint } = await bus.honest('mux', 'vm')
    const system = new SystemObject(endpoint, bus.env)
    const listener = new CarrierListener({ env: bus.env, onCarrier: (carrier) => void system.attach(carrier) })
    const dial = dialler(listener)
    const control = dial()
    const program = await Endpoint.attach(new DialledCarrier(control, async () => dial()), { env: bus.env })
    const opening = program.open('storage/slow')
    const channel = await program.open('storage/fast')
    control.close(new BusbarError('LINK_LOST', 'cut'))
    await rejects(opening, 'LINK_LOST')
    await rejects(channel.read(), 'LINK_LOST')
    await turns()
    assert.deepEqual((endpoint.inspect() as { channels: unknown[] }).channels, [])
    assert.equal((system.inspect() as { pipes: number }).pipes, 0)
    bus.idle()
  })
})
