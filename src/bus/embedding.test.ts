// Callbacks of the program that embeds the bus, or an end of it, which throw; and a bus that is closed or given a bad name.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BusbarError } from '../errors/index.ts'
import { memoryPair } from '../link/index.ts'
import { everyone, KINDS, newBus, offerEcho, rejects, turns, works } from './harness.test.ts'
import { MuxCarrier } from './mux-carrier.ts'

function fail(): never {
  throw new Error('/etc/secret is missing')
}

// A rejection that nobody handles fails a test by itself.
for (const kind of KINDS) {
  describe(`over ${kind}`, () => {
    for (const [how, observe] of [
      ['throws', fail],
      ['rejects', async () => fail()],
    ] as const) {
      test(`an observer that ${how} at every event changes nothing`, async () => {
        const bus = newBus(
          { ...everyone, decide: ({ service }) => ({ allowed: service === 'echo', rule: 'x' }) },
          {},
          observe,
        )
        const [storage, web] = [await bus.honest(kind, 'storage'), await bus.honest(kind, 'web')]
        await offerEcho(storage.endpoint)
        const other = await storage.endpoint.offer('other', { decide: () => {} })
        assert.equal((await web.endpoint.offers.list()).length, 2)
        await rejects(web.endpoint.open('storage/other'), 'DENIED')
        other.withdraw()
        await works(web.endpoint)
        assert.equal((await web.endpoint.offers.list()).length, 1)
        const channel = await web.endpoint.open('storage/echo')
        storage.cut()
        await rejects(channel.read(), 'PEER_DIED')
        await turns()
        assert.deepEqual(await web.endpoint.offers.list(), [])
        // Nothing of the dead one is left: it comes back and offers the same.
        const again = await bus.honest(kind, 'storage')
        await offerEcho(again.endpoint)
        await works(web.endpoint)
        const seen = new Set(bus.events.map((event) => event.kind))
        assert.deepEqual(seen, new Set(['attached', 'offered', 'refused', 'withdrawn', 'detached']))
        bus.idle()
      })
    }

    test('policy that throws says no, to the caller without its words, and hides what it cannot judge', async () => {
      let broken = true
      const bus = newBus({
        decide: () => (broken ? fail() : { allowed: true, rule: 'test' }),
        sees: ({ service }) => (service === 'odd' ? fail() : true),
      })
      const [storage, web] = [await bus.honest(kind, 'storage'), await bus.honest(kind, 'web')]
      const names = async (): Promise<string[]> => (await web.endpoint.offers.list()).map(({ service }) => service)
      await storage.endpoint.offer('odd', { decide: () => {} })
      await offerEcho(storage.endpoint)
      assert.deepEqual(await names(), ['echo'])
      // Both who watched before and the one who offers go on, and what cannot be judged is offered once all the same.
      const odd = await storage.endpoint.offer('even', { decide: () => {} })
      await rejects(storage.endpoint.offer('odd', { decide: () => {} }), 'ALREADY_OFFERED')
      assert.deepEqual(await names(), ['echo', 'even'])
      odd.withdraw()
      const refusal = await rejects(web.endpoint.open('storage/echo'), 'DENIED')
      assert.match(refusal.message, /policy failed to decide/)
      assert.doesNotMatch(`${refusal.message} ${String(refusal.cause)}`, /secret/)
      const told = bus.events.find((event) => event.kind === 'refused')
      assert.match(String(told?.reason.cause), /secret/)
      broken = false
      await works(web.endpoint)
      bus.idle()
    })

    test('a watcher that throws keeps neither the others nor itself from the next change', async () => {
      const bus = newBus()
      const [storage, web] = [await bus.honest(kind, 'storage'), await bus.honest(kind, 'web')]
      await storage.endpoint.offer('first', { decide: () => {} })
      await web.endpoint.offers.list()
      const heard: string[] = []
      const hear = (who: string) => (what: { kind: string } | { code: string }) => {
        heard.push(`${who} ${'kind' in what ? what.kind : what.code}`)
        if (who === 'bad') fail()
        if (who === 'worse') return Promise.reject(new Error('late'))
      }
      for (const who of ['bad', 'worse', 'good']) web.endpoint.offers.watch(hear(who), hear(who))
      const waiting = rejects(web.endpoint.offers.wait(fail), 'INTERNAL')
      const echo = await storage.endpoint.offer('second', { decide: () => {} })
      await waiting
      echo.withdraw()
      await turns()
      await offerEcho(storage.endpoint)
      await works(web.endpoint)
      web.cut()
      await turns()
      const changes = ['added', 'added', 'removed', 'added', 'LINK_LOST']
      for (const who of ['bad', 'worse', 'good']) {
        const own = heard.filter((line) => line.startsWith(who)).map((line) => line.slice(who.length + 1))
        assert.deepEqual(own, changes, who)
      }
      // The session is over: whoever comes now hears why.
      web.endpoint.offers.watch(() => {}, hear('bad'))
      assert.equal(heard.at(-1), 'bad LINK_LOST')
      bus.idle()
    })

    test('a service that rejects while it decides refuses that opening', async () => {
      const bus = newBus()
      const [storage, web] = [await bus.honest(kind, 'storage'), await bus.honest(kind, 'web')]
      await storage.endpoint.offer('late', { decide: async () => fail() })
      await offerEcho(storage.endpoint)
      const refusal = await rejects(web.endpoint.open('storage/late'), 'INTERNAL')
      assert.match(refusal.message, /failed to decide/)
      await works(web.endpoint)
      bus.idle()
    })

    test('a follower that throws, now or later, hears no more; the pipe and the other followers do', async () => {
      const bus = newBus()
      const [storage, web] = [await bus.honest(kind, 'storage'), await bus.honest(kind, 'web')]
      await offerEcho(storage.endpoint)
      let deaf = 0
      bus.broker.follow(fail)
      bus.broker.follow(() => ({
        bytes: () => {
          deaf++
          fail()
        },
        ended: fail,
        closed: fail,
      }))
      bus.broker.follow(() => ({ bytes: () => {}, ended: fail, closed: fail }))
      bus.broker.follow(() => ({ bytes: () => {}, ended: () => {}, closed: fail }))
      const heard: string[] = []
      bus.broker.follow(() => ({
        bytes: (_, chunk) => heard.push(String(chunk)),
        ended: () => heard.push('ended'),
        closed: () => heard.push('closed'),
      }))
      await works(web.endpoint)
      assert.equal(deaf, 1)
      assert.deepEqual(heard, ['7', '7', 'ended', 'ended', 'closed'])
      bus.idle()
    })
  })
}

test('a link that is attached under a bad name is closed', async () => {
  const bus = newBus()
  const [near, far] = memoryPair()
  const carrier = new MuxCarrier(far, { side: 'bus', env: bus.env })
  assert.throws(() => bus.broker.attach('no name', carrier), { code: 'INVALID_ARGUMENT' })
  assert.equal((await carrier.closed)?.code, 'INVALID_ARGUMENT')
  assert.ok((await near.closed) !== undefined)
  assert.deepEqual((bus.broker.inspect() as { partitions: unknown[] }).partitions, [])
  bus.idle()
})

for (const kind of KINDS) {
  test(`a bus that was closed lets nobody in, over ${kind}`, async () => {
    const bus = newBus()
    const early = await bus.honest(kind, 'early')
    bus.broker.close()
    assert.equal((await early.endpoint.closed) instanceof BusbarError, true)
    assert.equal(bus.ended('early'), 'CLOSED')
    for (const name of ['early', 'late']) {
      const { control } = bus.raw(kind, name)
      control.send({ kind: 'initiateContact', oldest: 1, newest: 1, features: 0 })
      await turns()
      assert.ok(control.over !== undefined)
      assert.deepEqual(control.received, [])
      assert.equal(bus.ended(name), 'CLOSED')
    }
    assert.equal(bus.events.filter((event) => event.kind === 'attached').length, 1)
    bus.idle()
  })
}

test('nobody gets in either while the bus is closing', async () => {
  let attachAgain = (): void => {}
  const bus = newBus(everyone, {}, (event) => event.kind === 'detached' && attachAgain())
  await bus.honest('mux', 'web')
  const carriers: MuxCarrier[] = []
  attachAgain = () => {
    attachAgain = () => {}
    const carrier = new MuxCarrier(memoryPair()[0], { side: 'bus', env: bus.env })
    carriers.push(carrier)
    bus.broker.attach('web', carrier)
  }
  bus.broker.close(new BusbarError('CANCELLED', 'stopped'))
  assert.equal((await carriers[0]?.closed)?.code, 'CANCELLED')
  await turns()
  bus.idle()
})
