// A partition that is frozen keeps its link: that it is gone shows only when it is asked.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BusbarError } from '../errors/index.ts'
import { type ByteLink, memoryPair } from '../link/index.ts'
import { FEATURES } from './contact.ts'
import { DialledCarrier } from './dialled-carrier.ts'
import { Endpoint } from './endpoint.ts'
import { type Bus, dialler, everyone, KINDS, type Kind, newBus, openChannel, rejects, turns } from './harness.test.ts'
import { DEFAULT_BUS_LIMITS } from './limits.ts'
import { MuxCarrier } from './mux-carrier.ts'

const LIMITS = { keepAliveInterval: 1000, keepAliveTime: 5000 }

/** A link whose owner can be stopped: what arrives is not read any more. */
class Freezable implements ByteLink {
  readonly #link: ByteLink
  #frozen: Promise<void> | undefined
  #thaw: () => void = () => {}

  constructor(link: ByteLink) {
    this.#link = link
  }

  freeze(): void {
    this.#frozen = new Promise((resolve) => {
      this.#thaw = resolve
    })
  }

  thaw(): void {
    this.#thaw()
    this.#frozen = undefined
  }

  get closed(): ByteLink['closed'] {
    return this.#link.closed
  }

  async read(): Promise<Uint8Array | undefined> {
    const chunk = await this.#link.read()
    await this.#frozen
    return chunk
  }

  write(bytes: Uint8Array): ReturnType<ByteLink['write']> {
    return this.#link.write(bytes)
  }

  end(): ReturnType<ByteLink['end']> {
    return this.#link.end()
  }

  close(reason?: BusbarError): void {
    this.#link.close(reason)
  }
}

/** `storage`, which can be frozen and offers `it`, and `web`, which has a channel to it. */
async function scene(kind: Kind, limits = LIMITS) {
  const bus = newBus(everyone, limits)
  const { link, carrier } = attach(bus, kind, 'storage')
  const storage = await Endpoint.attach(carrier, { env: bus.env })
  await storage.offer('it', { decide: (opening, caller) => void opening.accept(caller) })
  const web = await bus.honest('mux', 'web')
  return { bus, link, storage, channel: await web.endpoint.open('storage/it'), web: web.endpoint }
}

function attach(bus: Bus, kind: Kind, partition: string) {
  const dial = dialler(bus.listener(partition))
  if (kind === 'links') {
    const link = new Freezable(dial())
    return { link, carrier: new DialledCarrier(link, async () => dial()) }
  }
  const [near, far] = memoryPair()
  const link = new Freezable(near)
  bus.broker.attach(partition, new MuxCarrier(far, { side: 'bus', env: bus.env }))
  return { link, carrier: new MuxCarrier(link, { side: 'partition', env: bus.env }) }
}

for (const kind of KINDS) {
  test(`over ${kind}, one that answers stays, however idle it is`, async () => {
    const { bus, channel, storage } = await scene(kind)
    await bus.env.advance(100 * LIMITS.keepAliveInterval)
    assert.deepEqual([bus.ended('storage'), bus.ended('web')], [undefined, undefined])
    assert.equal(bus.env.timers, 2)
    channel.close()
    await storage.detach()
    await turns()
    assert.equal(bus.env.timers, 1)
  })

  test(`over ${kind}, the session of one that is frozen ends, and who waits for it hears of it at once`, async () => {
    const { bus, link, storage, channel, web } = await scene(kind)
    const read = Promise.resolve(channel.read()).catch((thrown: unknown) => BusbarError.from(thrown).code)
    const gone: string[] = []
    await web.offers.list()
    web.offers.watch((change) => {
      if (change.kind === 'removed') gone.push(`${change.offer.service} ${change.reason.code}`)
    })
    link.freeze()
    await bus.env.advance(LIMITS.keepAliveInterval + LIMITS.keepAliveTime - 1)
    assert.equal(bus.ended('storage'), undefined)
    await bus.env.advance(1)
    assert.equal(bus.ended('storage'), 'DEADLINE')
    await turns()
    assert.equal(await read, 'PEER_DIED')
    await rejects(web.open('storage/it'), 'NOT_READY')
    assert.deepEqual(gone, ['it PEER_DIED'])
    // When it runs again it finds that it was given up.
    link.thaw()
    const reason = await storage.closed
    assert.ok(reason instanceof BusbarError, String(reason))
    assert.equal(bus.ended('web'), undefined)
  })

  test(`over ${kind}, one that is slow to answer stays`, async () => {
    const { bus, link } = await scene(kind)
    for (let again = 0; again < 3; again++) {
      link.freeze()
      await bus.env.advance(LIMITS.keepAliveInterval + LIMITS.keepAliveTime - 1)
      link.thaw()
      await turns()
    }
    assert.equal(bus.ended('storage'), undefined)
  })

  test(`over ${kind}, the time in which the bus was suspended is nobody's fault`, async () => {
    const { bus, link } = await scene(kind)
    link.freeze()
    await bus.env.advance(LIMITS.keepAliveInterval)
    for (let again = 0; again < 3; again++) {
      bus.env.suspend(10 * LIMITS.keepAliveTime)
      await bus.env.advance(LIMITS.keepAliveTime - 1)
    }
    assert.equal(bus.ended('storage'), undefined)
    link.thaw()
    await bus.env.advance(100 * LIMITS.keepAliveInterval)
    assert.equal(bus.ended('storage'), undefined)
  })

  test(`over ${kind}, nobody is asked where the interval is 0`, async () => {
    const { bus, link } = await scene(kind, { ...LIMITS, keepAliveInterval: 0 })
    link.freeze()
    await bus.env.advance(1e9)
    assert.deepEqual([bus.ended('storage'), bus.env.timers], [undefined, 0])
  })
}

test('a partition that does not know pings is not asked on its control stream', async () => {
  const bus = newBus(everyone, LIMITS)
  const { control } = bus.raw('links', 'web')
  await control.contact()
  await bus.env.advance(100 * LIMITS.keepAliveInterval)
  await control.answers()
  assert.equal(bus.env.timers, 0)
  control.send({ kind: 'pingResult' })
  await turns()
  assert.equal(bus.ended('web'), 'PROTOCOL')
})

test('answers to no question change nothing, and one that says other things only does not answer', async () => {
  const bus = newBus(everyone, LIMITS)
  const { control } = bus.raw('links', 'web')
  control.send({ kind: 'initiateContact', oldest: 1, newest: 1, features: FEATURES.PING })
  assert.equal((await control.next('versionResponse')).features, FEATURES.PING)
  for (let answers = 0; answers < 1000; answers++) control.send({ kind: 'pingResult' })
  await bus.env.advance(LIMITS.keepAliveInterval)
  await control.next('ping')
  assert.equal(bus.env.timers, 1)
  control.send({ kind: 'pingResult' }, { kind: 'pingResult' })
  await bus.env.advance(LIMITS.keepAliveInterval)
  await control.next('ping')
  for (let id = 1; id < 9; id += 2) control.send(openChannel(id, 'storage/nothing'))
  await bus.env.advance(LIMITS.keepAliveTime)
  assert.deepEqual([bus.ended('web'), bus.env.timers], ['DEADLINE', 0])
})

test('by default only one that is gone for minutes is given up', () => {
  const { keepAliveInterval, keepAliveTime } = DEFAULT_BUS_LIMITS
  assert.deepEqual([keepAliveInterval, keepAliveTime], [30_000, 120_000])
})
