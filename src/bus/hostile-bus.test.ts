// A bus that says what it likes, against an endpoint.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BusbarError, codeNumber } from '../errors/index.ts'
import { ONE_OF_EACH, openChannel, rejects, turns } from './harness.test.ts'
import { DEFAULT_BUS_LIMITS } from './limits.ts'
import { MESSAGES, type Message } from './messages.ts'
import { rawBus } from './raw-bus.test.ts'

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
    const bus = rawBus({ signal: stop.signal })
    await (await bus.control()).next('initiateContact')
    stop.abort()
    await rejects(bus.attaching, 'CANCELLED')
    await rejects(rawBus({ signal: stop.signal }).attaching, 'CANCELLED')
    const later = new AbortController()
    const { endpoint } = await rawBus({ signal: later.signal }).attached()
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
