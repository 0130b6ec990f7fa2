import type { Awaitable } from '../link/index.ts'
import { BusbarError, codeNumber } from '../errors/index.ts'
import { Channel } from './channel.ts'
import { FEATURES } from './contact.ts'
import type { Message, Messages } from './messages.ts'
import { textFor } from './reasons.ts'
import type { RaisableLink, RingMedium, RingSignals } from './rings.ts'

/** What the bus says to a partition of the rings of its channels. */
export type RingMessage = Extract<Message, { kind: 'offerRing' | 'offerPlace' | 'useRing' | 'ringBell' }>

/** A partition's ends of rings: takes the memory that the bus offers, and answers. */
export class RingEnds {
  #medium: RingMedium | undefined
  readonly #channel: (id: number) => Awaitable<Channel> | undefined
  readonly #send: (message: Message) => void
  readonly #ring: (channelId: number) => void
  /** Channels whose rings are being taken, and those of them whose rings were called off meanwhile. */
  readonly #taking = new Set<number>()
  readonly #calledOff = new Set<number>()

  /** `ring` tells the bus that an end has rung, which may be without end. */
  constructor(
    medium: RingMedium | undefined,
    channel: (id: number) => Awaitable<Channel> | undefined,
    send: (message: Message) => void,
    ring: (channelId: number) => void,
  ) {
    this.#medium = medium
    this.#channel = channel
    this.#send = send
    this.#ring = ring
  }

  /** What the means to have rings says of itself; `undefined` where there are none. */
  inspect(): unknown {
    return this.#medium?.inspect?.()
  }

  /** The feature bit to ask for. */
  get feature(): number {
    if (this.#medium === undefined) return 0
    return this.#medium.maps === 'places' ? FEATURES.PLACES : FEATURES.RINGS
  }

  /** These are the features that both sides have. */
  agreed(features: number): void {
    if ((features & this.feature) === 0) this.#medium = undefined
  }

  /** Makes of the stream of a channel one that can go over to rings, if there are any. */
  wrap(stream: Parameters<RingMedium['wrap']>[0]): typeof stream {
    return this.#medium?.wrap(stream) ?? stream
  }

  /** Throws `PROTOCOL` for what was not agreed on. */
  received(message: RingMessage): void {
    const { feature } = this
    const needed = {
      offerRing: FEATURES.RINGS,
      offerPlace: FEATURES.PLACES,
      ringBell: FEATURES.PLACES,
      useRing: feature,
    }
    if (feature === 0 || needed[message.kind] !== feature) {
      throw new BusbarError('PROTOCOL', `${message.kind}: such rings were not agreed on`)
    }
    if (message.kind === 'ringBell') return this.#raisable(message.channelId)?.rung?.()
    if (message.kind === 'useRing') return this.#use(message)
    void this.#take(message)
  }

  /** Not to have rings is no failure: the channel stays as it is. */
  async #take(message: Extract<RingMessage, { kind: 'offerRing' | 'offerPlace' }>): Promise<void> {
    const { channelId, kind, ...grant } = message
    const signals: RingSignals = {
      ring: () => this.#ring(channelId),
      released: () => this.#send({ kind: 'releasePlace', channelId }),
    }
    let refused: BusbarError | undefined
    this.#taking.add(channelId)
    try {
      const channel = await this.#opened(channelId)
      if (channel?.raisable === undefined) {
        if (kind === 'offerPlace') signals.released()
        throw new BusbarError('CLOSED', `channel ${channelId} is not open`)
      }
      await channel.raisable.take(grant, signals)
      if (this.#calledOff.has(channelId)) channel.raisable.abandon()
    } catch (thrown) {
      refused = BusbarError.from(thrown)
    } finally {
      this.#taking.delete(channelId)
      this.#calledOff.delete(channelId)
    }
    const code = refused === undefined ? 0 : codeNumber(refused.code)
    this.#send({ kind: 'ringResult', channelId, code, text: refused === undefined ? '' : textFor(refused) })
  }

  /** The channel, once it is open; one that does not open after all is none. */
  async #opened(channelId: number): Promise<Channel | undefined> {
    try {
      return await this.#channel(channelId)
    } catch {
      return undefined
    }
  }

  #use({ channelId, code }: Messages['useRing']): void {
    const stream = this.#raisable(channelId)
    if (code === 0) return stream?.raise()
    if (this.#taking.has(channelId)) this.#calledOff.add(channelId)
    stream?.abandon()
  }

  #raisable(channelId: number): RaisableLink | undefined {
    const channel = this.#channel(channelId)
    return channel instanceof Channel ? channel.raisable : undefined
  }
}
