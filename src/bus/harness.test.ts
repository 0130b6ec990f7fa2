// What the hostile tests of the bus share: a clock that stands still, peers that write what they like, and honest ones.
import assert from 'node:assert/strict'
import { BusbarError, type ErrorCode } from '../errors/index.ts'
import { type ByteLink, type Env, type MemoryLink, memoryPair, PacketStream, type Timer } from '../link/index.ts'
import { MuxSession } from '../mux/index.ts'
import { RingAllocator, RingMedium } from '../transport/index.ts'
import { type AccessPolicy, Broker, type BusEvent } from './broker.ts'
import { CarrierListener } from './carrier-listener.ts'
import type { Channel } from './channel.ts'
import { encodeMessage, MessageDecoder } from './codec.ts'
import { DialledCarrier } from './dialled-carrier.ts'
import { Endpoint } from './endpoint.ts'
import { type BusLimits, DEFAULT_BUS_LIMITS } from './limits.ts'
import type { Message, MessageKind, Messages } from './messages.ts'
import { MuxCarrier } from './mux-carrier.ts'

/** How a session travels; `rings` are links whose channels go over to rings where both ends are honest. */
export type Kind = 'mux' | 'links' | 'rings'
export const KINDS: readonly Kind[] = ['mux', 'links', 'rings']

const allocator = await RingAllocator.load()
const medium = await RingMedium.load()

/** Settles when every pipe has gone over to rings, if that is what it does. */
export async function raised(kind: Kind, broker: Broker): Promise<void> {
  const media = (): string[] => (broker.inspect() as { pipes: { medium: string }[] }).pipes.map((pipe) => pipe.medium)
  while (kind === 'rings' && !media().every((one) => one === 'ring')) await turns(1)
}

/** Lets the world go on for some macrotasks. */
export async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** An `Env` whose clock moves only when told, that counts its timers and refuses delays that no timer takes. */
export class TestEnv implements Env {
  readonly #timers = new Set<{ at: number; run: () => void }>()
  #now = 0
  #state = 1

  get timers(): number {
    return this.#timers.size
  }

  now(): number {
    return this.#now
  }

  timer(delay: number, run: () => void): Timer {
    assert.ok(delay >= 0 && delay <= 0x7fff_ffff, `a timer of ${delay} ms`)
    const timer = { at: this.#now + delay, run }
    this.#timers.add(timer)
    return { cancel: () => this.#timers.delete(timer) }
  }

  random(into: Uint8Array): Uint8Array {
    for (let i = 0; i < into.length; i++) {
      this.#state = (Math.imul(this.#state, 1_103_515_245) + 12_345) >>> 0
      into[i] = this.#state >>> 16
    }
    return into
  }

  post(run: () => void): void {
    setImmediate(run)
  }

  /** Time passes in which nothing runs. */
  suspend(ms: number): void {
    this.#now += ms
  }

  async advance(ms: number): Promise<void> {
    await turns()
    const until = this.#now + ms
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      this.#timers.delete(due)
      this.#now = Math.max(this.#now, due.at)
      due.run()
      await turns()
    }
    this.#now = until
  }
}

/** A control stream by hand. */
export class RawControl {
  readonly link: ByteLink
  readonly received: Message[] = []
  /** Why it is over: a code, or the end. */
  over: ErrorCode | 'end' | undefined

  constructor(link: ByteLink, reads = true) {
    this.link = link
    if (reads) void this.#run()
  }

  send(...messages: Message[]): void {
    for (const message of messages) void this.link.write(encodeMessage(message))
  }

  /** The next message of that kind; others that came before stay. */
  async next<K extends MessageKind>(kind: K): Promise<{ kind: K } & Messages[K]> {
    for (let i = 0; i < 100; i++) {
      const at = this.received.findIndex((message) => message.kind === kind)
      if (at >= 0) return this.received.splice(at, 1)[0] as unknown as { kind: K } & Messages[K]
      await turns(1)
    }
    assert.fail(`no ${kind} came: ${this.over ?? 'the session lives'}`)
  }

  async contact(): Promise<Messages['versionResponse']> {
    this.send({ kind: 'initiateContact', oldest: 1, newest: 1, features: 0 })
    return this.next('versionResponse')
  }

  /** Fails unless the session still answers. */
  async answers(): Promise<void> {
    this.received.length = 0
    this.send({ kind: 'requestOffers' })
    await this.next('allOffersDelivered')
  }

  async #run(): Promise<void> {
    const decoder = new MessageDecoder(DEFAULT_BUS_LIMITS.controlMessage)
    try {
      for (let chunk = await this.link.read(); chunk !== undefined; chunk = await this.link.read()) {
        decoder.push(chunk)
        for (let next = decoder.next(); next !== undefined; next = decoder.next()) this.received.push(next)
      }
      this.over = 'end'
    } catch (thrown) {
      this.over = BusbarError.from(thrown).code
    }
  }
}

/** A partition that writes what it likes. */
interface RawPartition {
  readonly control: RawControl
  /** A stream of its own; on links, attached with `token`. */
  open(): { id: number; link: ByteLink }
  /** The stream of that id that the bus opened; on links the partition dials it. */
  stream(id: number): ByteLink
  cut(): void
}

export interface Bus {
  readonly broker: Broker
  readonly env: TestEnv
  readonly events: BusEvent[]
  /** The bus's ends of the muxes, in the order they were made. */
  readonly muxes: MuxCarrier[]
  raw(kind: Kind, partition: string, reads?: boolean): RawPartition
  honest(kind: Kind, partition: string): Promise<{ endpoint: Endpoint; cut(): void }>
  /** The listener of a partition whose streams are links. */
  listener(partition: string): CarrierListener
  /** Why the last session of that partition ended. */
  ended(partition: string): ErrorCode | undefined
  /** Fails unless no channel, relay or timer is left; sessions that live may stay. */
  idle(): void
}

export const everyone: AccessPolicy = { decide: () => ({ allowed: true, rule: 'test' }), sees: () => true }

const LOST: BusbarError = new BusbarError('LINK_LOST', 'cut')

/** `alsoObserve` may throw. Nobody is asked whether it is there, unless `chosen` says how often: a live session then has no timer. */
export function newBus(
  policy: AccessPolicy = everyone,
  chosen: Partial<BusLimits> = {},
  alsoObserve: (event: BusEvent) => unknown = () => {},
): Bus {
  const limits = { keepAliveInterval: 0, ...chosen }
  const env = new TestEnv()
  const events: BusEvent[] = []
  const observe = (event: BusEvent): unknown => {
    events.push(event)
    return alsoObserve(event)
  }
  const broker = new Broker({ env, policy, limits, observe, rings: allocator })
  const muxes: MuxCarrier[] = []
  const listeners = new Map<string, CarrierListener>()
  const bus: Bus = {
    broker,
    env,
    events,
    muxes,
    raw: (kind, partition, reads) => {
      if (kind !== 'mux') return rawLinks(bus.listener(partition), reads)
      return rawMux(attachMux(partition), reads)
    },
    honest: async (kind, partition) => {
      const near = kind === 'mux' ? attachMux(partition) : dialler(bus.listener(partition))()
      const carrier =
        kind === 'mux'
          ? new MuxCarrier(near, { side: 'partition', env })
          : new DialledCarrier(near, async () => dialler(bus.listener(partition))())
      const rings = kind === 'rings' ? medium : undefined
      return { endpoint: await Endpoint.attach(carrier, { env, limits, rings }), cut: () => near.close(LOST) }
    },
    listener: (partition) => {
      const known = listeners.get(partition)
      if (known !== undefined) return known
      const onCarrier = (carrier: Parameters<Broker['attach']>[1]): void =>
        void broker.attach(partition, carrier, { here: true })
      const listener = new CarrierListener({ env, limits, onCarrier })
      listeners.set(partition, listener)
      return listener
    },
    ended: (partition) => {
      const all = events.flatMap((event) => (event.kind === 'detached' && event.partition === partition ? [event] : []))
      return all.at(-1)?.reason.code
    },
    idle: () => {
      const { partitions, pipes } = broker.inspect() as {
        partitions: { session?: { channels: unknown[] } }[]
        pipes: unknown[]
      }
      assert.deepEqual(pipes, [])
      for (const { session } of partitions) assert.deepEqual(session?.channels ?? [], [])
      assert.equal(env.timers, 0, 'timers are left')
    },
  }
  function attachMux(partition: string): MemoryLink {
    const [near, far] = memoryPair()
    const carrier = new MuxCarrier(far, { side: 'bus', env })
    muxes.push(carrier)
    broker.attach(partition, carrier)
    return near
  }
  return bus
}

/** Dials a listener over memory. */
export function dialler(listener: CarrierListener): () => MemoryLink {
  return () => {
    const [near, far] = memoryPair()
    listener.accept(far)
    return near
  }
}

function rawMux(near: MemoryLink, reads?: boolean): RawPartition {
  const theirs = new Map<number, ByteLink>()
  const mux = new MuxSession(near, {
    role: 'client',
    env: new TestEnv(),
    onStream: (stream) => void theirs.set(stream.id, stream),
  })
  const control = new RawControl(mux.open(), reads)
  return {
    control,
    open: () => {
      const link = mux.open()
      return { id: link.id, link }
    },
    stream: (id) => theirs.get(id) ?? assert.fail(`the bus opened no stream ${id}`),
    cut: () => near.close(LOST),
  }
}

function rawLinks(listener: CarrierListener, reads?: boolean): RawPartition {
  const dial = dialler(listener)
  const near = dial()
  const control = new RawControl(near, reads)
  let token = new Uint8Array(16)
  let id = -1
  const contact = control.contact.bind(control)
  control.contact = async () => {
    const response = await contact()
    token = new Uint8Array(response.token)
    return response
  }
  const stream = (channelId: number): ByteLink => {
    const link = dial()
    void link.write(encodeMessage({ kind: 'attachStream', token, channelId }))
    return new PacketStream(link)
  }
  const open = (): { id: number; link: ByteLink } => {
    id += 2
    return { id, link: stream(id) }
  }
  return { control, open, stream, cut: () => near.close(LOST) }
}

/** An upward `openChannel`. */
export function openChannel(channelId: number, name: string, more: Partial<Messages['openChannel']> = {}): Message {
  const [partition = '', service = ''] = name.split('/')
  const rest = { offerId: 0, mode: 'byte', deadline: 0, caller: '', callerEpoch: 0 } as const
  return { kind: 'openChannel', channelId, partition, service, ...rest, ...more }
}

/** Fails unless it rejects with that code, within some turns. */
export async function rejects(promise: unknown, ...codes: ErrorCode[]): Promise<BusbarError> {
  let outcome: unknown = 'nothing'
  Promise.resolve(promise).then(
    (value) => {
      outcome = `the value ${String(value)}`
    },
    (thrown: unknown) => {
      outcome = thrown
    },
  )
  for (let i = 0; i < 100 && outcome === 'nothing'; i++) await turns(1)
  assert.ok(outcome instanceof BusbarError, `should reject with ${codes.join(' or ')}, gave ${String(outcome)}`)
  assert.ok(codes.includes(outcome.code), `${outcome.code}: ${outcome.message}`)
  return outcome
}

const NO_TOKEN: Uint8Array = new Uint8Array(16)

/** One message of every kind, with fields that are legal. */
export const ONE_OF_EACH: { readonly [K in MessageKind]: Message } = {
  offer: { kind: 'offer', offerId: 1, partition: 'storage', service: 'disk', mode: 'byte', contract: '' },
  rescindOffer: { kind: 'rescindOffer', offerId: 1, code: 4003, text: '' },
  requestOffers: { kind: 'requestOffers' },
  allOffersDelivered: { kind: 'allOffersDelivered' },
  openChannel: openChannel(3, 'storage/echo'),
  openResult: { kind: 'openResult', channelId: 77, code: 0, text: '' },
  closeChannel: { kind: 'closeChannel', channelId: 77, code: 0, text: '' },
  initiateContact: { kind: 'initiateContact', oldest: 1, newest: 1, features: 0 },
  versionResponse: { kind: 'versionResponse', version: 1, features: 0, partition: 'x', epoch: 1, token: NO_TOKEN },
  unload: { kind: 'unload' },
  unloadResponse: { kind: 'unloadResponse' },
  makeOffer: { kind: 'makeOffer', offerId: 1, service: 'disk', mode: 'byte', contract: '' },
  offerResult: { kind: 'offerResult', offerId: 1, code: 0, text: '' },
  withdrawOffer: { kind: 'withdrawOffer', offerId: 1 },
  attachStream: { kind: 'attachStream', token: NO_TOKEN, channelId: 1 },
  offerRing: {
    kind: 'offerRing',
    channelId: 77,
    process: 1,
    memory: 3,
    callerBell: 4,
    serviceBell: 6,
    side: 0,
    key: NO_TOKEN,
  },
  ringResult: { kind: 'ringResult', channelId: 77, code: 0, text: '' },
  useRing: { kind: 'useRing', channelId: 77, code: 0, text: '' },
  offerPlace: { kind: 'offerPlace', channelId: 77, region: 0, offset: 0, length: 8192, side: 0, key: NO_TOKEN },
  ringBell: { kind: 'ringBell', channelId: 77 },
  releasePlace: { kind: 'releasePlace', channelId: 77 },
  ping: { kind: 'ping' },
  pingResult: { kind: 'pingResult' },
}

/** Offers `echo`; gives the channels that were accepted. */
export async function offerEcho(endpoint: Endpoint): Promise<Channel[]> {
  const accepted: Channel[] = []
  const echo = async (channel: Channel): Promise<void> => {
    accepted.push(channel)
    for (let chunk = await channel.read(); chunk !== undefined; chunk = await channel.read()) await channel.write(chunk)
    await channel.end()
  }
  await endpoint.offer('echo', {
    decide: (opening, caller) =>
      void opening
        .accept(caller)
        .then(echo)
        .catch(() => {}),
  })
  return accepted
}

/** One byte there and back, through `storage/echo`. */
export async function works(endpoint: Endpoint): Promise<void> {
  const channel = await endpoint.open('storage/echo')
  await channel.write(new Uint8Array([7]))
  assert.deepEqual([...((await channel.read()) ?? [])], [7])
  await channel.end()
  assert.equal(await channel.read(), undefined)
  await channel.closed
  await turns()
}
