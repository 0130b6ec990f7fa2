import { BusbarError } from '../errors/index.ts'
import { type Awaitable, type ByteLink, flow, type LinkSink } from '../link/index.ts'
import type { Channel } from './channel.ts'
import type { PlaceGrant } from './places.ts'
import type { JoinedEnd, PipeMedium, RaisableLink, RingGrant, RingMedium, RingSignals } from './rings.ts'

/**
 * The rings of a machine, as its system object has them: it maps nothing. What the bus offers for a channel of the machine it offers to the
 * program that the channel was joined to, and passes on what that says.
 */
export class PlaceBridge implements RingMedium {
  readonly maps = 'places'

  wrap(stream: ByteLink): RaisableLink {
    return new BridgedLink(stream)
  }

  /** A channel of the machine belongs to this one of a program. */
  join(channel: Channel, end: JoinedEnd): void {
    const link = channel.raisable
    if (link instanceof BridgedLink) link.join(end)
  }
}

/** A stream of the machine; bytes pass straight through. */
class BridgedLink implements RaisableLink {
  readonly #below: ByteLink
  readonly #joined: Promise<JoinedEnd>
  #join: (end: JoinedEnd) => void = () => {}
  /** The program's end, once it was offered a place. */
  #end: JoinedEnd | undefined
  #medium: PipeMedium = 'stream'

  /** Takes the link. */
  constructor(below: ByteLink) {
    this.#below = below
    this.#joined = new Promise((resolve, reject) => {
      this.#join = resolve
      void below.closed.then(() => reject(new BusbarError('CLOSED', 'the channel is over')))
    })
    this.#joined.catch(() => {})
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#below.closed
  }

  get medium(): PipeMedium {
    return this.#medium
  }

  join(end: JoinedEnd): void {
    this.#join(end)
  }

  async take(grant: RingGrant | PlaceGrant, signals: RingSignals): Promise<void> {
    let end: JoinedEnd
    try {
      if (!('region' in grant)) throw new BusbarError('PROTOCOL', 'a machine maps no descriptors of the bus')
      end = await this.#joined
      if (!end.session.hasPlaces) throw new BusbarError('UNAVAILABLE', 'the program has no rings')
    } catch (thrown) {
      signals.released()
      throw thrown
    }
    this.#end = end
    await end.session.offerPlace(end.channel, grant, signals)
  }

  raise(): void {
    this.#medium = 'ring'
    this.#end?.session.useRing(this.#end.channel, undefined)
  }

  abandon(): void {
    this.#end?.session.useRing(this.#end.channel, new BusbarError('CANCELLED', 'the bus does not use these rings'))
  }

  rung(): void {
    this.#end?.session.rang(this.#end.channel)
  }

  read(): Awaitable<Uint8Array | undefined> {
    return this.#below.read()
  }

  flow(sink: LinkSink): void {
    flow(this.#below, sink)
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
