/** Machines that share memory, and lie about it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { BusbarError } from '../errors/index.ts'
import { type Awaitable, type ByteLink, memoryPair } from '../link/index.ts'
import { MuxSession } from '../mux/index.ts'
import { Broker } from './broker.ts'
import { openChannel, RawControl, TestEnv, turns } from './harness.test.ts'
import type { Message, Messages } from './messages.ts'
import { MuxCarrier } from './mux-carrier.ts'
import type { OwnPlaces } from './places.ts'
import type { RaisableLink, RingSignals } from './rings.ts'

const PLACES = 2

interface Machine {
  readonly control: RawControl
  readonly mux: MuxSession
}

/** What became of a place: who has said that he has it no more. */
interface World {
  readonly broker: Broker
  readonly env: TestEnv
  readonly released: number[][]
  readonly caller: Machine
  readonly service: Machine
  /** Both machines have been offered a place for this channel of theirs. */
  readonly ids: { caller: number; service: number }
}

function machine(broker: Broker, env: TestEnv, name: string): Machine {
  const [near, far] = memoryPair()
  broker.attach(name, new MuxCarrier(far, { side: 'bus', env }), { places: true })
  const mux = new MuxSession(near, { role: 'client', env: new TestEnv(), onStream: () => {} })
  return { control: new RawControl(mux.open()), mux }
}

/** The bus's own end of memory that it shares with a machine: a stream that says what became of it. */
class OwnEnd implements RaisableLink {
  medium: 'stream' | 'ring' = 'stream'
  readonly #below: ByteLink
  #signals: RingSignals | undefined
  rings = 0

  constructor(below: ByteLink) {
    this.#below = below
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#below.closed
  }
  take(_grant: unknown, signals: RingSignals): void {
    this.#signals = signals
    void this.closed.then(() => this.abandon())
  }
  raise(): void {
    this.medium = 'ring'
  }
  abandon(): void {
    this.#signals?.released()
    this.#signals = undefined
  }
  rung(): void {
    this.rings++
  }
  read(): Awaitable<Uint8Array | undefined> {
    return this.#below.read()
  }
  write(chunk: Uint8Array): Awaitable<void> {
    return this.#below.write(chunk)
  }
  end(): Awaitable<void> {
    return this.#below.end()
  }
  close(reason?: BusbarError): void {
    this.#below.close(reason)
  }
}

/** `own`: the machines share memory with the bus, and not with each other; the bus's ends are put there. */
async function world(features = PLACES, own?: OwnEnd[]): Promise<World> {
  const env = new TestEnv()
  const released: number[][] = []
  const grant = { region: 0, offset: 4096, length: 8192, key: new Uint8Array(16) }
  const wrap = (stream: ByteLink): OwnEnd => {
    const end = new OwnEnd(stream)
    own?.push(end)
    return end
  }
  const places: OwnPlaces = {
    medium: { maps: 'places', wrap },
    allocate: () => {
      const sides: number[] = []
      released.push(sides)
      const grants: readonly [typeof grant & { side: number }, typeof grant & { side: number }] = [
        { ...grant, side: 0 },
        { ...grant, side: 1 },
      ]
      return { grants, rang: () => {}, released: (side: 0 | 1) => void sides.push(side) }
    },
  }
  const allowed = { allowed: true, rule: 'test', direct: true }
  const memory = own === undefined ? { places } : { ownPlaces: places }
  const broker = new Broker({ env, policy: { decide: () => allowed, sees: () => true }, ...memory })
  const caller = machine(broker, env, 'caller')
  const service = machine(broker, env, 'service')
  for (const { control } of [caller, service]) {
    control.send({ kind: 'initiateContact', oldest: 1, newest: 1, features })
    assert.equal((await control.next('versionResponse')).features, features & PLACES)
  }
  service.control.send({ kind: 'makeOffer', offerId: 1, service: 'it', mode: 'byte', contract: '' })
  await service.control.next('offerResult')
  const { id } = caller.mux.open()
  caller.control.send(openChannel(id, 'service/it'))
  const { channelId } = await service.control.next('openChannel')
  service.control.send({ kind: 'openResult', channelId, code: 0, text: '' })
  await caller.control.next('openResult')
  return { broker, env, released, caller, service, ids: { caller: id, service: channelId } }
}

function bells({ received }: RawControl): Message[] {
  return received.filter(({ kind }) => kind === 'ringBell')
}

describe('a machine that shares memory', () => {
  test('is offered the place of its own side, and hears whether it is used', async () => {
    const { caller, service, ids } = await world()
    const sides: Messages['offerPlace'][] = []
    for (const { control } of [caller, service]) sides.push(await control.next('offerPlace'))
    assert.deepEqual(
      sides.map(({ channelId, side }) => [channelId, side]),
      [
        [ids.caller, 0],
        [ids.service, 1],
      ],
    )
    caller.control.send({ kind: 'ringResult', channelId: ids.caller, code: 0, text: '' })
    service.control.send({ kind: 'ringResult', channelId: ids.service, code: 0, text: '' })
    assert.equal((await caller.control.next('useRing')).code, 0)
    assert.equal((await service.control.next('useRing')).code, 0)
    caller.control.send({ kind: 'ringBell', channelId: ids.caller })
    assert.equal((await service.control.next('ringBell')).channelId, ids.service)
  })

  test('gives a place back once, and only its own side of it', async () => {
    const { released, caller, ids } = await world()
    await caller.control.next('offerPlace')
    for (let again = 0; again < 3; again++) caller.control.send({ kind: 'releasePlace', channelId: ids.caller })
    caller.control.send({ kind: 'releasePlace', channelId: ids.service })
    caller.control.send({ kind: 'releasePlace', channelId: 4_000_000_000 })
    await caller.control.answers()
    assert.deepEqual(released, [[0]])
  })

  test('that rings for channels it has not, or has no more, is heard by nobody', async () => {
    const { caller, service, ids } = await world()
    await caller.control.next('offerPlace')
    await service.control.next('offerPlace')
    for (const channelId of [0, ids.caller + 2, ids.service, 4_000_000_000]) {
      caller.control.send({ kind: 'ringBell', channelId })
    }
    caller.control.send({ kind: 'releasePlace', channelId: ids.caller })
    caller.control.send({ kind: 'ringBell', channelId: ids.caller })
    await caller.control.answers()
    await turns()
    assert.deepEqual(bells(service.control), [])
  })

  test('that rings without end makes the other hear a bounded number', async () => {
    const { env, caller, service, ids } = await world()
    await caller.control.next('offerPlace')
    for (let ring = 0; ring < 20_000; ring++) caller.control.send({ kind: 'ringBell', channelId: ids.caller })
    await caller.control.answers()
    await turns(200)
    assert.ok(bells(service.control).length <= 1000, `${bells(service.control).length} bells`)
    service.control.received.length = 0
    await env.advance(50)
    assert.equal(bells(service.control).length, 1)
    await service.control.answers()
  })

  test('that never says whether it has the place keeps it, and the channel stays a stream', async () => {
    const { env, released, caller, service, ids } = await world()
    await caller.control.next('offerPlace')
    await service.control.next('offerPlace')
    service.control.send({ kind: 'ringResult', channelId: ids.service, code: 0, text: '' })
    await env.advance(60_000)
    assert.notEqual((await service.control.next('useRing')).code, 0)
    assert.notEqual((await caller.control.next('useRing')).code, 0)
    assert.deepEqual(released, [[]])
    service.control.send({ kind: 'releasePlace', channelId: ids.service })
    await service.control.answers()
    assert.deepEqual(released, [[1]])
  })

  test('whose link ends has said nothing of what it has', async () => {
    const { released, caller, service } = await world()
    await caller.control.next('offerPlace')
    service.mux.close()
    await turns()
    assert.deepEqual(released, [[]])
  })

  for (const kind of ['ringBell', 'releasePlace', 'ringResult'] as const) {
    test(`ends its session with ${kind} where it has agreed on no places`, async () => {
      const { caller, ids } = await world(0)
      const more = kind === 'ringResult' ? { code: 0, text: '' } : {}
      caller.control.send({ kind, channelId: ids.caller, ...more } as Message)
      await turns()
      assert.notEqual(caller.control.over, undefined)
    })
  }
})

describe('a machine that shares memory with the bus', () => {
  test('is offered a place of which the bus has the other side, by itself', async () => {
    const own: OwnEnd[] = []
    const { caller, service, ids, broker } = await world(PLACES, own)
    const offered = await caller.control.next('offerPlace')
    assert.deepEqual([offered.channelId, offered.side, own.length], [ids.caller, 1, 2])
    caller.control.send({ kind: 'ringResult', channelId: ids.caller, code: 0, text: '' })
    assert.equal((await caller.control.next('useRing')).code, 0)
    assert.deepEqual(own.map(({ medium }) => medium).toSorted(), ['ring', 'stream'])
    caller.control.send({ kind: 'ringBell', channelId: ids.caller })
    await caller.control.answers()
    assert.deepEqual(bells(service.control), [])
    assert.equal(own.find(({ medium }) => medium === 'ring')?.rings, 1)
    service.control.send({ kind: 'ringResult', channelId: ids.service, code: 13, text: 'cannot' })
    assert.notEqual((await service.control.next('useRing')).code, 0)
    const { pipes } = broker.inspect() as { pipes: { medium: string }[] }
    assert.deepEqual(
      pipes.map(({ medium }) => medium),
      ['stream'],
    )
  })

  test('that never says whether it has the place keeps its side of it, and the bus does not', async () => {
    const { env, released, caller, ids } = await world(PLACES, [])
    await caller.control.next('offerPlace')
    await env.advance(60_000)
    assert.notEqual((await caller.control.next('useRing')).code, 0)
    assert.deepEqual(released, [[0], [0]])
    caller.control.send({ kind: 'ringResult', channelId: ids.caller, code: 0, text: '' })
    for (let again = 0; again < 3; again++) caller.control.send({ kind: 'releasePlace', channelId: ids.caller })
    await caller.control.answers()
    assert.deepEqual(released, [[0, 1], [0]])
  })

  test('whose link ends keeps what it has, and the bus gives back its side of both', async () => {
    const { released, caller, service } = await world(PLACES, [])
    await caller.control.next('offerPlace')
    service.mux.close()
    await turns()
    assert.deepEqual(released, [[0], [0]])
  })

  test('that has agreed on no places is offered none', async () => {
    const own: OwnEnd[] = []
    const { caller, released } = await world(0, own)
    await caller.control.answers()
    assert.deepEqual([own, released], [[], []])
  })
})
