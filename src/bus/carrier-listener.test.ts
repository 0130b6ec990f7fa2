import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BusbarError } from '../errors/index.ts'
import { memoryPair } from '../link/index.ts'
import { CarrierListener } from './carrier-listener.ts'
import { encodeMessage } from './codec.ts'
import { DialledCarrier } from './dialled-carrier.ts'
import { Endpoint } from './endpoint.ts'
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

  test('adopts a control stream that it was not dialled for, and matches its channels by the token', async () => {
    const bus = newBus()
    const [near, far] = memoryPair()
    const listener = new CarrierListener({
      env: bus.env,
      onCarrier: (carrier) => carrier.close(new BusbarError('DENIED', 'nobody attaches here')),
    })
    bus.broker.attach('web', listener.adopt(far))
    const dial = dialler(listener)
    const web = await Endpoint.attach(new DialledCarrier(near, async () => dial()), { env: bus.env })
    const accepted = web.offer('it', { mode: 'byte', decide: (opening, caller) => void opening.accept(caller) })
    await accepted
    const channel = await web.open('web/it', { mode: 'byte' })
    assert.equal(channel.partition, 'web')
    // Whoever dials to attach is turned away.
    const stranger = dial()
    void stranger.write(encodeMessage(ONE_OF_EACH.initiateContact))
    await rejects(stranger.read(), 'DENIED')
    channel.close()
    await web.detach()
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
