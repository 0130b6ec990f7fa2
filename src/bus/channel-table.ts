import { BusbarError, codeNumber } from '../errors/index.ts'
import { type Awaitable, type ByteLink, type Env, unwatchSignal, watchSignal } from '../link/index.ts'
import type { Carrier, CarrierStream } from './carrier.ts'
import { Channel, type ChannelDescription, type ChannelOwner } from './channel.ts'
import type { BusLimits } from './limits.ts'
import type { Message, Messages } from './messages.ts'
import { leftWhileOpening, reasonFrom, textFor } from './reasons.ts'
import { streamInTime } from './stream-in-time.ts'

/** What one id of a session stands for. */
type Slot =
  /** We asked the peer to open; it has not answered. */
  | {
      state: 'opening'
      caller: string
      settle: (result: BusbarError | undefined) => void
      opened: Promise<Channel> | undefined
    }
  /** The peer asked us; whoever decides has not. */
  | { state: 'deciding'; abort: (reason: BusbarError) => void }
  /** Both sides may send. `caller` is whom we opened it for; nobody, where the peer opened it. */
  | { state: 'open'; caller: string; channel: Channel }

export interface OpenRequest {
  readonly partition: string
  readonly service: string
  readonly mode: Messages['openChannel']['mode']
  readonly offerId: number
  /** On whose behalf, as the bus knows it; empty for this side's own. */
  readonly caller: string
  readonly callerEpoch: number
  /** Milliseconds the opening may take; the session's default when absent. */
  readonly deadline?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Longest time an opening may take, `ms`: 24 days, what a 32-bit timer takes (our choice). A peer may name up to 49 in
 * `openChannel`, and Node fires a timer beyond its range at once.
 */
const MAX_DEADLINE = 0x7fff_ffff

/** The channels of one session, both those that this side opened and those that the peer did. */
export class ChannelTable implements ChannelOwner {
  readonly #slots = new Map<number, Slot>()
  readonly #carrier: Carrier
  readonly #env: Env
  readonly #limits: BusLimits
  readonly #send: (message: Message) => void
  readonly #peerParity: 0 | 1
  readonly #wrap: (stream: ByteLink) => ByteLink
  #failure: BusbarError | undefined

  /** `peerParity` is 1 where the ids of the peer's channels are odd: on the bus's side. `wrap` is given the stream of each channel. */
  constructor(
    carrier: Carrier,
    env: Env,
    limits: BusLimits,
    send: (message: Message) => void,
    peerParity: 0 | 1,
    wrap: (stream: ByteLink) => ByteLink = (stream) => stream,
  ) {
    this.#peerParity = peerParity
    this.#wrap = wrap
    this.#carrier = carrier
    this.#env = env
    this.#limits = limits
    this.#send = send
  }

  get size(): number {
    return this.#slots.size
  }

  /** Opens a channel to the peer. Rejects with the peer's reason, `DEADLINE`, `CANCELLED`, `BUSY` or the session's end. */
  async open(request: OpenRequest): Promise<Channel> {
    if (this.#failure !== undefined) throw this.#failure
    if (request.signal?.aborted === true) throw cancelled(request)
    if (this.#slots.size >= this.#limits.channels) throw tooMany(this.#limits.channels)
    this.#checkShare(request)
    const unwanted = new AbortController()
    const stream = this.#carrier.open(unwanted.signal)
    const deadline = Math.min(request.deadline ?? this.#limits.openTime, MAX_DEADLINE)
    const opened = this.#opening(stream, request, deadline, unwanted)
    const { partition, service, mode, offerId, caller, callerEpoch } = request
    const channelId = stream.id
    this.#send({ kind: 'openChannel', channelId, offerId, partition, service, mode, deadline, caller, callerEpoch })
    return opened
  }

  /** The peer asked for a channel: `accept` joins or refuses. Throws `PROTOCOL` when the id is not free or not the peer's. */
  incoming(message: Messages['openChannel'], decide: (opening: Incoming) => void): void {
    const id = message.channelId
    if (this.#slots.has(id)) throw new BusbarError('PROTOCOL', `channel ${id} is open already`)
    if (id % 2 !== this.#peerParity) throw new BusbarError('PROTOCOL', `channel ${id} is not the peer's to open`)
    const unwanted = new AbortController()
    let link: Awaitable<ByteLink>
    try {
      link = this.#carrier.claim(id, unwanted.signal)
    } catch (thrown) {
      // The peer took the request back: the reset of its stream can overtake the message, so this is no offence.
      const { message: found } = BusbarError.from(thrown)
      this.#send({ kind: 'openResult', channelId: id, code: codeNumber('RESET'), text: found })
      return
    }
    const refuse = (reason: BusbarError): void => {
      this.#send({ kind: 'openResult', channelId: id, code: codeNumber(reason.code), text: textFor(reason) })
      drop(link, reason, unwanted)
    }
    if (this.#slots.size >= this.#limits.channels) return refuse(tooMany(this.#limits.channels))
    const aborted = new AbortController()
    const slot: Slot = {
      state: 'deciding',
      abort: (reason) => {
        this.#slots.delete(id)
        drop(link, reason, unwanted)
        aborted.abort(reason)
      },
    }
    this.#slots.set(id, slot)
    // A stream that cannot be had is told to whoever accepts, and nobody may.
    if (link instanceof Promise) link.catch(() => {})
    const undecided = (): boolean => this.#slots.get(id) === slot
    decide({
      message,
      signal: aborted.signal,
      accept: async (caller) => {
        if (!undecided()) throw BusbarError.from(aborted.signal.reason)
        let stream: ByteLink
        try {
          stream =
            link instanceof Promise ? await streamInTime(link, this.#env, this.#limits.openTime, aborted.signal) : link
        } catch (thrown) {
          const { code } = BusbarError.from(thrown)
          const reason = new BusbarError(code, 'the stream of the channel did not come', {
            stage: 'open',
            cause: thrown,
          })
          if (undecided()) {
            this.#slots.delete(id)
            refuse(reason)
          }
          throw reason
        }
        if (!undecided()) throw BusbarError.from(aborted.signal.reason)
        this.#send({ kind: 'openResult', channelId: id, code: 0, text: '' })
        const { partition, service, mode } = message
        return this.#adopt({ id, partition, service, mode, caller }, stream, '')
      },
      refuse: (reason) => {
        if (!undecided()) return
        this.#slots.delete(id)
        refuse(reason)
      },
    })
  }

  /** The peer answered an opening of ours; answers that come too late are ignored. */
  answered({ channelId, code, text }: Messages['openResult']): void {
    const slot = this.#slots.get(channelId)
    if (slot?.state === 'opening') slot.settle(code === 0 ? undefined : reasonFrom(code, text))
  }

  /** The peer closed a channel, or took an opening back. */
  closedByPeer({ channelId, code, text }: Messages['closeChannel']): void {
    const slot = this.#slots.get(channelId)
    const reason = reasonFrom(code, text)
    if (slot?.state === 'opening') slot.settle(reason)
    else if (slot?.state === 'deciding') slot.abort(reason)
    else slot?.channel.fail(reason)
  }

  /** The channel under this id, once it is open: the peer may speak of it in the same bytes that opened it. */
  channel(id: number): Awaitable<Channel> | undefined {
    const slot = this.#slots.get(id)
    if (slot?.state === 'open') return slot.channel
    return slot?.state === 'opening' ? slot.opened : undefined
  }

  /** The session is over: so is everything in it. */
  fail(reason: BusbarError): void {
    this.#failure ??= reason
    for (const slot of [...this.#slots.values()]) {
      if (slot.state === 'opening') slot.settle(reason)
      else if (slot.state === 'deciding') slot.abort(reason)
      else slot.channel.fail(reason)
    }
  }

  closing(channel: Channel, reason: BusbarError): void {
    this.#sendClose(channel.id, reason)
  }

  orphaned(channel: Channel, reason: BusbarError): void {
    if (this.#failure !== undefined) return channel.fail(this.#failure)
    const timer = this.#env.timer(this.#limits.reasonTime, () => channel.fail(reason))
    void channel.closed.then(() => timer.cancel())
  }

  inspect(): unknown {
    return [...this.#slots].map(([id, slot]) => {
      if (slot.state !== 'open') return { id, state: slot.state }
      const { partition, service, mode, caller, medium } = slot.channel
      return { id, state: 'open', partition, service, mode, caller, medium }
    })
  }

  #opening(
    { id, link }: CarrierStream,
    request: OpenRequest,
    deadline: number,
    unwanted: AbortController,
  ): Promise<Channel> {
    const { partition, service, mode, signal } = request
    let slot: Extract<Slot, { state: 'opening' }> | undefined
    const opened = new Promise<Channel>((resolve, reject) => {
      // Until the stream is there: a peer that answers yes and never dials must not get past the deadline.
      const stopWaiting = (): void => {
        timer.cancel()
        if (signal !== undefined) unwatchSignal(signal, abort)
      }
      const refuse = (reason: BusbarError): void => {
        stopWaiting()
        this.#slots.delete(id)
        drop(link, reason, unwanted)
        reject(reason)
      }
      let granted = false
      const adopt = (stream: ByteLink): void => {
        if (this.#slots.get(id) !== slot) return
        stopWaiting()
        resolve(this.#adopt({ id, partition, service, mode, caller: undefined }, stream, request.caller))
      }
      const settle = (reason: BusbarError | undefined): void => {
        if (reason !== undefined) return refuse(reason)
        // A peer that answers again and again must not add to who waits for the stream.
        if (granted) return
        granted = true
        if (link instanceof Promise) link.then(adopt, (thrown: unknown) => refuse(BusbarError.from(thrown)))
        // Within this turn: a close may follow in the same bytes, and it must find the channel.
        else adopt(link)
      }
      const give = (reason: BusbarError): void => {
        this.#sendClose(id, reason)
        settle(reason)
      }
      const abort = (): void => give(cancelled(request))
      const timer = this.#env.timer(deadline, () => {
        const what = `${partition}/${service} did not answer within ${deadline} ms`
        give(new BusbarError('DEADLINE', what, { stage: 'open' }))
      })
      slot = { state: 'opening', caller: request.caller, settle, opened: undefined }
      this.#slots.set(id, slot)
      if (signal !== undefined) watchSignal(signal, abort)
      if (link instanceof Promise) {
        link.catch((thrown: unknown) => {
          if (this.#slots.get(id) === slot) give(BusbarError.from(thrown))
        })
      }
    })
    if (slot !== undefined) slot.opened = opened
    return opened
  }

  /** The session is shared by all who call: throws `BUSY` when this caller has its share of it. */
  #checkShare({ caller, partition }: OpenRequest): void {
    const { channelsPerCaller } = this.#limits
    if (caller === '' || this.#slots.size < channelsPerCaller) return
    let held = 0
    for (const slot of this.#slots.values()) if (slot.state !== 'deciding' && slot.caller === caller) held++
    if (held < channelsPerCaller) return
    throw new BusbarError('BUSY', `"${caller}" has ${held} channels to "${partition}", the limit of one caller`, {
      stage: 'open',
    })
  }

  #adopt(description: ChannelDescription, stream: ByteLink, caller: string): Channel {
    const channel = new Channel(description, this.#wrap(stream), this)
    const { id } = description
    this.#slots.set(id, { state: 'open', caller, channel })
    void channel.closed.then(() => this.#slots.delete(id))
    return channel
  }

  #sendClose(channelId: number, reason: BusbarError): void {
    // "Closed by this side" is true on this side only.
    const code = codeNumber(reason.code === 'CLOSED' ? 'RESET' : reason.code)
    const text = reason.code === 'CLOSED' ? 'closed by the other end' : textFor(reason)
    this.#send({ kind: 'closeChannel', channelId, code, text })
  }
}

/** A channel that the peer wants, until it is decided. */
export interface Incoming {
  readonly message: Messages['openChannel']
  /** Aborts when the peer takes the request back or its session ends. */
  readonly signal: AbortSignal
  /** Answers yes and gives the open channel; rejects when the request was taken back meanwhile. */
  accept(caller: Channel['caller']): Promise<Channel>
  refuse(reason: BusbarError): void
}

function cancelled(request: OpenRequest): BusbarError {
  return leftWhileOpening(`opening ${request.partition}/${request.service} was cancelled`, request.signal?.reason)
}

function tooMany(limit: number): BusbarError {
  return new BusbarError('BUSY', `this session has ${limit} channels open, which is the limit`, { stage: 'open' })
}

/** Nobody wants this stream: it is closed when it is there or still comes, and not waited for. */
function drop(link: Awaitable<ByteLink>, reason: BusbarError, unwanted: AbortController): void {
  if (link instanceof Promise) {
    link.then(
      (opened) => opened.close(reason),
      () => {},
    )
    unwanted.abort(reason)
  } else link.close(reason)
}
