// A peer dies in each state of a channel: everything settles at once, with a code, and nothing is left.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BusbarError, type ErrorCode } from '../errors/index.ts'
import type { Channel } from './channel.ts'
import type { Incoming } from './channel-table.ts'
import { type Bus, KINDS, type Kind, newBus, openChannel, raised, rejects, turns } from './harness.test.ts'
import { DEFAULT_BUS_LIMITS } from './limits.ts'

/** What a promise came to: a code, or that it gave something. */
class Outcome {
  code: ErrorCode | 'fulfilled' | 'pending' = 'pending'

  constructor(promise: unknown) {
    Promise.resolve(promise).then(
      () => {
        this.code = 'fulfilled'
      },
      (thrown: unknown) => {
        assert.ok(thrown instanceof BusbarError, String(thrown))
        this.code = thrown.code
      },
    )
  }
}

interface Scene {
  readonly bus: Bus
  readonly sides: Record<'web' | 'storage', { cut(): void }>
  readonly opening: Promise<Channel>
  readonly incoming: Incoming
  /** Answers yes; both ends of the channel. */
  accept(): Promise<{ web: Channel; storage: Channel }>
}

async function scene(kind: Kind): Promise<Scene> {
  const bus = newBus()
  const [web, storage] = [await bus.honest(kind, 'web'), await bus.honest(kind, 'storage')]
  const arrived = new Promise<Incoming>((resolve) => void storage.endpoint.offer('it', { decide: resolve }))
  await turns()
  const opening = web.endpoint.open('storage/it')
  opening.catch(() => {})
  const incoming = await arrived
  const accept = async (): Promise<{ web: Channel; storage: Channel }> => {
    const accepted = await incoming.accept({ partition: 'web', epoch: 1 })
    const web = await opening
    await raised(kind, bus.broker)
    return { web, storage: accepted }
  }
  return { bus, sides: { web, storage }, opening, incoming, accept }
}

/** Brings a channel into a state and gives what must settle; `undefined` as a code means in any way. */
const STATES: Record<string, (scene: Scene, victim: 'web' | 'storage') => Promise<Outcome[]>> = {
  'the opening is being decided': async ({ opening, incoming }) => [
    new Outcome(opening),
    new Outcome(
      new Promise((_, reject) => incoming.signal.addEventListener('abort', () => reject(incoming.signal.reason))),
    ),
  ],
  'the answer is under way': async ({ opening, incoming }) => {
    const accepting = incoming.accept(undefined)
    return [opening, accepting].map(
      (promise) => new Outcome(promise.then(async (channel) => Promise.reject((await channel.closed) ?? 'in order'))),
    )
  },
  'both sides read': async ({ accept }) => {
    const { web, storage } = await accept()
    return [new Outcome(web.read()), new Outcome(storage.read())]
  },
  'both sides wait for room': async ({ accept }) => {
    const { web, storage } = await accept()
    const fill = async (channel: Channel): Promise<void> => {
      for (;;) await channel.write(new Uint8Array(65_536))
    }
    const outcomes = [new Outcome(fill(web)), new Outcome(fill(storage))]
    await turns(200)
    return outcomes
  },
  'the caller has ended': async ({ accept }) => {
    const { web, storage } = await accept()
    await web.end()
    assert.equal(await storage.read(), undefined)
    return [new Outcome(web.read()), new Outcome(storage.closed.then((reason) => Promise.reject(reason)))]
  },
  'the service has ended': async ({ accept }) => {
    const { web, storage } = await accept()
    await storage.end()
    assert.equal(await web.read(), undefined)
    return [new Outcome(storage.read()), new Outcome(web.closed.then((reason) => Promise.reject(reason)))]
  },
  'the one who dies has just closed': async ({ accept }, victim) => {
    const ends = await accept()
    const outcomes = [ends.web, ends.storage].map((end) => new Outcome(end.read()))
    ends[victim].close(new BusbarError('CANCELLED', 'enough'))
    return outcomes
  },
  'the one who lives has just closed': async ({ accept }, victim) => {
    const ends = await accept()
    const outcomes = [ends.web, ends.storage].map((end) => new Outcome(end.read()))
    ends[victim === 'web' ? 'storage' : 'web'].close(new BusbarError('CANCELLED', 'enough'))
    return outcomes
  },
}

for (const kind of KINDS) {
  for (const victim of ['web', 'storage'] as const) {
    describe(`over ${kind}, the ${victim === 'web' ? 'caller' : 'service'} dies while`, () => {
      for (const [state, reach] of Object.entries(STATES)) {
        test(state, async () => {
          const here = await scene(kind)
          const outcomes = await reach(here, victim)
          here.sides[victim].cut()
          await turns(60)
          const allowed: string[] = ['PEER_DIED', 'LINK_LOST', 'CANCELLED', 'RESET']
          for (const { code } of outcomes) assert.ok(allowed.includes(code), code)
          here.bus.idle()
          // Nothing of it is left with the one who lives, either.
          const open = { web: 'storage', storage: 'web' } as const
          const left = here.sides[open[victim]] as unknown as { endpoint: { inspect(): unknown } }
          assert.deepEqual((left.endpoint.inspect() as { channels: unknown[] }).channels, [])
        })
      }
    })
  }

  describe(`over ${kind}`, () => {
    for (const dies of [true, false]) {
      test(`a service that is being asked hears that the caller ${dies ? 'died' : 'changed its mind'}`, async () => {
        const bus = newBus()
        const [web, storage] = [await bus.honest(kind, 'web'), await bus.honest(kind, 'storage')]
        const arrived = new Promise<Incoming>((resolve) => void storage.endpoint.offer('it', { decide: resolve }))
        await turns()
        const cancel = new AbortController()
        const failed = new Outcome(web.endpoint.open('storage/it', { signal: cancel.signal }))
        const { signal } = await arrived
        if (dies) web.cut()
        else cancel.abort()
        await turns(60)
        assert.equal((signal.reason as BusbarError).code, dies ? 'PEER_DIED' : 'CANCELLED')
        assert.equal(failed.code, dies ? 'LINK_LOST' : 'CANCELLED')
        bus.idle()
      })
    }

    test('a service that has said yes hears that the caller died meanwhile', async () => {
      const here = await scene(kind)
      const accepted = here.incoming.accept(undefined)
      here.sides.web.cut()
      const channel = await accepted
      await turns(60)
      assert.equal((await channel.closed)?.code, 'PEER_DIED')
      here.bus.idle()
    })

    test('a service that said yes and whose stream never came holds nobody longer than the deadline', async () => {
      const bus = newBus()
      const raw = bus.raw(kind, 'storage')
      await raw.control.contact()
      raw.control.send({ kind: 'makeOffer', offerId: 1, service: 'it', mode: 'byte', contract: '' })
      const web = await bus.honest(kind, 'web')
      for (const death of ['none', 'caller']) {
        const cancel = new AbortController()
        const opening = web.endpoint.open('storage/it', { signal: cancel.signal })
        const { channelId } = await raw.control.next('openChannel')
        if (kind !== 'mux') raw.control.send({ kind: 'openResult', channelId, code: 0, text: '' })
        const expected = rejects(opening, death === 'none' ? 'DEADLINE' : 'CANCELLED')
        await turns()
        if (death === 'none') await bus.env.advance(DEFAULT_BUS_LIMITS.openTime)
        else cancel.abort()
        await expected
        await raw.control.next('closeChannel')
      }
      bus.idle()
    })

    test('a stream that breaks without a word fails its channel when nothing explains it in time', async () => {
      const bus = newBus()
      const raw = bus.raw(kind, 'storage')
      await raw.control.contact()
      raw.control.send({ kind: 'makeOffer', offerId: 1, service: 'it', mode: 'byte', contract: '' })
      const web = await bus.honest(kind, 'web')
      const opening = web.endpoint.open('storage/it')
      const { channelId } = await raw.control.next('openChannel')
      const stream = raw.stream(channelId)
      raw.control.send({ kind: 'openResult', channelId, code: 0, text: '' })
      const channel = await opening
      const reading = new Outcome(channel.read())
      stream.close()
      await turns()
      assert.equal(reading.code, 'pending')
      await bus.env.advance(DEFAULT_BUS_LIMITS.reasonTime)
      assert.equal(reading.code, 'RESET')
      await raw.control.answers()
      bus.idle()
    })

    test('the reason that follows a broken stream is the one that counts', async () => {
      const bus = newBus()
      const raw = bus.raw(kind, 'storage')
      await raw.control.contact()
      raw.control.send({ kind: 'makeOffer', offerId: 1, service: 'it', mode: 'byte', contract: '' })
      const web = await bus.honest(kind, 'web')
      const opening = web.endpoint.open('storage/it')
      const { channelId } = await raw.control.next('openChannel')
      const stream = raw.stream(channelId)
      raw.control.send({ kind: 'openResult', channelId, code: 0, text: '' })
      const channel = await opening
      stream.close()
      await turns()
      raw.control.send({ kind: 'closeChannel', channelId, code: 2001, text: 'garbage' })
      await rejects(channel.read(), 'MALFORMED')
      await turns()
      bus.idle()
    })

    test('the caller takes an opening back in each of its moments', async () => {
      for (const before of [0, 1, 2, 5, 10, 20]) {
        const bus = newBus()
        const storage = await bus.honest(kind, 'storage')
        const accepted: Channel[] = []
        await storage.endpoint.offer('it', {
          decide: (opening, caller) =>
            void opening.accept(caller).then(
              (channel) => accepted.push(channel),
              () => {},
            ),
        })
        const raw = bus.raw(kind, 'mallory')
        await raw.control.contact()
        const { id, link } = raw.open()
        raw.control.send(openChannel(id, 'storage/it'))
        await turns(before)
        raw.control.send({ kind: 'closeChannel', channelId: id, code: 1003, text: '' })
        link.close()
        await turns(60)
        for (const channel of accepted) assert.equal((await channel.closed)?.code, 'CANCELLED')
        await raw.control.answers()
        bus.idle()
      }
    })
  })
}
