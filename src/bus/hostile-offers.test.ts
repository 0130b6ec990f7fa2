// A partition that offers and withdraws without end, and those who hear of it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { codeNumber } from '../errors/index.ts'
import { everyone, KINDS, newBus, offerEcho, RawControl, turns, works } from './harness.test.ts'
import { DEFAULT_BUS_LIMITS } from './limits.ts'
import type { Message } from './messages.ts'

function makeOffer(offerId: number, service = 'flash', contract = ''): Message {
  return { kind: 'makeOffer', offerId, service, mode: 'byte', contract }
}

const { offers, offersPerSecond } = DEFAULT_BUS_LIMITS

for (const kind of KINDS) {
  describe(`over ${kind}`, () => {
    test('offers that come and go in a loop are refused beyond a rate, also after attaching again', async () => {
      const bus = newBus()
      const watcher = bus.raw(kind, 'watcher')
      await watcher.control.contact()
      await watcher.control.answers()
      let offerId = 0
      /** Offers and withdraws; gives how many of them were offered, and what the watcher heard. */
      const loop = async (control: RawControl): Promise<number> => {
        watcher.control.received.length = 0
        control.received.length = 0
        for (let i = 0; i < 1000; i++) {
          control.send(makeOffer(++offerId), { kind: 'withdrawOffer', offerId })
          if (i % 50 === 0) await turns(2)
        }
        await turns(60)
        const results = control.received.flatMap((message) => (message.kind === 'offerResult' ? [message] : []))
        assert.equal(results.length, 1000)
        const refused = results.filter(({ code }) => code !== 0)
        for (const { code, text } of refused) {
          assert.equal(code, codeNumber('BUSY'))
          assert.match(text, /"mallory" offers too often: 16 times a second are allowed/)
        }
        const offered = results.length - refused.length
        const heard = watcher.control.received.map((message) => message.kind)
        assert.equal(heard.filter((each) => each === 'offer').length, offered)
        assert.equal(heard.filter((each) => each === 'rescindOffer').length, offered)
        return offered
      }
      const first = bus.raw(kind, 'mallory')
      await first.control.contact()
      assert.equal(await loop(first.control), 2 * offers)
      await bus.env.advance(2000)
      assert.equal(await loop(first.control), 2 * offersPerSecond)
      const second = bus.raw(kind, 'mallory')
      await second.control.contact()
      assert.equal(await loop(second.control), 0)
      // Others may offer as ever, and so may that one when it has waited.
      await offerEcho((await bus.honest(kind, 'storage')).endpoint)
      await works((await bus.honest(kind, 'web')).endpoint)
      await bus.env.advance(1000)
      assert.equal(await loop(second.control), offersPerSecond)
      bus.idle()
    })

    test('a watcher that does not read is told the difference when it does, and nothing that came and went', async () => {
      const bus = newBus(everyone, { offersPerSecond: 1_000_000 })
      const watcher = bus.raw(kind, 'watcher', false)
      watcher.control.send({ kind: 'initiateContact', oldest: 1, newest: 1, features: 0 }, { kind: 'requestOffers' })
      const { control } = bus.raw(kind, 'mallory')
      await control.contact()
      const contract = 'x'.repeat(1000)
      control.send(makeOffer(1, 'early', contract))
      const loops = 4000
      for (let i = 0; i < loops; i++) {
        control.send(makeOffer(2, 'flash', contract), { kind: 'withdrawOffer', offerId: 2 })
        if (i % 50 === 0) await bus.env.advance(1)
      }
      control.send({ kind: 'withdrawOffer', offerId: 1 }, makeOffer(3, 'late', contract))
      watcher.control.send({ kind: 'requestOffers' })
      await turns(60)
      assert.equal(bus.ended('watcher'), undefined)
      const reader = new RawControl(watcher.control.link)
      await turns(300)
      const known = new Map<number, string>()
      let told = 0
      let complete = 0
      for (const message of reader.received) {
        if (message.kind === 'offer') {
          told++
          assert.ok(!known.has(message.offerId))
          known.set(message.offerId, message.service)
        } else if (message.kind === 'rescindOffer') assert.ok(known.delete(message.offerId))
        else if (message.kind === 'allOffersDelivered') complete++
      }
      assert.deepEqual([...known.values()], ['late'])
      assert.equal(complete, 2)
      assert.equal(reader.received.at(-1)?.kind, 'allOffersDelivered')
      assert.ok(told < loops / 2, `${told} offers were told`)
      bus.idle()
    })
  })
}
