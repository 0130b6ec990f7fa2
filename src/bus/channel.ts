import { BusbarError } from '../errors/index.ts'
import {
  type Awaitable,
  type ByteLink,
  Closing,
  flow,
  type LinkSink,
  PacketStream,
  type PumpTap,
} from '../link/index.ts'
import type { PipeMode } from './messages.ts'
import type { PipeMedium, RaisableLink } from './rings.ts'

/** Who a channel is from, as the bus attests it: by the link the request came in on, never by what the bytes say. */
export interface Caller {
  readonly partition: string
  /** How many times that partition had attached: tells a restarted caller from the one before. */
  readonly epoch: number
}

export interface ChannelDescription {
  readonly id: number
  readonly partition: string
  readonly service: string
  readonly mode: PipeMode
  /** The other end, on the side that offers. */
  readonly caller: Caller | undefined
}

/** What a channel needs of its session. */
export interface ChannelOwner {
  /** This side closed: tell the peer why. */
  closing(channel: Channel, reason: BusbarError): void
  /** The stream broke without a word: the reason is given with `Channel.fail`, at the latest when time is up. */
  orphaned(channel: Channel, reason: BusbarError): void
}

/**
 * An open channel: a byte link whose failures carry the reason that the other end, or the bus, gave for them. The bytes
 * pass straight through to the stream below; nothing is added on the way.
 */
export class Channel implements ByteLink, ChannelDescription {
  readonly id: number
  readonly partition: string
  readonly service: string
  readonly mode: PipeMode
  readonly caller: Caller | undefined
  readonly #stream: ByteLink
  readonly #owner: ChannelOwner
  readonly #closing = new Closing()
  /** Why it closed, unless in order. The stream may have ended in order at the same moment, and would give its end. */
  #broken: BusbarError | undefined

  constructor(description: ChannelDescription, stream: ByteLink, owner: ChannelOwner) {
    this.id = description.id
    this.partition = description.partition
    this.service = description.service
    this.mode = description.mode
    this.caller = description.caller
    this.#stream = stream
    this.#owner = owner
    void stream.closed.then((reason) => {
      if (reason === undefined) this.#closing.settle()
      else if (!this.#closing.over) owner.orphaned(this, reason)
    })
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#closing.closed
  }

  /** What carries the bytes that are written here now. */
  get medium(): PipeMedium {
    return this.raisable?.medium ?? 'stream'
  }

  /** The stream below, if it can go over to rings. */
  get raisable(): RaisableLink | undefined {
    return 'raise' in this.#stream ? (this.#stream as RaisableLink) : undefined
  }

  get batch(): number | undefined {
    return this.#stream.batch
  }

  get copies(): boolean {
    return this.#stream.copies ?? false
  }

  favourBulk(alone?: boolean): void {
    this.#stream.favourBulk?.(alone)
  }

  /** Whether the bytes travel in pipe packets. */
  get inPackets(): boolean {
    return this.#stream instanceof PacketStream
  }

  /** Passes pipe packets on as they are, headers included: for joining two channels that both travel in packets. */
  leaveWhole(): void {
    if (this.#stream instanceof PacketStream) this.#stream.leaveWhole()
  }

  /** How much of what was read here were headers of packets that are left whole, `bytes`. */
  get headersRead(): number {
    return this.#stream instanceof PacketStream ? this.#stream.headersRead : 0
  }

  /** A tap for what is read here that hears the payload, and no headers of packets that are left whole. */
  payloadTap(tap: PumpTap): PumpTap {
    return this.#stream instanceof PacketStream ? this.#stream.payloadTap(tap) : tap
  }

  read(): Awaitable<Uint8Array | undefined> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken)
    const chunk = this.#stream.read()
    return chunk instanceof Promise ? chunk.catch(this.#explain) : chunk
  }

  flow(sink: LinkSink): void {
    const watched = (room: Awaitable<void>): Awaitable<void> => {
      if (room instanceof Promise) room.catch((thrown: unknown) => this.close(BusbarError.from(thrown)))
      return room
    }
    flow(this.#stream, {
      chunk: (bytes) => watched(sink.chunk(bytes)),
      borrow: (bytes, shared) => watched(sink.borrow?.(bytes, shared)),
      end: () => {
        if (this.#broken === undefined) sink.end()
      },
      get copies() {
        return sink.copies ?? false
      },
      get room() {
        return sink.room ?? 0
      },
      get place() {
        return sink.place
      },
      get blind() {
        return sink.blind ?? 0
      },
      get patient() {
        return sink.patient ?? false
      },
      get sated() {
        return sink.sated ?? false
      },
    })
  }

  takeInto(buffer: Uint8Array): number {
    return this.#broken === undefined ? (this.#stream.takeInto?.(buffer) ?? 0) : 0
  }

  write(chunk: Uint8Array): Awaitable<void> {
    const room = this.#stream.write(chunk)
    return room instanceof Promise ? this.#explained(room) : room
  }

  end(): Awaitable<void> {
    const ended = this.#stream.end()
    return ended instanceof Promise ? this.#explained(ended) : ended
  }

  close(reason: BusbarError = new BusbarError('CLOSED', 'closed by this side')): void {
    if (!this.#closing.settle(reason)) return
    this.#broken = reason
    this.#owner.closing(this, reason)
    this.#stream.close(reason)
  }

  /** The session knows why this channel is over: because the peer said so, or because the link is lost. */
  fail(reason: BusbarError): void {
    if (!this.#closing.settle(reason)) return
    this.#broken = reason
    this.#stream.close(reason)
  }

  /** A caller may ignore the promise of a write: then its failure must not count as unhandled. */
  #explained(settling: Promise<void>): Promise<void> {
    const explained = settling.catch(this.#explain)
    explained.catch(() => {})
    return explained
  }

  /** A broken stream only says that it broke; the channel's reason is the one that counts. */
  readonly #explain = async (thrown: unknown): Promise<never> => {
    const error = BusbarError.from(thrown)
    if (error.code === 'INVALID_ARGUMENT' || error.code === 'ENDED') throw error
    throw (await this.closed) ?? error
  }
}
