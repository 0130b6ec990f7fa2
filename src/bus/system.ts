import { BusbarError } from '../errors/index.ts'
import type { Env } from '../link/index.ts'
import type { Carrier } from './carrier.ts'
import type { Incoming } from './channel-table.ts'
import type { Endpoint, Offer } from './endpoint.ts'
import type { BusLimits } from './limits.ts'
import type { OfferDescription } from './made-offers.ts'
import type { VisibleOffer } from './offer-view.ts'
import type { PlaceBridge } from './place-bridge.ts'
import { type Relay, relay } from './relay.ts'
import { ServerSession } from './server-session.ts'
import type { SessionHost } from './session-host.ts'

/** What the system object keeps for one program. */
interface Program {
  /** By the program's numbers; from before the bus has answered, so that it can be taken back by then. */
  readonly offers: Map<number, { withdraw(): void }>
  stopWatching: (() => void) | undefined
}

/**
 * The VM bus system object: one in each VM, in its privileged agent. It alone holds the session with the bus; programs
 * get a session with it, see what the VM may see, and every channel of theirs is joined to one of the VM's.
 */
export class SystemObject implements SessionHost {
  readonly #bus: Endpoint
  readonly #env: Env
  readonly #limits: Partial<BusLimits>
  readonly #places: PlaceBridge | undefined
  readonly #programs = new Map<ServerSession, Program>()
  readonly #relays = new Set<Relay>()
  /** Why the session with the bus is over. */
  #lost: BusbarError | undefined

  /**
   * Takes the endpoint: when its session ends, so do those of all programs. `places`: what the endpoint was attached with, where this machine shares
   * memory with others.
   */
  constructor(bus: Endpoint, env: Env, limits: Partial<BusLimits> = {}, places?: PlaceBridge) {
    this.#places = places
    this.#bus = bus
    this.#env = env
    this.#limits = limits
    void bus.closed.then((reason) => {
      this.#lost = reason ?? new BusbarError('LINK_LOST', 'the link to the bus ended')
      this.close(this.#lost)
    })
  }

  /** Attaches a program. Takes the carrier. */
  attach(carrier: Carrier): ServerSession {
    const { partition, epoch } = this.#bus.identity
    const session = new ServerSession(carrier, {
      partition,
      peer: `a program of partition "${partition}"`,
      epoch,
      env: this.#env,
      host: this,
      limits: this.#limits,
      places: this.#places && 'program',
    })
    this.#programs.set(session, { offers: new Map(), stopWatching: undefined })
    // It dialled while the session with the bus was ending: it must come again.
    if (this.#lost !== undefined) session.close(this.#lost)
    return session
  }

  /** Ends the sessions of all programs. */
  close(reason: BusbarError = new BusbarError('LINK_LOST', 'the link to the bus ended')): void {
    for (const session of [...this.#programs.keys()]) session.close(reason)
  }

  inspect(): unknown {
    return {
      bus: this.#bus.inspect(),
      programs: [...this.#programs.keys()].map((session) => session.inspect()),
      pipes: this.#relays.size,
    }
  }

  attached(): void {}

  detached(session: ServerSession): void {
    const program = this.#programs.get(session)
    if (program === undefined) return
    this.#programs.delete(session)
    program.stopWatching?.()
    for (const offer of program.offers.values()) offer.withdraw()
  }

  open(session: ServerSession, opening: Incoming): void {
    const { partition, service, mode, deadline } = opening.message
    const options = { mode, signal: opening.signal, ...(deadline > 0 ? { deadline } : {}) }
    const openTarget = () => this.#bus.open(`${partition}/${service}`, options)
    void relay(opening, session.partition, openTarget, this.#relays, (_relay, channel, ofMachine) => {
      this.#places?.join(ofMachine, { session, channel })
    })
  }

  async offer(session: ServerSession, offerId: number, description: OfferDescription): Promise<void> {
    const offers = this.#programs.get(session)?.offers
    if (offers === undefined) throw new BusbarError('CLOSED', 'the program has left')
    let wanted = true
    const asked = {
      withdraw: () => {
        wanted = false
      },
    }
    offers.set(offerId, asked)
    try {
      const offer = await this.#offerOnBus(session, offerId, description)
      if (wanted) offers.set(offerId, offer)
      else offer.withdraw()
    } catch (thrown) {
      if (offers.get(offerId) === asked) offers.delete(offerId)
      throw thrown
    }
  }

  #offerOnBus(session: ServerSession, offerId: number, description: OfferDescription): Promise<Offer> {
    const { service, mode, contract, partition } = description
    return this.#bus.offer(service, {
      mode,
      contract,
      decide: (opening, caller) => {
        const request = {
          partition,
          service,
          mode,
          offerId,
          caller: caller.partition,
          callerEpoch: caller.epoch,
          deadline: opening.message.deadline || undefined,
          signal: opening.signal,
        }
        const openTarget = () => session.open(request)
        void relay(opening, caller.partition, openTarget, this.#relays, (_relay, ofMachine, channel) => {
          this.#places?.join(ofMachine, { session, channel })
        })
      },
    })
  }

  withdraw(session: ServerSession, offerId: number): void {
    const offers = this.#programs.get(session)?.offers
    offers?.get(offerId)?.withdraw()
    offers?.delete(offerId)
  }

  watch(session: ServerSession): void {
    const program = this.#programs.get(session)
    if (program === undefined) return
    if (program.stopWatching === undefined) this.#follow(session, program)
    this.#bus.offers.list().then(
      () => session.delivered(),
      (thrown: unknown) => session.close(BusbarError.from(thrown)),
    )
  }

  #follow(session: ServerSession, program: Program): void {
    const ids = new Map<VisibleOffer, number>()
    let last = 0
    program.stopWatching = this.#bus.offers.watch((change) => {
      if (change.kind === 'added') {
        ids.set(change.offer, ++last)
        session.announce(last, change.offer)
      } else {
        const id = ids.get(change.offer)
        ids.delete(change.offer)
        if (id !== undefined) session.rescind(id, change.reason)
      }
    })
    // A program that does not read may have been ended by this very news.
    if (!this.#programs.has(session)) program.stopWatching()
  }
}
