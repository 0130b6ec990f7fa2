// A bus that says what it likes, against an endpoint and against the system object of a VM.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BusbarError, codeNumber } from '../errors/index.ts'
import { type ByteLink, memoryPair } from '../link/index.ts'
import { MuxSession } from '../mux/index.ts'
import { CarrierListener } from './carrier-listener.ts'
import { DialledCarrier } from './dialled-carrier.ts'
import { Endpoint } from './endpoint.ts'
import {
  dialler,
  newBus,
  offerEcho,
  ONE_OF_EACH,
  openChannel,
  RawControl,
  rejects,
  TestEnv,
  turns,
} from './harness.test.ts'
import { DEFAULT_BUS_LIMITS } from './limits.ts'
import { MESSAGES, type Message } from './messages.ts'
import { MuxCarrier } from './mux-carrier.ts'
import { SystemObject } from './system.ts'

interface RawBus {
  readonly env: TestEnv
  readonly attaching: Promise<Endpoint>
  control(): Promise<RawControl>
  /** Contact made. */
  attached(): Promise<{ endpoint: Endpoint; control: RawControl }>
  /** A stream of the bus's own. */
  open(): { id: number; link: ByteLink }
  cut(): void
}

function rawBus(signal?: AbortSignal): RawBus {
  const env = new TestEnv()
  const [near, far] = memoryPair()
  const controls: RawControl[] = []
  const mux = new MuxSession(far, {
    role: 'server',
    env: new TestEnv(),
    onStream: (stream) => void (stream.id === 1 && controls.push(new RawControl(stream))),
  })
  const attaching = Endpoint.attach(new MuxCarrier(near, { side: 'partition', env }), { env, signal })
  attaching.catch(() => {})
  const control = async (): Promise<RawControl> => {
    await turns()
    return controls[0] ?? assert.fail('no control stream was opened')
  }
  return {
    env,
    attaching,
    control,
    attached: async () => {
      const raw = await control()
      await raw.next('initiateContact')
      raw.send({
        kind: 'versionResponse',
        version: 1,
        features: 0,
        partition: 'web',
        epoch: 3,
        token: new Uint8Array(16),
      })
      return { endpoint: await attaching, control: raw }
    },
    open: () => {
      const link = mux.open()
      return { id: link.id, link }
    },
    cut: () => far.close(new BusbarError('LINK_LOST', 'cut')),
  }
}

describe('an endpoint', () => {
  test('says which versions it speaks, and gives up on a bus that does not answer', async () => {
    const bus = rawBus()
    const control = await bus.control()
    const { oldest, newest } = await control.next('initiateContact')
    assert.deepEqual([oldest, newest], [1, 1])
    const expected = rejects(bus.attaching, 'DEADLINE')
    await bus.env.advance(DEFAULT_BUS_LIMITS.contactTime)
    await expected
    assert.ok(control.over !== undefined)
    assert.equal(bus.env.timers, 0)
  })

  test('gives up on a bus that does not answer as soon as its caller does, and not once attached', async () => {
    const stop = new AbortController()
    const bus = rawBus(stop.signal)
    await (await bus.control()).next('initiateContact')
    stop.abort()
    await rejects(bus.attaching, 'CANCELLED')
    await rejects(rawBus(stop.signal).attaching, 'CANCELLED')
    const later = new AbortController()
    const { endpoint } = await rawBus(later.signal).attached()
    later.abort()
    await turns()
    assert.deepEqual([bus.env.timers, endpoint.identity.partition], [0, 'web'])
    const opening = endpoint.open('storage/log').catch(() => 'over')
    assert.equal(await Promise.race([opening, turns().then(() => 'goes on')]), 'goes on')
    endpoint.close()
    await opening
  })

  for (const version of [0, 2, 0xffff_ffff]) {
    test(`does not attach when version ${version} is chosen`, async () => {
      const bus = rawBus()
      const control = await bus.control()
      control.send({ ...ONE_OF_EACH.versionResponse, version } as Message)
      await rejects(bus.attaching, 'VERSION')
      assert.equal(bus.env.timers, 0)
    })
  }

  for (const message of Object.values(ONE_OF_EACH)) {
    if (message.kind === 'versionResponse') continue
    test(`takes no ${message.kind} before the version`, async () => {
      const bus = rawBus()
      const control = await bus.control()
      control.send(message)
      await rejects(bus.attaching, 'PROTOCOL')
      assert.equal(bus.env.timers, 0)
    })
  }

  const notForPartitions = Object.values(ONE_OF_EACH).filter(
    ({ kind }) => MESSAGES[kind].direction === 'up' || kind === 'versionResponse',
  )
  for (const message of notForPartitions) {
    test(`ends the session at ${message.kind}`, async () => {
      const bus = rawBus()
      const { endpoint, control } = await bus.attached()
      control.send(message)
      assert.equal((await endpoint.closed)?.code, 'PROTOCOL')
      await rejects(endpoint.open('storage/echo'), 'PROTOCOL')
      await rejects(endpoint.offer('x', { decide: () => {} }), 'PROTOCOL')
      await rejects(endpoint.offers.list(), 'PROTOCOL')
      await rejects(
        endpoint.offers.wait(() => true),
        'PROTOCOL',
      )
      assert.equal(bus.env.timers, 0)
    })
  }

  test('refuses channels for offers it does not make, and in the other mode; an odd id ends the session', async () => {
    const bus = rawBus()
    const { endpoint, control } = await bus.attached()
    const offering = endpoint.offer('it', { decide: () => assert.fail('nobody should be asked') })
    const { offerId } = await control.next('makeOffer')
    control.send({ kind: 'offerResult', offerId, code: 0, text: '' })
    await offering
    for (const [more, code] of [
      [{ offerId: 99 }, 'NO_SUCH_SERVICE'],
      [{ offerId, mode: 'message' }, 'WRONG_MODE'],
    ] as const) {
      control.send(openChannel(bus.open().id, 'web/it', more))
      assert.equal((await control.next('openResult')).code, codeNumber(code))
    }
    control.send(openChannel(5, 'web/it', { offerId }))
    assert.equal((await endpoint.closed)?.code, 'PROTOCOL')
    assert.equal(bus.env.timers, 0)
  })

  test('refuses the one opening whose taker throws, and tells nobody what it threw', async () => {
    const bus = rawBus()
    const { endpoint, control } = await bus.attached()
    const offering = endpoint.offer('it', {
      decide: () => {
        throw new Error('/etc/secret is missing')
      },
    })
    const { offerId } = await control.next('makeOffer')
    control.send({ kind: 'offerResult', offerId, code: 0, text: '' })
    await offering
    control.send(openChannel(bus.open().id, 'web/it', { offerId }))
    const { code, text } = await control.next('openResult')
    assert.equal(code, codeNumber('INTERNAL'))
    assert.ok(!text.includes('secret'), text)
    assert.deepEqual((endpoint.inspect() as { channels: unknown[] }).channels, [])
  })

  test('tells the other end the code of a foreign error, and not its words', async () => {
    const bus = rawBus()
    const { endpoint, control } = await bus.attached()
    const opening = endpoint.open('storage/it')
    const { channelId } = await control.next('openChannel')
    control.send({ kind: 'openResult', channelId, code: 0, text: '' })
    const channel = await opening
    channel.close(BusbarError.from(new Error("ENOENT: no such file, open '/etc/secret'"), 'CANCELLED'))
    const { code, text } = await control.next('closeChannel')
    assert.equal(code, codeNumber('CANCELLED'))
    assert.ok(!text.includes('secret'), text)
  })

  test('refuses what it cannot send: bad deadlines, services and contracts', async () => {
    const bus = rawBus()
    const { endpoint, control } = await bus.attached()
    for (const deadline of [Number.NaN, -1]) await rejects(endpoint.open('a/b', { deadline }), 'INVALID_ARGUMENT')
    for (const name of ['', 'a', 'a/', '/b', 'A/b', 'a/b/c', 'a/\u001b', `a/${'b'.repeat(129)}`])
      await rejects(endpoint.open(name), 'INVALID_ARGUMENT')
    for (const [service, contract] of [
      ['', ''],
      ['a b', ''],
      ['a', 'x\ny'],
      ['a', 'x'.repeat(1025)],
    ] as const)
      await rejects(endpoint.offer(service, { contract, decide: () => {} }), 'INVALID_ARGUMENT')
    assert.deepEqual(control.received, [])
    const opening = endpoint.open('a/b', { deadline: Number.POSITIVE_INFINITY })
    assert.equal((await control.next('openChannel')).deadline, 0x7fff_ffff)
    endpoint.close()
    await rejects(opening, 'CLOSED')
    assert.equal(bus.env.timers, 0)
  })

  test('keeps so many offers and no more, counts the others, and lives', async () => {
    const bus = rawBus()
    const { endpoint, control } = await bus.attached()
    const { knownOffers } = DEFAULT_BUS_LIMITS
    const offer = (offerId: number, service = 'disk'): Message =>
      ({ ...ONE_OF_EACH.offer, offerId, service }) as Message
    const rescind = (offerId: number): Message => ({ kind: 'rescindOffer', offerId, code: 4003, text: '' })
    const state = async (): Promise<number[]> => {
      await turns()
      return [(await endpoint.offers.list()).length, endpoint.offers.omitted]
    }
    let balance = 0
    endpoint.offers.watch(({ kind }) => void (balance += kind === 'added' ? 1 : -1))
    for (let offerId = 1; offerId <= knownOffers + 5; offerId++) control.send(offer(offerId))
    control.send({ kind: 'allOffersDelivered' })
    assert.deepEqual(await state(), [knownOffers, 5])
    assert.deepEqual((endpoint.inspect() as { omitted: number }).omitted, 5)
    // Whoever waits for one hears of it also when it is not kept.
    const waiting = endpoint.offers.wait(({ service }) => service === 'late')
    control.send(offer(9000, 'late'))
    assert.equal((await waiting).service, 'late')
    assert.deepEqual(await state(), [knownOffers, 6])
    // One goes that was kept, and two that were not; the next finds room.
    control.send(rescind(1), rescind(knownOffers + 1), rescind(9000))
    assert.deepEqual(await state(), [knownOffers - 1, 4])
    control.send(offer(9001))
    assert.deepEqual(await state(), [knownOffers, 4])
    assert.equal(balance, knownOffers)
    for (let i = 0; i < 10; i++) control.send(rescind(9999))
    assert.deepEqual(await state(), [knownOffers, 0])
  })

  test('settles everything when the bus dies', async () => {
    const bus = rawBus()
    const { endpoint, control } = await bus.attached()
    const stop = new AbortController()
    const failures: string[] = []
    endpoint.offers.watch(
      () => {},
      ({ code }) => failures.push(code),
    )
    const opened = endpoint.open('storage/it')
    const { channelId } = await control.next('openChannel')
    control.send({ kind: 'openResult', channelId, code: 0, text: '' })
    const channel = await opened
    const pending = [
      endpoint.open('storage/other'),
      endpoint.offer('it', { decide: () => {} }),
      endpoint.offers.list(),
      endpoint.offers.wait(() => false, stop.signal),
      channel.read(),
    ].map((promise) => rejects(promise, 'LINK_LOST'))
    const leaving = endpoint.detach()
    await turns()
    bus.cut()
    await Promise.all(pending)
    await leaving
    assert.deepEqual(failures, ['LINK_LOST'])
    assert.equal((await endpoint.closed)?.code, 'LINK_LOST')
    assert.equal(bus.env.timers, 0)
  })

  test('leaves also when the bus does not answer that it may', async () => {
    const bus = rawBus()
    const { endpoint, control } = await bus.attached()
    const leaving = endpoint.detach()
    await control.next('unload')
    await bus.env.advance(DEFAULT_BUS_LIMITS.contactTime)
    await leaving
    assert.equal((await endpoint.closed)?.code, 'CLOSED')
    assert.equal(bus.env.timers, 0)
  })
})

describe('a system object', () => {
  async function vm(): Promise<{ bus: RawBus; upstream: RawControl; system: SystemObject; program(): RawControl }> {
    const bus = rawBus()
    const { endpoint, control } = await bus.attached()
    const system = new SystemObject(endpoint, bus.env)
    const listener = new CarrierListener({ env: bus.env, onCarrier: (carrier) => void system.attach(carrier) })
    return { bus, upstream: control, system, program: () => new RawControl(dialler(listener)()) }
  }

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
