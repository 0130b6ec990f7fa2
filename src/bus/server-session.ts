import { BusbarError, codeNumber } from '../errors/index.ts'
import { Closing, type Timer } from '../link/index.ts'
import { Bells } from './bells.ts'
import type { Carrier } from './carrier.ts'
import type { Channel } from './channel.ts'
import { ChannelTable, type OpenRequest } from './channel-table.ts'
import { chooseVersion, FEATURES } from './contact.ts'
import { ControlStream } from './control.ts'
import { KeepAlive } from './keep-alive.ts'
import { type BusLimits, DEFAULT_BUS_LIMITS } from './limits.ts'
import { MadeOffers, type OfferDescription } from './made-offers.ts'
import type { Message } from './messages.ts'
import { OfferFeed } from './offer-feed.ts'
import { textFor } from './reasons.ts'
import { PlacedEnds } from './placed-ends.ts'
import type { PlaceGrant } from './places.ts'
import { RingOffers } from './ring-offers.ts'
import type { RingGrant, RingSession, RingSignals } from './rings.ts'
import type { ServerSessionOptions, SessionHost } from './session-host.ts'
import { timeLimit } from './time-limit.ts'

/** How a session ends that the peer ended: not because of anything it said. */
const WENT: ReadonlySet<string> = new Set(['LINK_LOST', 'RESET'])

type State =
  /** The link is there; the peer has not said which versions it speaks. */
  | 'contacting'
  /** Versions agreed: everything is allowed. */
  | 'attached'
  /** Nothing is sent or heard any more. */
  | 'over'

/** The bus's end of one session: answers the partition's control messages and asks its host what to decide. */
export class ServerSession implements RingSession {
  readonly partition: string
  readonly epoch: number
  readonly #peer: string
  readonly #carrier: Carrier
  readonly #control: ControlStream
  readonly #channels: ChannelTable
  readonly #feed: OfferFeed
  readonly #host: SessionHost
  readonly #offers: MadeOffers
  readonly #limits: BusLimits
  readonly #closing = new Closing()
  readonly #contactTimer: Timer
  readonly #ringOffers: RingOffers
  readonly #placed = new PlacedEnds()
  readonly #bells: Bells
  readonly #keepAlive: KeepAlive
  readonly #goesWithLink: boolean
  /** Feature bits that this side can grant, then those that both have. */
  #features: number
  #state: State = 'contacting'
  /** The peer was told that there is no common version: however the session ends now, this is why. */
  #mismatch: BusbarError | undefined

  /** Takes the carrier: when the session is over, so is the carrier. */
  constructor(carrier: Carrier, options: ServerSessionOptions) {
    const { partition, peer, epoch, env, host, limits, rings, places, ownPlaces } = options
    this.partition = partition
    this.#peer = peer ?? `partition "${partition}"`
    this.epoch = epoch
    this.#carrier = carrier
    this.#host = host
    this.#limits = { ...DEFAULT_BUS_LIMITS, ...limits }
    this.#features = FEATURES.PING
    if (rings === true) this.#features |= FEATURES.RINGS
    if (places !== undefined) this.#features |= FEATURES.PLACES
    this.#goesWithLink = places === 'program'
    this.#ringOffers = new RingOffers(env, this.#limits.ringTime)
    this.#control = new ControlStream(
      carrier,
      this.#limits,
      (message) => this.#received(message),
      (reason) => this.#lost(reason),
      () => this.#drained(),
    )
    this.#bells = new Bells(
      env,
      (channelId) => this.#control.send({ kind: 'ringBell', channelId }),
      () => this.#control.hasRoom,
    )
    this.#offers = new MadeOffers(
      partition,
      this.#limits.offers,
      (offerId, offer) => host.offer(this, offerId, offer),
      (message) => this.#control.send(message),
      (reason) => this.close(reason),
    )
    this.#feed = new OfferFeed(
      (message) => this.#control.send(message),
      () => this.#control.hasRoom,
    )
    this.#channels = new ChannelTable(
      carrier,
      env,
      this.#limits,
      (message) => this.#control.send(message),
      1,
      (stream) => (ownPlaces !== undefined && this.hasPlaces ? ownPlaces.wrap(stream) : stream),
    )
    this.#contactTimer = timeLimit(env, this.#limits.contactTime, () => {
      this.close(
        new BusbarError('DEADLINE', `said nothing within ${this.#limits.contactTime} ms`, { stage: 'contact' }),
      )
    })
    this.#keepAlive = new KeepAlive(
      env,
      this.#limits,
      () => this.#ping(),
      (reason) => this.close(reason),
    )
    void carrier.closed.then((reason) => this.#lost(reason ?? new BusbarError('LINK_LOST', 'the link ended')))
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#closing.closed
  }

  get attached(): boolean {
    return this.#state === 'attached'
  }

  /** Opens a channel to the partition. */
  async open(request: OpenRequest): Promise<Channel> {
    this.#control.checkRoom()
    return this.#channels.open(request)
  }

  get hasRings(): boolean {
    return this.attached && (this.#features & FEATURES.RINGS) !== 0
  }

  offerRing(channel: Channel, grant: RingGrant): Promise<void> {
    const answer = this.#ringOffers.offered(channel)
    this.#control.send({ kind: 'offerRing', channelId: channel.id, ...grant })
    return answer
  }

  recall(channel: Channel, reason: BusbarError): void {
    this.#ringOffers.recall(channel, reason)
  }

  get hasPlaces(): boolean {
    return this.attached && (this.#features & FEATURES.PLACES) !== 0
  }

  offerPlace(channel: Channel, grant: PlaceGrant, signals: RingSignals): Promise<void> {
    const answer = this.#ringOffers.offered(channel)
    this.#placed.hold(channel.id, signals)
    this.#control.send({ ...grant, kind: 'offerPlace', channelId: channel.id })
    return answer
  }

  rang({ id }: Channel): void {
    this.#bells.ring(id)
  }

  useRing({ id }: Channel, refused: BusbarError | undefined): void {
    const code = refused === undefined ? 0 : codeNumber(refused.code)
    this.#control.send({ kind: 'useRing', channelId: id, code, text: refused === undefined ? '' : textFor(refused) })
  }

  /** Tells the partition of a service, as soon as it has room for that. */
  announce(offerId: number, offer: OfferDescription): void {
    this.#feed.announce(offerId, offer)
  }

  /** Tells the partition that a service is gone, unless it has not been told of it yet. */
  rescind(offerId: number, reason: BusbarError): void {
    this.#feed.rescind(offerId, reason)
  }

  /** Everything that was there at the time of the request has been announced. */
  delivered(): void {
    this.#feed.delivered()
  }

  /** Ends the session: every channel in it fails, and the host hears of it. Idempotent. */
  close(cause: BusbarError): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    const reason = this.#mismatch ?? cause
    this.#contactTimer.cancel()
    this.#keepAlive.stop()
    this.#control.stop()
    this.#bells.stop()
    this.#channels.fail(new BusbarError('PEER_DIED', `${this.#peer} is gone`, { cause: reason }))
    this.#carrier.close(reason)
    this.#closing.settle(reason)
    this.#host.detached(this, reason)
  }

  inspect(): unknown {
    const { partition, epoch } = this
    const state = this.#state
    return {
      partition,
      epoch,
      state,
      channels: this.#channels.inspect(),
      offers: this.#offers.size,
      places: this.#placed.size,
      backlog: this.#control.backlog,
    }
  }

  /** The peer ended the session, whatever it has left open. */
  #lost(reason: BusbarError): void {
    const over = this.#state === 'over'
    this.close(reason)
    if (!over && this.#goesWithLink && WENT.has(reason.code)) this.#placed.gone()
  }

  #drained(): void {
    this.#feed.flush()
    this.#bells.flush()
  }

  #received(message: Message): void {
    try {
      if (this.#state === 'contacting') this.#contact(message)
      else this.#handle(message)
    } catch (thrown) {
      this.close(BusbarError.from(thrown))
    }
  }

  #contact(message: Message): void {
    if (message.kind !== 'initiateContact') {
      throw new BusbarError('PROTOCOL', `${message.kind} before initiateContact`, { stage: 'contact' })
    }
    if (this.#mismatch !== undefined) throw this.#mismatch
    const { partition, epoch } = this
    const { oldest, newest } = message
    const version = chooseVersion(oldest, newest)
    const { token } = this.#carrier
    this.#features &= message.features
    const features = this.#features
    this.#control.send({ kind: 'versionResponse', version, features, partition, epoch, token })
    if (version === 0) {
      // The peer closes when it has read that there is no common version; the contact timer does, if it does not.
      this.#mismatch = new BusbarError('VERSION', `${this.#peer} speaks versions ${oldest} to ${newest}`, {
        stage: 'contact',
        hints: ['install the same release of busbar on the host and in the guest'],
      })
      return
    }
    this.#contactTimer.cancel()
    this.#state = 'attached'
    if (this.#carrier.ping !== undefined || (features & FEATURES.PING) !== 0) this.#keepAlive.begin()
    this.#host.attached(this)
  }

  #handle(message: Message): void {
    switch (message.kind) {
      case 'openChannel':
        return this.#channels.incoming(message, (opening) => this.#host.open(this, opening))
      case 'openResult':
        return this.#channels.answered(message)
      case 'closeChannel':
        return this.#channels.closedByPeer(message)
      case 'makeOffer':
        return void this.#offers.make(message)
      case 'withdrawOffer':
        if (this.#offers.withdraw(message.offerId)) this.#host.withdraw(this, message.offerId)
        return
      case 'ringResult':
        if (!this.hasRings && !this.hasPlaces) throw new BusbarError('PROTOCOL', 'rings were not agreed on')
        return this.#ringOffers.answered(message)
      case 'ringBell':
      case 'releasePlace':
        if (!this.hasPlaces) throw new BusbarError('PROTOCOL', 'places were not agreed on')
        if (message.kind === 'ringBell') return this.#placed.rang(message.channelId)
        return this.#placed.released(message.channelId)
      case 'requestOffers':
        return this.#host.watch(this)
      case 'unload':
        this.#control.send({ kind: 'unloadResponse' })
        return
      case 'pingResult':
        if ((this.#features & FEATURES.PING) === 0) throw new BusbarError('PROTOCOL', 'pings were not agreed on')
        return this.#keepAlive.answered()
      case 'initiateContact':
      case 'versionResponse':
      case 'offer':
      case 'rescindOffer':
      case 'allOffersDelivered':
      case 'offerResult':
      case 'unloadResponse':
      case 'attachStream':
      case 'offerRing':
      case 'useRing':
      case 'offerPlace':
      case 'ping':
        throw new BusbarError('PROTOCOL', `${message.kind} is not for the bus in this state`)
      default:
        message satisfies never
    }
  }

  #ping(): void {
    if (this.#carrier.ping === undefined) return this.#control.send({ kind: 'ping' })
    // What it rejects with, the carrier closes with.
    this.#carrier.ping().then(
      () => this.#keepAlive.answered(),
      () => {},
    )
  }
}
