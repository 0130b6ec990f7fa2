// Channels whose other end does what it likes, through the broker.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { codeNumber } from '../errors/index.ts'
import { encodeMessage } from './codec.ts'
import { dialler, everyone, KINDS, newBus, offerEcho, openChannel, rejects, turns, works } from './harness.test.ts'
import { DEFAULT_BUS_LIMITS } from './limits.ts'

for (const kind of KINDS) {
  describe(`over ${kind}`, () => {
    test('a channel without a stream is refused, and what was opened for it is closed', async () => {
      const bus = newBus()
      const storage = await bus.honest(kind, 'storage')
      const accepted = await offerEcho(storage.endpoint)
      const { control } = bus.raw(kind, 'mallory')
      await control.contact()
      control.send(openChannel(41, 'storage/echo'))
      await bus.env.advance(DEFAULT_BUS_LIMITS.openTime)
      assert.equal((await control.next('openResult')).code, codeNumber(kind === 'mux' ? 'RESET' : 'DEADLINE'))
      for (const channel of accepted) assert.equal((await channel.closed)?.code, 'CANCELLED')
      await control.answers()
      bus.idle()
    })

    test('too many channels are refused, one by one', async () => {
      const bus = newBus(everyone, { channels: 3 })
      const storage = await bus.honest(kind, 'storage')
      await offerEcho(storage.endpoint)
      const raw = bus.raw(kind, 'mallory')
      await raw.control.contact()
      const codes: number[] = []
      for (let i = 0; i < (kind === 'mux' ? 5 : 3); i++) {
        raw.control.send(openChannel(raw.open().id, 'storage/echo'))
        codes.push((await raw.control.next('openResult')).code)
      }
      assert.deepEqual(codes.slice(0, 3), [0, 0, 0])
      for (const code of codes.slice(3)) assert.equal(code, codeNumber('BUSY'))
      raw.cut()
      await turns()
      bus.idle()
    })

    test('one caller cannot keep the others out of a service, whether it is answered or not', async () => {
      const bus = newBus(everyone, { channels: 6, channelsPerCaller: 3 })
      const storage = await bus.honest(kind, 'storage')
      await offerEcho(storage.endpoint)
      await storage.endpoint.offer('slow', { decide: () => {} })
      const mallory = await bus.honest(kind, 'mallory')
      const opened = await mallory.endpoint.open('storage/echo')
      await mallory.endpoint.open('storage/echo')
      const undecided = mallory.endpoint.open('storage/slow')
      await turns()
      const refusal = await rejects(mallory.endpoint.open('storage/echo'), 'BUSY')
      assert.match(refusal.message, /"mallory" has 3 channels to "storage", the limit of one caller/)
      const web = await bus.honest(kind, 'web')
      await works(web.endpoint)
      // What it gives back it may have again.
      opened.close()
      await turns()
      const again = await mallory.endpoint.open('storage/echo')
      await rejects(mallory.endpoint.open('storage/echo'), 'BUSY')
      mallory.cut()
      assert.equal((await again.closed)?.code, 'LINK_LOST')
      await rejects(undecided, 'LINK_LOST')
      await turns()
      bus.idle()
    })

    test('all channels that are allowed can be opened in one burst', async () => {
      const bus = newBus()
      const names = ['storage', 'depot']
      for (const name of names) await offerEcho((await bus.honest(kind, name)).endpoint)
      const web = await bus.honest(kind, 'web')
      const { channels: all, channelsPerCaller } = DEFAULT_BUS_LIMITS
      assert.equal(all, names.length * channelsPerCaller)
      const opening = names.flatMap((name) =>
        Array.from({ length: channelsPerCaller }, () => web.endpoint.open(`${name}/echo`)),
      )
      const channels = await Promise.all(opening)
      await rejects(web.endpoint.open('storage/echo'), 'BUSY')
      for (const channel of channels) channel.close()
      await turns()
      bus.idle()
    })

    test('a caller that opens and leaves without end does not end the session of a service that reads slowly', async () => {
      const bus = newBus()
      const slow = bus.raw(kind, 'storage', false)
      slow.control.send({ kind: 'initiateContact', oldest: 1, newest: 1, features: 0 })
      slow.control.send({ kind: 'makeOffer', offerId: 1, service: 'echo', mode: 'byte', contract: '' })
      await turns()
      const mallory = bus.raw(kind, 'mallory')
      await mallory.control.contact()
      const open = (at: number): { id: number; close(): void } => {
        const stream = kind === 'mux' ? mallory.open() : undefined
        const id = stream?.id ?? 2 * at + 1
        mallory.control.send(openChannel(id, 'storage/echo'))
        return { id, close: () => stream?.link.close() }
      }
      const streams: (() => void)[] = []
      for (let at = 0; at < 20_000; at++) {
        const { id, close } = open(at)
        mallory.control.send({ kind: 'closeChannel', channelId: id, code: codeNumber('CANCELLED'), text: '' })
        streams.push(close)
        if (streams.length < 100) continue
        // The reset of a stream must not overtake what is said of it.
        await turns(2)
        for (const over of streams.splice(0)) over()
      }
      await turns()
      assert.equal(bus.ended('storage'), undefined)
      mallory.control.received.length = 0
      open(20_000)
      assert.equal((await mallory.control.next('openResult')).code, codeNumber('BUSY'))
      // Once it has read what waits, others find it as before.
      const readAll = async (): Promise<void> => {
        while ((await slow.control.link.read()) !== undefined);
      }
      readAll().catch(() => {})
      await turns()
      const web = await bus.honest(kind, 'web')
      const opening = web.endpoint.open('storage/echo')
      await turns()
      assert.equal(
        await Promise.race([opening.catch((thrown: unknown) => thrown), turns().then(() => 'waits')]),
        'waits',
      )
      opening.catch(() => {})
    })

    test('streams that nothing was said about are refused beyond a limit', async () => {
      const bus = newBus()
      const raw = bus.raw(kind, 'mallory')
      await raw.control.contact()
      const streams = Array.from({ length: DEFAULT_BUS_LIMITS.channels + 1 }, () => raw.open())
      await turns()
      const last = streams.at(-1)
      await rejects(last?.link.read(), 'RESET', 'LIMIT')
      await raw.control.answers()
    })

    test('the longest deadline there is passes no timer its range, and frees the slot when the caller leaves', async () => {
      const bus = newBus()
      const storage = await bus.honest(kind, 'storage')
      let wanted = 0
      await storage.endpoint.offer('slow', { decide: () => void wanted++ })
      const raw = bus.raw(kind, 'mallory')
      await raw.control.contact()
      raw.control.send(openChannel(raw.open().id, 'storage/slow', { deadline: 0xffff_ffff }))
      await turns()
      assert.equal(wanted, 1)
      assert.deepEqual(raw.control.received, [], 'it was answered before anybody decided')
      raw.cut()
      await turns()
      bus.idle()
    })

    test('a target that says yes a thousand times, or yes and then no, opens one channel at most', async () => {
      const bus = newBus()
      const raw = bus.raw(kind, 'mallory')
      await raw.control.contact()
      raw.control.send({ kind: 'makeOffer', offerId: 1, service: 'trap', mode: 'byte', contract: '' })
      const web = await bus.honest(kind, 'web')
      const opening = web.endpoint.open('mallory/trap')
      const { channelId, caller, callerEpoch } = await raw.control.next('openChannel')
      assert.deepEqual([caller, callerEpoch], ['web', 1])
      for (let i = 0; i < 1000; i++) raw.control.send({ kind: 'openResult', channelId, code: 0, text: '' })
      raw.control.send({ kind: 'openResult', channelId, code: codeNumber('DENIED'), text: 'no' })
      if (kind === 'mux') {
        const channel = await opening
        channel.close()
      } else {
        // It said yes and never dialled.
        await rejects(opening, 'DENIED')
      }
      await turns()
      bus.idle()
    })

    test('a refusal may carry any code and any text: the caller gets a code of the list and text that prints', async () => {
      const bus = newBus()
      const raw = bus.raw(kind, 'mallory')
      await raw.control.contact()
      raw.control.send({ kind: 'makeOffer', offerId: 1, service: 'trap', mode: 'byte', contract: '' })
      const web = await bus.honest(kind, 'web')
      const opening = web.endpoint.open('mallory/trap')
      const { channelId } = await raw.control.next('openChannel')
      raw.control.send({ kind: 'openResult', channelId, code: 123_456, text: '\u001b[2J\r\n' + 'x'.repeat(900) })
      const reason = await rejects(opening, 'RESET')
      assert.match(reason.message, /^[\x20-\x7e…]{1,400}$/)
      bus.idle()
    })

    test('a peer that never reads a channel makes its writer wait, and the bus holds a bounded amount', async () => {
      const bus = newBus()
      const raw = bus.raw(kind, 'mallory')
      await raw.control.contact()
      raw.control.send({ kind: 'makeOffer', offerId: 1, service: 'sink', mode: 'byte', contract: '' })
      const web = await bus.honest(kind, 'web')
      const opening = web.endpoint.open('mallory/sink')
      const { channelId } = await raw.control.next('openChannel')
      if (kind !== 'mux') raw.stream(channelId)
      raw.control.send({ kind: 'openResult', channelId, code: 0, text: '' })
      const channel = await opening
      let written = 0
      const writing = (async () => {
        for (;;) {
          await channel.write(new Uint8Array(65_536))
          written += 65_536
        }
      })()
      await turns(300)
      const before = written
      await turns(300)
      assert.equal(written, before, 'the writer still gets room')
      assert.ok(written < 2_500_000, `${written} bytes were taken`)
      let held = 0
      for (const mux of bus.muxes) {
        const { streams } = (mux.inspect() as { mux: { streams: { queued: number; unread: number }[] } }).mux
        for (const { queued, unread } of streams) held += queued + unread
      }
      assert.ok(held < 1_500_000, `the bus holds ${held} bytes`)
      raw.cut()
      await rejects(writing, 'PEER_DIED')
      await turns()
      bus.idle()
    })

    test('a session that was replaced reaches nothing any more, and its channels end', async () => {
      const bus = newBus()
      const storage = await bus.honest(kind, 'storage')
      const accepted = await offerEcho(storage.endpoint)
      const old = bus.raw(kind, 'web')
      const { token } = await old.control.contact()
      old.control.send(openChannel(old.open().id, 'storage/echo'))
      assert.equal((await old.control.next('openResult')).code, 0)
      const fresh = bus.raw(kind, 'web')
      assert.equal((await fresh.control.contact()).epoch, 2)
      assert.equal(bus.ended('web'), 'STALE_EPOCH')
      assert.equal((await accepted[0]?.closed)?.code, 'PEER_DIED')
      old.control.send({ kind: 'makeOffer', offerId: 1, service: 'ghost', mode: 'byte', contract: '' })
      if (kind !== 'mux') {
        const late = dialler(bus.listener('web'))()
        void late.write(encodeMessage({ kind: 'attachStream', token: token.slice(), channelId: 3 }))
        await rejects(late.read(), 'STALE_EPOCH')
      }
      await turns()
      assert.ok(!bus.events.some((event) => event.kind === 'offered' && event.service === 'ghost'))
      await fresh.control.answers()
      bus.idle()
    })
  })
}
