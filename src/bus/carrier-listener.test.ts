import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeMessage } from './codec.ts'
import { dialler, newBus, ONE_OF_EACH, RawControl, rejects, turns } from './harness.test.ts'
import { DEFAULT_BUS_LIMITS } from './limits.ts'

describe('a listener', () => {
  test('closes a stream with a token that no session has, and starts nothing for what is no contact', async () => {
    const bus = newBus()
    const web = await bus.honest('links', 'web')
    const dial = dialler(bus.listener('web'))
    for (const [message, code] of [
      [ONE_OF_EACH.attachStream, 'STALE_EPOCH'],
      [ONE_OF_EACH.requestOffers, 'PROTOCOL'],
      [ONE_OF_EACH.unload, 'PROTOCOL'],
    ] as const) {
      const link = dial()
      void link.write(encodeMessage(message))
      await rejects(link.read(), code)
    }
    const ended = dial()
    void ended.end()
    await rejects(ended.read(), 'RESET')
    // The session that was there has not been replaced by any of them.
    assert.deepEqual(await web.endpoint.offers.list(), [])
    assert.equal(web.endpoint.identity.epoch, 1)
    bus.idle()
  })

  test('makes room for who speaks by closing the oldest who does not', async () => {
    const bus = newBus()
    const dial = dialler(bus.listener('web'))
    const silent = Array.from({ length: 300 }, dial)
    const control = new RawControl(dial())
    await control.contact()
    await rejects(silent[0]?.read(), 'BUSY')
    await rejects(silent[44]?.read(), 'BUSY')
    await bus.env.advance(DEFAULT_BUS_LIMITS.contactTime)
    assert.equal((await silent[299]?.closed)?.code, 'DEADLINE')
    assert.equal(control.over, undefined)
    bus.idle()
  })

  test('takes no second stream under an id that waits', async () => {
    const bus = newBus()
    const raw = bus.raw('links', 'mallory')
    await raw.control.contact()
    const first = raw.stream(7)
    const second = raw.stream(7)
    await rejects(second.read(), 'LIMIT')
    first.close()
    await turns()
    bus.idle()
  })
})
