import { BusbarError } from '../errors/index.ts'
import { type Awaitable, type ByteLink, Closing, type Env, PacketStream, PrefixedLink } from '../link/index.ts'
import type { Carrier, CarrierStream } from './carrier.ts'
import { encodeMessage, MessageDecoder } from './codec.ts'
import { type BusLimits, DEFAULT_BUS_LIMITS } from './limits.ts'
import type { Message } from './messages.ts'
import { timeLimit } from './time-limit.ts'

/**
 * Links that have not said what they are for (our choice: all channels of a session, opened in one burst). Whoever means
 * well has said it with the first bytes: the oldest is closed to make room, so that silent ones cannot keep others out.
 */
const MAX_UNDECIDED = 256

/** Who waits for a stream that the other side has not dialled yet. */
interface Waiter {
  resolve(link: ByteLink): void
  reject(reason: BusbarError): void
}

/** The bus's side of a session that gives each channel a socket of its own: the other side dials, this one matches. */
class AcceptedCarrier implements Carrier {
  readonly control: ByteLink
  readonly token: Uint8Array
  readonly #waiting = new Map<number, Waiter>()
  readonly #arrived = new Map<number, ByteLink>()
  readonly #live = new Set<ByteLink>()
  readonly #closing = new Closing()
  readonly #maxArrived: number
  #nextId = 2

  constructor(control: ByteLink, token: Uint8Array, maxArrived: number) {
    this.control = control
    this.token = token
    this.#maxArrived = maxArrived
    void control.closed.then((reason) => this.close(reason))
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#closing.closed
  }

  authorise(): void {}

  open(unwanted: AbortSignal): CarrierStream {
    const id = this.#nextId
    this.#nextId += 2
    return { id, link: this.claim(id, unwanted) }
  }

  claim(id: number, unwanted: AbortSignal): Awaitable<ByteLink> {
    const link = this.#arrived.get(id)
    if (link !== undefined) {
      this.#arrived.delete(id)
      return link
    }
    if (this.#closing.over) return Promise.reject(new BusbarError('LINK_LOST', 'the session ended'))
    return new Promise((resolve, reject) => {
      const giveUp = (): void => this.#answer(id)?.reject(BusbarError.from(unwanted.reason))
      this.#waiting.set(id, {
        resolve: (stream) => {
          unwanted.removeEventListener('abort', giveUp)
          resolve(stream)
        },
        reject,
      })
      unwanted.addEventListener('abort', giveUp)
    })
  }

  /** A socket proved to belong here. Takes it. */
  arrived(id: number, link: ByteLink): void {
    if (this.#closing.over) return link.close(new BusbarError('STALE_EPOCH', 'the session has ended'))
    if (this.#arrived.has(id) || this.#live.size >= this.#maxArrived) {
      return link.close(new BusbarError('LIMIT', `stream ${id} is one too many`))
    }
    const stream = new PacketStream(link)
    this.#live.add(link)
    void link.closed.then(() => {
      this.#live.delete(link)
      if (this.#arrived.get(id) === stream) this.#arrived.delete(id)
    })
    const waiter = this.#answer(id)
    if (waiter === undefined) this.#arrived.set(id, stream)
    else waiter.resolve(stream)
  }

  close(reason?: BusbarError): void {
    if (!this.#closing.settle(reason)) return
    const lost = reason ?? new BusbarError('LINK_LOST', 'the session ended')
    for (const id of [...this.#waiting.keys()]) this.#answer(id)?.reject(lost)
    this.control.close(reason)
    for (const link of [...this.#live]) link.close(reason)
  }

  /** `unclaimed` are streams that came and nobody asked for yet, `awaited` those that somebody asked for and that did not come. */
  inspect(): { kind: 'accepted'; streams: number; unclaimed: number; awaited: number } {
    const { size } = this.#live
    return { kind: 'accepted', streams: size, unclaimed: this.#arrived.size, awaited: this.#waiting.size }
  }

  /** Whoever waits for this stream, who waits no more. */
  #answer(id: number): Waiter | undefined {
    const waiter = this.#waiting.get(id)
    this.#waiting.delete(id)
    return waiter
  }
}

export interface CarrierListenerOptions {
  env: Env
  limits?: Partial<BusLimits>
  /** A new session. It passes to this function. */
  onCarrier(carrier: Carrier): void
}

/** Sorts incoming sockets: the control stream of a new session, or a stream of one that is there, proved by its token. */
export class CarrierListener {
  readonly #env: Env
  readonly #limits: BusLimits
  readonly #onCarrier: (carrier: Carrier) => void
  readonly #sessions = new Map<string, AcceptedCarrier>()
  /** The oldest first. */
  readonly #undecided = new Set<ByteLink>()

  constructor({ env, limits, onCarrier }: CarrierListenerOptions) {
    this.#env = env
    this.#limits = { ...DEFAULT_BUS_LIMITS, ...limits }
    this.#onCarrier = onCarrier
  }

  /** Takes a link that somebody dialled; one that says nothing sensible in time is closed. */
  accept(link: ByteLink): void {
    if (this.#undecided.size >= MAX_UNDECIDED) this.#makeRoom()
    this.#undecided.add(link)
    const { contactTime } = this.#limits
    const timer = timeLimit(this.#env, contactTime, () => {
      link.close(new BusbarError('DEADLINE', `said nothing within ${contactTime} ms`, { stage: 'contact' }))
    })
    this.#sort(link)
      .catch((thrown: unknown) => link.close(BusbarError.from(thrown)))
      .finally(() => {
        timer.cancel()
        this.#undecided.delete(link)
      })
  }

  /**
   * A session whose control stream is known without being sorted, such as an inherited descriptor: only its channels are dialled
   * here. Takes the link.
   */
  adopt(control: ByteLink): Carrier {
    return this.#session(control)
  }

  /** `undecided` are links that have not said what they are for. */
  inspect(): { sessions: number; undecided: number } {
    return { sessions: this.#sessions.size, undecided: this.#undecided.size }
  }

  #makeRoom(): void {
    const [oldest] = this.#undecided
    if (oldest === undefined) return
    this.#undecided.delete(oldest)
    oldest.close(new BusbarError('BUSY', `${MAX_UNDECIDED} newer links have not said either what they are for`))
  }

  async #sort(link: ByteLink): Promise<void> {
    const decoder = new MessageDecoder(this.#limits.controlMessage)
    let first: Message | undefined
    while (first === undefined) {
      const chunk = await link.read()
      if (chunk === undefined) throw new BusbarError('RESET', 'ended without a message')
      decoder.push(chunk)
      first = decoder.next()
    }
    const rest = decoder.rest()
    if (first.kind === 'attachStream') {
      const session = this.#sessions.get(keyOf(first.token))
      if (session === undefined) throw new BusbarError('STALE_EPOCH', 'no session has that token')
      session.arrived(first.channelId, rest.length > 0 ? new PrefixedLink(rest, link) : link)
      return
    }
    if (first.kind !== 'initiateContact') {
      throw new BusbarError('PROTOCOL', `${first.kind} on a link that belongs to no session`, { stage: 'contact' })
    }
    const replay = encodeMessage(first)
    this.#onCarrier(this.#session(new PrefixedLink(replay, new PrefixedLink(rest, link))))
  }

  #session(control: ByteLink): AcceptedCarrier {
    const token = this.#env.random(new Uint8Array(16))
    const carrier = new AcceptedCarrier(control, token, this.#limits.channels)
    const key = keyOf(token)
    this.#sessions.set(key, carrier)
    void carrier.closed.then(() => this.#sessions.delete(key))
    return carrier
  }
}

function keyOf(token: Uint8Array): string {
  return String.fromCharCode(...token)
}
