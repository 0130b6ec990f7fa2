import { BusbarError, escapePeerText } from '../errors/index.ts'
import type { Env } from '../link/index.ts'
import { Allowance } from './allowance.ts'
import type { Carrier } from './carrier.ts'
import type { Incoming } from './channel-table.ts'
import { contain } from './contain.ts'
import { type PipeFollower, PipeFollowers } from './followers.ts'
import { type BusLimits, DEFAULT_BUS_LIMITS } from './limits.ts'
import type { OfferDescription } from './made-offers.ts'
import type { PipeMode } from './messages.ts'
import { isPartitionName, isServiceName } from './names.ts'
import { OfferRegistry, type RegisteredOffer } from './registry.ts'
import { type Relay, relay } from './relay.ts'
import type { OwnPlaces, PlaceAllocator } from './places.ts'
import { Raising } from './raising.ts'
import type { RingAllocator } from './rings.ts'
import { ServerSession } from './server-session.ts'
import type { SessionHost } from './session-host.ts'

/** What policy is asked: may `caller` open `service` of `target`? */
export interface AccessQuestion {
  readonly caller: string
  readonly target: string
  readonly service: string
  readonly mode: PipeMode
}

export interface AccessAnswer {
  readonly allowed: boolean
  /** The rule that decided, with its place, for the one who is refused: `busbar.yaml:12`. */
  readonly rule: string
  /** Its bytes may go from machine to machine, without passing the bus. */
  readonly direct?: boolean
}

/** Who may open what. The bus asks, and knows nothing of rules. An answer that is thrown is a no. */
export interface AccessPolicy {
  /** Decides an opening, and records that it did. */
  decide(question: AccessQuestion): AccessAnswer
  /** Whether a partition may know of a service; not recorded. */
  sees(question: AccessQuestion): boolean
}

/** What an operator hears of, as it happens. */
export type BusEvent =
  | { readonly kind: 'attached'; readonly partition: string; readonly epoch: number }
  | { readonly kind: 'detached'; readonly partition: string; readonly epoch: number; readonly reason: BusbarError }
  | { readonly kind: 'offered' | 'withdrawn'; readonly partition: string; readonly service: string }
  | { readonly kind: 'refused'; readonly question: AccessQuestion; readonly reason: BusbarError }

export interface BrokerOptions {
  env: Env
  policy: AccessPolicy
  limits?: Partial<BusLimits>
  /** Makes the memory of rings; without it all bytes go through the bus. */
  rings?: RingAllocator | undefined
  /** Gives out the memory that pairs of machines share; without it their bytes go through the bus. */
  places?: PlaceAllocator | undefined
  /** Makes the bus an end of rings in memory that it shares with machines; without it, the bytes of what they do not share among themselves are in streams. */
  ownPlaces?: OwnPlaces | undefined
  /** What it throws is dropped: whoever looks on changes nothing. */
  observe?(event: BusEvent): void
}

interface Partition {
  epoch: number
  session: ServerSession | undefined
  /** Offers it may make; kept from epoch to epoch, or whoever makes too many would attach again. */
  readonly offering: Allowance
}

/** The bus: knows the partitions by their links, keeps their offers, asks policy, and joins channels. */
export class Broker implements SessionHost {
  readonly #env: Env
  readonly #policy: AccessPolicy
  readonly #limits: BusLimits
  readonly #observe: (event: BusEvent) => void
  readonly #partitions = new Map<string, Partition>()
  readonly #offers = new OfferRegistry()
  /** Who hears of offers, and which it was told of: what it was told it is told the end of, whatever policy says by then. */
  readonly #watchers = new Map<ServerSession, Set<RegisteredOffer>>()
  readonly #relays = new Set<Relay>()
  readonly #rings: RingAllocator | undefined
  readonly #places: PlaceAllocator | undefined
  readonly #ownPlaces: OwnPlaces | undefined
  readonly #raising: Raising
  readonly #followers = new PipeFollowers()
  /** Why the whole bus is over. */
  #closed: BusbarError | undefined

  constructor({ env, policy, limits = {}, rings, places, ownPlaces, observe = () => {} }: BrokerOptions) {
    this.#rings = rings
    this.#places = places
    this.#ownPlaces = ownPlaces
    this.#env = env
    this.#policy = policy
    this.#limits = { ...DEFAULT_BUS_LIMITS, ...limits }
    const { ringTurn: turnTime } = this.#limits
    this.#raising = new Raising({ rings, places, ownPlaces, env, turnTime, captured: () => this.#followers.any })
    this.#observe = (event) => contain(() => observe(event))
  }

  /** Makes a partition known before it attaches: opening a pipe to it is then `NOT_READY`, not `NO_SUCH_PARTITION`. */
  declare(partition: string): void {
    if (!isPartitionName(partition))
      throw new BusbarError('INVALID_ARGUMENT', `not a partition name: "${escapePeerText(partition)}"`)
    if (this.#partitions.has(partition)) return
    const { offers, offersPerSecond } = this.#limits
    const offering = new Allowance(this.#env, 2 * offers, offersPerSecond)
    this.#partitions.set(partition, { epoch: 0, session: undefined, offering })
  }

  /**
   * Attaches a partition by its link: whatever comes in on this carrier is from that partition, in a new epoch. A session
   * of an earlier epoch that is still there is closed with `STALE_EPOCH`. Takes the carrier, also when it throws
   * `INVALID_ARGUMENT` for the name. On a bus that was closed the session is over at once, for the same reason. `here`: it is a process of this
   * host, with which memory can be shared; `places`: a machine that shares memory with others, or with the bus.
   */
  attach(
    partition: string,
    carrier: Carrier,
    { here = false, places = false }: { here?: boolean; places?: boolean } = {},
  ): ServerSession {
    try {
      this.declare(partition)
    } catch (thrown) {
      carrier.close(BusbarError.from(thrown))
      throw thrown
    }
    const entry = this.#partitions.get(partition) as Partition
    const epoch = ++entry.epoch
    entry.session?.close(new BusbarError('STALE_EPOCH', `partition "${partition}" attached again`))
    const rings = here && this.#rings !== undefined
    const shares = places && (this.#places !== undefined || this.#ownPlaces !== undefined)
    const session = new ServerSession(carrier, {
      partition,
      epoch,
      env: this.#env,
      host: this,
      limits: this.#limits,
      rings,
      places: shares ? 'machine' : undefined,
      ownPlaces: this.#ownPlaces?.medium,
    })
    entry.session = session
    if (this.#closed !== undefined) session.close(this.#closed)
    return session
  }

  /** Tells `follower` of every pipe that is open or will be, and what it returns of their bytes, until it is called off. */
  follow(follower: PipeFollower): () => void {
    return this.#followers.add(follower)
  }

  /** Ends every session, and those that come later. */
  close(reason: BusbarError = new BusbarError('CLOSED', 'the bus was closed')): void {
    this.#closed ??= reason
    for (const { session } of this.#partitions.values()) session?.close(this.#closed)
  }

  inspect(): unknown {
    return {
      partitions: [...this.#partitions].map(([name, { epoch, session }]) => ({
        name,
        epoch,
        attached: session?.attached ?? false,
        session: session?.inspect(),
      })),
      offers: this.#offers
        .all()
        .map(({ partition, service, mode, contract }) => ({ partition, service, mode, contract })),
      pipes: [...this.#relays].map((relay) => {
        const { caller, medium, direct, refused } = relay
        const pipe = `${relay.partition}/${relay.service}`
        const reason = refused && `${refused.code}: ${refused.message}`
        // What went past the bus, it cannot know.
        if (direct) return { caller, pipe, medium }
        const { toService, toCaller } = relay.passed()
        const bytes = { bytesToService: toService, bytesToCaller: toCaller }
        return medium === 'ring'
          ? { caller, pipe, medium, notDirect: reason, ...bytes }
          : { caller, pipe, medium, noRings: reason, ...bytes }
      }),
    }
  }

  attached({ partition, epoch }: ServerSession): void {
    this.#observe({ kind: 'attached', partition, epoch })
  }

  detached(session: ServerSession, reason: BusbarError): void {
    const { partition, epoch } = session
    const entry = this.#partitions.get(partition)
    if (entry?.session === session) entry.session = undefined
    this.#watchers.delete(session)
    const gone = new BusbarError('PEER_DIED', `partition "${partition}" is gone`)
    for (const offer of this.#offers.remove(session)) this.#withdrawn(offer, gone)
    this.#observe({ kind: 'detached', partition, epoch, reason })
  }

  offer(session: ServerSession, offerId: number, description: OfferDescription): void {
    const { partition, service } = description
    const known = this.#offers.find(partition, service) !== undefined
    if (!known && this.#partitions.get(partition)?.offering.take() !== true) {
      const { offersPerSecond } = this.#limits
      throw new BusbarError('BUSY', `"${partition}" offers too often: ${offersPerSecond} times a second are allowed`)
    }
    const offer = this.#offers.add(session, offerId, description)
    for (const [watcher, told] of this.#watchers) {
      // Telling one may have ended its session, and if it was the offerer's, the offer with it.
      if (this.#offers.find(offer.partition, offer.service) !== offer) return
      this.#announce(watcher, told, offer)
    }
    this.#observe({ kind: 'offered', partition: offer.partition, service: offer.service })
  }

  withdraw(session: ServerSession, offerId: number): void {
    const reason = new BusbarError('RESCINDED', 'the service was withdrawn')
    for (const offer of this.#offers.remove(session, offerId)) this.#withdrawn(offer, reason)
  }

  watch(session: ServerSession): void {
    if (this.#watchers.has(session)) return session.delivered()
    const told = new Set<RegisteredOffer>()
    this.#watchers.set(session, told)
    for (const offer of this.#offers.all()) this.#announce(session, told, offer)
    session.delivered()
  }

  open(session: ServerSession, opening: Incoming): void {
    const { partition, service, mode } = opening.message
    // What is no name is only printed from here on.
    const target = escapePeerText(partition)
    const question = { caller: session.partition, target, service: escapePeerText(service), mode }
    let offer: RegisteredOffer
    let direct: boolean
    try {
      ;({ offer, direct } = this.#admit(question))
    } catch (thrown) {
      const reason = BusbarError.from(thrown)
      opening.refuse(reason)
      this.#observe({ kind: 'refused', question, reason })
      return
    }
    const request = {
      ...offer,
      offerId: offer.localId,
      caller: session.partition,
      callerEpoch: session.epoch,
      deadline: opening.message.deadline || undefined,
      signal: opening.signal,
    }
    const openTarget = () => offer.session.open(request)
    void relay(opening, session.partition, openTarget, this.#relays, (joined, origin, target) => {
      // Calls would wait behind each other's payload.
      if (offer.contract === '') for (const channel of [origin, target]) channel.favourBulk()
      this.#followers.joined(joined, session.epoch, mode, origin)
      const [near, far] = [
        { session, channel: origin },
        { session: offer.session, channel: target },
      ]
      void this.#raising.raise(joined, near, far, direct)
    })
  }

  /** The offer, if the caller may open it in that mode. Policy comes first: a refusal tells nothing about what exists. */
  #admit(question: AccessQuestion): { offer: RegisteredOffer; direct: boolean } {
    const { caller, target, service, mode } = question
    if (!isPartitionName(target) || !isServiceName(service)) {
      throw new BusbarError('INVALID_ARGUMENT', `"${target}/${service}" is not the name of a pipe`)
    }
    const { allowed, rule, direct = false } = this.#decide(question)
    if (allowed !== true) {
      throw new BusbarError('DENIED', `"${caller}" may not open ${target}/${service}: ${rule}`)
    }
    const partition = this.#partitions.get(target)
    if (partition === undefined) throw new BusbarError('NO_SUCH_PARTITION', `no partition is called "${target}"`)
    if (partition.session?.attached !== true) {
      throw new BusbarError('NOT_READY', `partition "${target}" is not attached to the bus now`)
    }
    const offer = this.#offers.find(target, service)
    if (offer === undefined) {
      throw new BusbarError('NO_SUCH_SERVICE', `partition "${target}" does not offer "${service}"`)
    }
    if (offer.mode !== mode) {
      throw new BusbarError('WRONG_MODE', `${target}/${service} is a pipe in ${offer.mode} mode, not ${mode} mode`)
    }
    return { offer, direct }
  }

  #decide(question: AccessQuestion): AccessAnswer {
    try {
      return this.#policy.decide(question)
    } catch (thrown) {
      const { caller, target, service } = question
      const what = `"${caller}" may not open ${target}/${service}: policy failed to decide`
      throw new BusbarError('DENIED', what, { cause: thrown })
    }
  }

  #announce(session: ServerSession, told: Set<RegisteredOffer>, offer: RegisteredOffer): void {
    if (!this.#sees(session, offer)) return
    told.add(offer)
    session.announce(offer.id, offer)
  }

  #withdrawn(offer: RegisteredOffer, reason: BusbarError): void {
    for (const [watcher, told] of this.#watchers) if (told.delete(offer)) watcher.rescind(offer.id, reason)
    this.#observe({ kind: 'withdrawn', partition: offer.partition, service: offer.service })
  }

  #sees(session: ServerSession, { partition, service, mode }: RegisteredOffer): boolean {
    try {
      return this.#policy.sees({ caller: session.partition, target: partition, service, mode }) === true
    } catch {
      return false
    }
  }
}
