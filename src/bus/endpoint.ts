import { BusbarError, escapePeerText } from '../errors/index.ts'
import { Closing, type Env } from '../link/index.ts'
import { Bells } from './bells.ts'
import type { Carrier } from './carrier.ts'
import type { Caller, Channel } from './channel.ts'
import { ChannelTable, type Incoming } from './channel-table.ts'
import { FEATURES, NEWEST_VERSION, OLDEST_VERSION } from './contact.ts'
import { ControlStream } from './control.ts'
import { type BusLimits, DEFAULT_BUS_LIMITS } from './limits.ts'
import type { Message, Messages, PipeMode } from './messages.ts'
import { isContractText, isServiceName, parsePipeName } from './names.ts'
import { OfferView } from './offer-view.ts'
import { reasonFrom } from './reasons.ts'
import { RingEnds } from './ring-ends.ts'
import type { RingMedium } from './rings.ts'
import { timeLimit } from './time-limit.ts'

export interface EndpointOptions {
  env: Env
  limits?: Partial<BusLimits>
  /** What channels need to go over to rings; without it their bytes go through the bus. */
  rings?: RingMedium | undefined
  /** Gives up making contact, with `CANCELLED`. Has no effect once attached. */
  signal?: AbortSignal | undefined
}

export interface OfferOptions {
  /** `byte` when absent. */
  mode?: PipeMode
  /** Contract and version, for those who look; empty for a plain stream. */
  contract?: string
  /** Somebody wants a channel: `accept` or `refuse`, now or later. The caller is attested by the bus. */
  decide(opening: Incoming, caller: Caller): void
}

export interface OpenOptions {
  /** `byte` when absent. */
  mode?: PipeMode
  /** Most `ms` the opening may take; 10,000 when absent. */
  deadline?: number
  signal?: AbortSignal
}

/** A service that this partition offers. */
export interface Offer {
  readonly service: string
  /** Takes it back; channels that are open stay open. Idempotent. */
  withdraw(): void
}

type Offered = { options: OfferOptions; settle: (result: BusbarError | undefined) => void }

/** A partition's end of its session with the bus. */
export class Endpoint {
  /** The services that this partition may open, as the bus tells them. */
  readonly offers: OfferView
  /** Clock and timers of this side. */
  readonly env: Env
  readonly #carrier: Carrier
  readonly #control: ControlStream
  readonly #channels: ChannelTable
  readonly #closing = new Closing()
  readonly #offered = new Map<number, Offered>()
  readonly #attached: (result: BusbarError | undefined) => void
  readonly #unloaded: () => void
  readonly #attaching: Promise<BusbarError | undefined>
  readonly #unloading: Promise<void>
  /** While the bus has not said that it has rings too, no channel is open. */
  readonly #rings: RingEnds
  readonly #bells: Bells
  /** Most `ms` that the bus may take to answer the first message, and the last. */
  readonly #contactTime: number
  #identity: Caller | undefined
  #lastOffer = 0

  /** Takes the carrier: when the endpoint is closed, so is the carrier. Wait for `ready` before anything else. */
  private constructor(carrier: Carrier, { env, limits, rings }: EndpointOptions) {
    this.env = env
    this.#carrier = carrier
    const all = { ...DEFAULT_BUS_LIMITS, ...limits }
    this.#contactTime = all.contactTime
    this.#control = new ControlStream(
      carrier,
      all,
      (message) => this.#received(message),
      (reason) => this.close(reason),
      () => this.#bells.flush(),
    )
    this.#bells = new Bells(
      env,
      (channelId) => this.#control.send({ kind: 'ringBell', channelId }),
      () => this.#control.hasRoom,
    )
    const channel = (id: number): ReturnType<ChannelTable['channel']> => this.#channels.channel(id)
    this.#rings = new RingEnds(
      rings,
      channel,
      (message) => this.#control.send(message),
      (channelId) => this.#bells.ring(channelId),
    )
    this.#channels = new ChannelTable(
      carrier,
      env,
      all,
      (message) => this.#control.send(message),
      0,
      (stream) => this.#rings.wrap(stream),
    )
    this.offers = new OfferView(() => this.#control.send({ kind: 'requestOffers' }), all.knownOffers)
    let attached: (result: BusbarError | undefined) => void = () => {}
    this.#attaching = new Promise((resolve) => {
      attached = resolve
    })
    this.#attached = attached
    let unloaded: () => void = () => {}
    this.#unloading = new Promise((resolve) => {
      unloaded = resolve
    })
    this.#unloaded = unloaded
    const timer = timeLimit(env, all.contactTime, () => {
      this.close(
        new BusbarError('DEADLINE', `the bus did not answer within ${all.contactTime} ms`, { stage: 'contact' }),
      )
    })
    void this.#attaching.then(() => timer.cancel())
    void carrier.closed.then((reason) =>
      this.close(reason ?? new BusbarError('LINK_LOST', 'the link to the bus ended')),
    )
    const features = this.#rings.feature | FEATURES.PING
    this.#control.send({ kind: 'initiateContact', oldest: OLDEST_VERSION, newest: NEWEST_VERSION, features })
  }

  /** Makes contact with the bus. Rejects with `VERSION`, `DEADLINE`, `CANCELLED`, `LINK_LOST` or the reason the bus closed. */
  static async attach(carrier: Carrier, options: EndpointOptions): Promise<Endpoint> {
    const endpoint = new Endpoint(carrier, options)
    const { signal } = options
    const cancel = (): void => {
      endpoint.close(
        new BusbarError('CANCELLED', 'attaching was cancelled', { stage: 'contact', cause: signal?.reason }),
      )
    }
    signal?.addEventListener('abort', cancel)
    if (signal?.aborted) cancel()
    const refused = await endpoint.#attaching
    signal?.removeEventListener('abort', cancel)
    if (refused !== undefined) throw refused
    return endpoint
  }

  /** Who the bus holds this partition for. */
  get identity(): Caller {
    return this.#identity ?? { partition: '', epoch: 0 }
  }

  /** Settles when the session is over: never `undefined`, there is always a reason. */
  get closed(): Promise<BusbarError | undefined> {
    return this.#closing.closed
  }

  /** Opens a channel to `partition/service`. Rejects with the bus's or the service's reason. */
  async open(name: string, options: OpenOptions = {}): Promise<Channel> {
    const { partition, service } = parsePipeName(name)
    const { mode = 'byte', deadline, signal } = options
    if (deadline !== undefined && !(deadline >= 0)) {
      throw new BusbarError('INVALID_ARGUMENT', `a deadline of ${deadline} ms`, { stage: `open ${name}` })
    }
    const here = { offerId: 0, caller: '', callerEpoch: 0 }
    try {
      this.#control.checkRoom()
      return await this.#channels.open({ partition, service, mode, deadline, signal, ...here })
    } catch (thrown) {
      const { code, message, hints } = BusbarError.from(thrown)
      throw new BusbarError(code, message, { stage: `open ${name}`, cause: thrown, hints })
    }
  }

  /** Offers a service. Rejects with `ALREADY_OFFERED`, `BUSY`, `DENIED` or the reason the session ended. */
  async offer(service: string, options: OfferOptions): Promise<Offer> {
    if (!isServiceName(service))
      throw new BusbarError('INVALID_ARGUMENT', `not a service name: "${escapePeerText(service)}"`)
    const { mode = 'byte', contract = '' } = options
    if (!isContractText(contract)) {
      throw new BusbarError('INVALID_ARGUMENT', `not a contract: "${escapePeerText(contract)}"`)
    }
    if (this.#closing.over) throw BusbarError.from(await this.closed)
    const offerId = ++this.#lastOffer
    const refused = await new Promise<BusbarError | undefined>((settle) => {
      this.#offered.set(offerId, { options, settle })
      this.#control.send({ kind: 'makeOffer', offerId, service, mode, contract })
    })
    if (refused !== undefined) {
      this.#offered.delete(offerId)
      throw refused
    }
    return {
      service,
      withdraw: () => {
        if (this.#offered.delete(offerId)) this.#control.send({ kind: 'withdrawOffer', offerId })
      },
    }
  }

  /** Leaves in order: the bus is told, answers, and the link is closed; closed as well when no answer comes in time. */
  async detach(): Promise<void> {
    const detached = new BusbarError('CLOSED', 'detached')
    const timer = this.env.timer(this.#contactTime, () => this.close(detached))
    this.#control.send({ kind: 'unload' })
    await Promise.race([this.#unloading, this.closed])
    timer.cancel()
    this.close(detached)
  }

  /** Closes at once: every channel fails with `reason`. Idempotent. */
  close(reason: BusbarError = new BusbarError('CLOSED', 'the endpoint was closed')): void {
    if (!this.#closing.settle(reason)) return
    this.#control.stop()
    this.#bells.stop()
    this.#attached(reason)
    for (const { settle } of this.#offered.values()) settle(reason)
    this.#offered.clear()
    this.#channels.fail(reason)
    this.offers.fail(reason)
    this.#carrier.close(reason)
  }

  inspect(): unknown {
    const { omitted } = this.offers
    const { backlog } = this.#control
    return {
      identity: this.identity,
      channels: this.#channels.inspect(),
      offered: this.#offered.size,
      omitted,
      backlog,
      rings: this.#rings.inspect(),
    }
  }

  #received(message: Message): void {
    try {
      this.#handle(message)
    } catch (thrown) {
      this.close(BusbarError.from(thrown))
    }
  }

  #handle(message: Message): void {
    if (this.#identity === undefined && message.kind !== 'versionResponse') {
      throw new BusbarError('PROTOCOL', `${message.kind} before versionResponse`, { stage: 'contact' })
    }
    switch (message.kind) {
      case 'versionResponse':
        return this.#contacted(message)
      case 'offer':
        return this.offers.added(message.offerId, message)
      case 'rescindOffer':
        return this.offers.removed(message.offerId, reasonFrom(message.code, message.text))
      case 'allOffersDelivered':
        return this.offers.delivered()
      case 'openChannel':
        return this.#channels.incoming(message, (opening) => this.#accept(opening))
      case 'openResult':
        return this.#channels.answered(message)
      case 'closeChannel':
        return this.#channels.closedByPeer(message)
      case 'offerResult':
        return this.#offered
          .get(message.offerId)
          ?.settle(message.code === 0 ? undefined : reasonFrom(message.code, message.text))
      case 'unloadResponse':
        return this.#unloaded()
      case 'ping':
        return this.#control.send({ kind: 'pingResult' })
      case 'offerRing':
      case 'offerPlace':
      case 'useRing':
      case 'ringBell':
        return this.#rings.received(message)
      case 'initiateContact':
      case 'requestOffers':
      case 'unload':
      case 'makeOffer':
      case 'withdrawOffer':
      case 'attachStream':
      case 'ringResult':
      case 'releasePlace':
      case 'pingResult':
        throw new BusbarError('PROTOCOL', `${message.kind} is not for a partition`)
      default:
        message satisfies never
    }
  }

  #contacted({ version, features, partition, epoch, token }: Messages['versionResponse']): void {
    if (this.#identity !== undefined) throw new BusbarError('PROTOCOL', 'a second versionResponse')
    if (version < OLDEST_VERSION || version > NEWEST_VERSION) {
      const found = version === 0 ? 'the bus speaks none of them' : `the bus chose ${version}`
      throw new BusbarError('VERSION', `this side speaks versions ${OLDEST_VERSION} to ${NEWEST_VERSION}, ${found}`, {
        stage: 'contact',
        hints: ['install the same release of busbar on the host and in the guest'],
      })
    }
    this.#identity = { partition, epoch }
    this.#rings.agreed(features)
    this.#carrier.authorise(token)
    this.#attached(undefined)
  }

  #accept(opening: Incoming): void {
    const { offerId, service, mode, caller, callerEpoch } = opening.message
    const offered = this.#offered.get(offerId)
    if (offered === undefined) {
      return opening.refuse(new BusbarError('NO_SUCH_SERVICE', `"${service}" is not offered any more`))
    }
    if ((offered.options.mode ?? 'byte') !== mode) {
      return opening.refuse(
        new BusbarError('WRONG_MODE', `"${service}" is offered in ${offered.options.mode ?? 'byte'} mode`),
      )
    }
    // Its own fault, and of this one opening only: the session, and what else is open in it, goes on.
    const failed = (thrown: unknown): void => {
      opening.refuse(new BusbarError('INTERNAL', `"${service}" failed to decide`, { cause: thrown }))
    }
    try {
      // The type says that nothing comes back; a function that is `async` fits it too.
      const decided: unknown = offered.options.decide(opening, { partition: caller, epoch: callerEpoch })
      if (decided instanceof Promise) decided.catch(failed)
    } catch (thrown) {
      failed(thrown)
    }
  }
}
