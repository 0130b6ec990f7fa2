// A partition that writes what it likes on its control stream, against the broker.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { codeNumber } from '../errors/index.ts'
import { everyone, KINDS, newBus, offerEcho, ONE_OF_EACH, openChannel, turns, works } from './harness.test.ts'
import { DEFAULT_BUS_LIMITS } from './limits.ts'
import { MESSAGES, type Message } from './messages.ts'

for (const kind of KINDS) {
  describe(`over ${kind}`, () => {
    test('a link that says nothing is closed in time', async () => {
      const bus = newBus()
      const { control } = bus.raw(kind, 'mallory')
      await bus.env.advance(DEFAULT_BUS_LIMITS.contactTime)
      assert.ok(control.over !== undefined)
      if (kind === 'mux') assert.equal(bus.ended('mallory'), 'DEADLINE')
      bus.idle()
    })

    for (const first of ['requestOffers', 'openChannel', 'versionResponse', 'unload'] as const) {
      test(`${first} before initiateContact begins nothing`, async () => {
        const bus = newBus()
        const { control } = bus.raw(kind, 'mallory')
        control.send(ONE_OF_EACH[first])
        await turns()
        assert.ok(control.over !== undefined)
        assert.ok(!bus.events.some((event) => event.kind === 'attached'))
        bus.idle()
      })
    }

    for (const [oldest, newest] of [
      [2, 9],
      [0, 0],
      [1, 0],
      [0xffff_ffff, 0],
    ] as const) {
      test(`versions ${oldest} to ${newest} are answered with none, and that is why the session ends`, async () => {
        const bus = newBus()
        const raw = bus.raw(kind, 'mallory')
        const contact: Message = { kind: 'initiateContact', oldest, newest, features: 0 }
        raw.control.send(contact)
        assert.equal((await raw.control.next('versionResponse')).version, 0)
        if (newest === 9) raw.cut()
        else if (newest === 0 && oldest === 0) raw.control.send(contact)
        await bus.env.advance(DEFAULT_BUS_LIMITS.contactTime)
        assert.equal(bus.ended('mallory'), 'VERSION')
        bus.idle()
      })
    }

    const notForTheBus = Object.values(ONE_OF_EACH).filter(
      (message) =>
        MESSAGES[message.kind].direction === 'down' ||
        message.kind === 'initiateContact' ||
        message.kind === 'attachStream',
    )
    for (const message of notForTheBus) {
      test(`${message.kind} in a session ends it, and only it`, async () => {
        const bus = newBus()
        const storage = await bus.honest(kind, 'storage')
        await offerEcho(storage.endpoint)
        const web = await bus.honest(kind, 'web')
        const { control } = bus.raw(kind, 'mallory')
        await control.contact()
        control.send(message)
        await turns()
        assert.equal(bus.ended('mallory'), 'PROTOCOL')
        assert.ok(control.over !== undefined)
        await works(web.endpoint)
        bus.idle()
      })
    }

    test('bytes that are no message end the session with MALFORMED', async () => {
      for (const bytes of [
        [0xff, 0xff, 0xff, 0xff],
        [4, 0, 0, 0, 99, 0, 0, 0],
        [5, 0, 0, 0, 3, 0, 0, 0, 1],
      ]) {
        const bus = newBus()
        const { control } = bus.raw(kind, 'mallory')
        await control.contact()
        void control.link.write(new Uint8Array(bytes))
        await turns()
        assert.equal(bus.ended('mallory'), 'MALFORMED')
      }
    })

    test('answers and closes for channels that nobody knows mean nothing', async () => {
      const bus = newBus()
      const { control } = bus.raw(kind, 'mallory')
      await control.contact()
      for (const channelId of [0, 1, 2, 3, 0xffff_ffff]) {
        control.send({ kind: 'openResult', channelId, code: 0, text: '' })
        control.send({ kind: 'openResult', channelId, code: 3003, text: 'no' })
        control.send({ kind: 'closeChannel', channelId, code: 0, text: '' })
      }
      control.send(ONE_OF_EACH.withdrawOffer)
      await control.answers()
      bus.idle()
    })

    test('an id that is in use, or not its own to give, ends the session', async () => {
      for (const which of ['in use', 'even']) {
        const bus = newBus()
        const storage = await bus.honest(kind, 'storage')
        await offerEcho(storage.endpoint)
        const raw = bus.raw(kind, 'mallory')
        await raw.control.contact()
        const { id } = raw.open()
        raw.control.send(openChannel(id, 'storage/echo'))
        assert.equal((await raw.control.next('openResult')).code, 0)
        raw.control.send(openChannel(which === 'even' ? 2 : id, 'storage/echo'))
        await turns()
        assert.equal(bus.ended('mallory'), 'PROTOCOL')
        bus.idle()
      }
    })

    test('names that are none are refused before policy is asked, and reach no log as they are', async () => {
      const asked: unknown[] = []
      const bus = newBus({
        ...everyone,
        decide: (question) => {
          asked.push(question)
          return { allowed: true, rule: 'test' }
        },
      })
      const raw = bus.raw(kind, 'mallory')
      await raw.control.contact()
      for (const name of [
        '',
        '/',
        'UP/x',
        'a b/c',
        '\u001b[2J/x',
        'storage/\r\nforged',
        'storage/../x',
        'é/é',
        '-a/b',
      ]) {
        const { id } = raw.open()
        raw.control.send(openChannel(id, name))
        const { code, text } = await raw.control.next('openResult')
        assert.equal(code, codeNumber('INVALID_ARGUMENT'), name)
        assert.match(text, /^[\x20-\x7eé]*$/)
      }
      assert.deepEqual(asked, [])
      assert.match(JSON.stringify(bus.events), /^[\x20-\x7eé]*$/)
      bus.idle()
    })

    test('policy is asked once for each opening, before anything is told of what there is', async () => {
      const asked: string[] = []
      const bus = newBus({
        decide: ({ caller, target, service }) => {
          asked.push(`${caller} ${target}/${service}`)
          return { allowed: false, rule: 'nobody' }
        },
        sees: () => false,
      })
      const storage = await bus.honest(kind, 'storage')
      await offerEcho(storage.endpoint)
      const raw = bus.raw(kind, 'mallory')
      await raw.control.contact()
      const names = ['storage/echo', 'storage/none', 'nowhere/echo', 'mallory/echo']
      const texts = new Set<string>()
      for (const name of names) {
        raw.control.send(openChannel(raw.open().id, name, { caller: 'ada', callerEpoch: 9, mode: 'message' }))
        const { code, text } = await raw.control.next('openResult')
        assert.equal(code, codeNumber('DENIED'))
        texts.add(text.replace(name, ''))
      }
      assert.equal(texts.size, 1, 'the refusals differ')
      assert.deepEqual(
        asked,
        names.map((name) => `mallory ${name}`),
      )
      raw.control.send({ kind: 'requestOffers' })
      await raw.control.next('allOffersDelivered')
      assert.ok(!raw.control.received.some((message) => message.kind === 'offer'))
    })

    test('nobody can call in the name of another', async () => {
      const bus = newBus()
      const storage = await bus.honest(kind, 'storage')
      const accepted = await offerEcho(storage.endpoint)
      const raw = bus.raw(kind, 'mallory')
      await raw.control.contact()
      const { id } = raw.open()
      raw.control.send(openChannel(id, 'storage/echo', { caller: 'web', callerEpoch: 5, offerId: 4 }))
      assert.equal((await raw.control.next('openResult')).code, 0)
      assert.deepEqual(accepted[0]?.caller, { partition: 'mallory', epoch: 1 })
    })

    test('offers: bad names, bad contracts, too many and twice the same are refused; a number twice ends it', async () => {
      const bus = newBus(everyone, { offers: 3 })
      const watcher = bus.raw(kind, 'watcher')
      await watcher.control.contact()
      await watcher.control.answers()
      const { control } = bus.raw(kind, 'mallory')
      await control.contact()
      const offer = async (offerId: number, service: string, contract = ''): Promise<number> => {
        control.send({ kind: 'makeOffer', offerId, service, mode: 'byte', contract })
        return (await control.next('offerResult')).code
      }
      for (const bad of ['', ' ', 'a b', '../x', '\u001b[2J', 'x\n', '.x', 'é'])
        assert.equal(await offer(1, bad), codeNumber('INVALID_ARGUMENT'), bad)
      for (const bad of ['\u001b[2J', 'a\nb', '\u202e', 'é'])
        assert.equal(await offer(1, 'x', bad), codeNumber('INVALID_ARGUMENT'), bad)
      assert.equal(await offer(1, 'a', 'files.FileStore@1.0'), 0)
      assert.equal(await offer(2, 'a'), codeNumber('ALREADY_OFFERED'))
      assert.deepEqual([await offer(2, 'b'), await offer(3, 'c')], [0, 0])
      assert.equal(await offer(4, 'd'), codeNumber('BUSY'))
      control.send({ kind: 'withdrawOffer', offerId: 3 })
      assert.equal(await offer(3, 'd'), 0)
      control.send({ kind: 'makeOffer', offerId: 1, service: 'e', mode: 'byte', contract: '' })
      await turns()
      assert.equal(bus.ended('mallory'), 'PROTOCOL')
      // Whoever watched heard of each once, and of its end.
      const seen = watcher.control.received.map((message) => message.kind)
      assert.equal(seen.filter((each) => each === 'offer').length, 4)
      assert.equal(seen.filter((each) => each === 'rescindOffer').length, 4)
      bus.idle()
    })

    test('a partition is told the end of each offer it was told of, also when policy hides it by then', async () => {
      let visible = true
      const bus = newBus({ ...everyone, sees: () => visible })
      const { control } = bus.raw(kind, 'watcher')
      await control.contact()
      await control.answers()
      const storage = await bus.honest(kind, 'storage')
      await offerEcho(storage.endpoint)
      const { offerId } = await control.next('offer')
      visible = false
      await storage.endpoint.offer('hidden', { decide: () => {} })
      storage.cut()
      assert.equal((await control.next('rescindOffer')).offerId, offerId)
      await turns()
      assert.deepEqual(control.received, [])
    })

    test('a peer that never reads its control stream ends its own session only', async () => {
      const bus = newBus(everyone, { controlBacklog: 10_000 })
      const storage = await bus.honest(kind, 'storage')
      await offerEcho(storage.endpoint)
      const web = await bus.honest(kind, 'web')
      const { control } = bus.raw(kind, 'mallory', false)
      control.send({ kind: 'initiateContact', oldest: 1, newest: 1, features: 0 })
      const bad: Message = { kind: 'makeOffer', offerId: 1, service: '\u0001'.repeat(128), mode: 'byte', contract: '' }
      for (let i = 0; i < 4000 && bus.ended('mallory') === undefined; i++) {
        control.send(bad)
        if (i % 500 === 0) {
          await turns()
          await works(web.endpoint)
        }
      }
      await turns()
      assert.equal(bus.ended('mallory'), 'LIMIT')
      await works(web.endpoint)
      bus.idle()
    })
  })
}
