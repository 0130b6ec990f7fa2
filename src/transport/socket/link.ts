import type net from 'node:net'
import { BusbarError } from '../../errors/index.ts'
import { type Awaitable, type ByteLink, Closing, Gate, Inbox, type LinkSink } from '../../link/index.ts'
import type { BusyPoller } from '../busy-poller.ts'
import { TRANSPORT_LIMITS, type TransportLimits } from '../limits.ts'
import { linkLost } from './reason.ts'
import { SendBuffer } from './send-buffer.ts'
import { SlabReader } from './slab-reader.ts'
import { BULK, Load, Turn } from './turn.ts'

/** A Node socket as a link. */
class SocketLink implements ByteLink {
  readonly #socket: net.Socket
  readonly #limits: TransportLimits
  readonly #closing = new Closing()
  readonly #gate = new Gate()
  readonly #inbox: Inbox
  readonly #poller: BusyPoller | undefined
  readonly #load = new Load()
  readonly #reading: Turn = new Turn(this.#load, () => this.#goOn())
  readonly #writing: Turn = new Turn(this.#load, () => this.#drained())
  /** There is one where this link carries bulk and nothing waits behind it. */
  #buffer: SendBuffer | undefined
  /** It does so now. */
  #alone = false
  #paused = false
  /** Somebody reads. */
  #asked = false
  /** A header waits for its payload. */
  #holding = false
  #ending: Promise<void> | undefined
  #finished = false

  constructor(from: net.Socket | SlabReader, limits: TransportLimits, poller: BusyPoller | undefined) {
    const socket = from instanceof SlabReader ? from.socket : from
    this.#socket = socket
    this.#poller = poller
    this.#limits = limits
    this.#inbox = new Inbox(
      () => this.#consumed(),
      () => this.#goOn(),
    )
    socket.allowHalfOpen = true
    if (from instanceof SlabReader) {
      from.take = (chunk) => {
        this.#arrived(chunk)
        return !this.#paused
      }
      from.copies = () => this.#inbox.copies
      from.room = () => this.#inbox.room
      from.place = () => this.#inbox.place
      from.lend = (chunk) => {
        // What was read to its place may be gone from there behind this.
        const { length } = chunk
        this.#inbox.lend(chunk)
        this.#moved(length)
        return !this.#paused
      }
    } else {
      // Sockets that somebody else made, such as those of a child process: Buffers here, and plain arrays from a slab reader.
      socket.on('data', (chunk: Uint8Array) => this.#arrived(chunk))
    }
    socket.on('end', () => {
      this.#inbox.end()
      this.#finish()
    })
    socket.on('drain', () => this.#drained())
    socket.on('error', (thrown) => this.#fail(linkLost(thrown)))
    socket.on('close', () => {
      if (!this.#inbox.ended || !this.#finished) this.#fail(new BusbarError('LINK_LOST', 'the socket was closed'))
    })
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#closing.closed
  }

  /** The kernel has taken everything that was written. */
  get copies(): boolean {
    return this.#socket.writableLength === 0
  }

  favourBulk(alone: boolean = true): void {
    const { sendBuffer, wideSockets } = this.#limits
    if (this.#closing.over) return
    this.#alone = alone
    if (alone) this.#buffer ??= new SendBuffer(this.#socket, sendBuffer, wideSockets)
    else this.#buffer?.narrow()
  }

  read(): Awaitable<Uint8Array | undefined> {
    this.#asked = true
    return this.#inbox.read()
  }

  flow(sink: LinkSink): void {
    this.#asked = true
    this.#inbox.flow(sink, (reason) => this.#fail(reason))
  }

  write(chunk: Uint8Array): Awaitable<void> {
    if (this.#ending !== undefined) return Promise.reject(new BusbarError('ENDED', 'written to after the end'))
    if (chunk.length === 0 || this.#closing.over) return this.#gate.pass()
    const header = chunk.length < this.#limits.header
    if (header) this.#hold()
    this.#socket.write(chunk)
    if (!header) this.#flush()
    return this.#wrote(chunk.length)
  }

  writeAll(chunks: readonly Uint8Array[]): Awaitable<void> {
    if (this.#ending !== undefined) return Promise.reject(new BusbarError('ENDED', 'written to after the end'))
    if (this.#closing.over) return this.#gate.pass()
    const socket = this.#socket
    let bytes = 0
    socket.cork()
    for (const chunk of chunks) {
      if (chunk.length === 0) continue
      bytes += chunk.length
      socket.write(chunk)
    }
    socket.uncork()
    this.#flush()
    return bytes === 0 ? this.#gate.pass() : this.#wrote(bytes)
  }

  #wrote(bytes: number): Awaitable<void> {
    const { writableLength } = this.#socket
    // Small calls of this process would wait for all that the kernel takes at once.
    if (this.#writing.moved(bytes)) this.#buffer?.narrow()
    else if (this.#alone && bytes >= BULK && writableLength > 0) void this.#buffer?.widen()
    if (this.#writing.spent || writableLength >= this.#limits.unsent) this.#gate.shut()
    return this.#gate.pass()
  }

  end(): Awaitable<void> {
    if (this.#ending !== undefined || this.#closing.over) return this.#ending
    this.#flush()
    this.#ending = new Promise((resolve, reject) => {
      this.#socket.once('finish', () => {
        this.#finished = true
        // Node tells no drain once the end was asked for.
        this.#gate.open()
        resolve()
        this.#finish()
      })
      this.#socket.end()
      void this.closed.then((reason) => (reason === undefined ? resolve() : reject(reason)))
    })
    this.#ending.catch(() => {})
    return this.#ending
  }

  close(reason: BusbarError = new BusbarError('CLOSED', 'closed by this side')): void {
    this.#fail(reason)
  }

  #arrived(chunk: Uint8Array): void {
    this.#poller?.touch(chunk.length)
    this.#inbox.push(chunk)
    this.#moved(chunk.length)
  }

  /** So much was taken from the kernel. */
  #moved(bytes: number): void {
    this.#reading.moved(bytes)
    if (this.#paused || this.#mayRead()) return
    this.#paused = true
    this.#socket.pause()
  }

  #mayRead(): boolean {
    if (this.#inbox.unread >= this.#limits.unread || this.#reading.spent) return false
    return this.#asked ? !this.#inbox.patient : this.#inbox.unread === 0
  }

  #goOn(): void {
    if (!this.#paused || !this.#mayRead()) return
    this.#paused = false
    this.#socket.resume()
  }

  #consumed(): void {
    this.#goOn()
    if (this.#inbox.ended) this.#finish()
  }

  #drained(): void {
    if (!this.#writing.spent && this.#socket.writableLength < this.#limits.unsent) this.#gate.open()
  }

  /** Holds back what is written until something that is no header was, at the latest until the work that is ready has run. */
  #hold(): void {
    if (this.#holding) return
    this.#holding = true
    this.#socket.cork()
    process.nextTick(() => this.#flush())
  }

  #flush(): void {
    if (!this.#holding) return
    this.#holding = false
    this.#socket.uncork()
  }

  #finish(): void {
    if (this.#finished && this.#inbox.ended && this.#inbox.unread === 0) this.#closing.settle()
  }

  #fail(reason: BusbarError): void {
    if (!this.#closing.settle(reason)) return
    this.#inbox.fail(reason)
    this.#gate.fail(reason)
    this.#socket.destroy()
  }
}

/**
 * A connected Node socket as a link. Takes the socket: nobody else may read, write or listen to it afterwards. A process that
 * forwards between many links gives all of them its one `poller`.
 */
export function socketLink(socket: net.Socket, limits: Partial<TransportLimits> = {}, poller?: BusyPoller): ByteLink {
  return new SocketLink(socket, { ...TRANSPORT_LIMITS, ...limits }, poller)
}

/** As `socketLink`, of a socket that this process made for it. */
export function slabLink(reader: SlabReader, limits: Partial<TransportLimits> = {}, poller?: BusyPoller): ByteLink {
  return new SocketLink(reader, { ...TRANSPORT_LIMITS, ...limits }, poller)
}

/**
 * A stream socket inherited as a file descriptor (one end of a socketpair, or systemd's) as a link. Takes the descriptor.
 * Throws `INVALID_ARGUMENT` when it is not a stream socket.
 */
export function fdLink(fd: number, limits?: Partial<TransportLimits>): ByteLink {
  let reader: SlabReader
  try {
    reader = new SlabReader({ fd, readable: true, writable: true })
  } catch (thrown) {
    throw new BusbarError('INVALID_ARGUMENT', `file descriptor ${fd} is not a stream socket`, { cause: thrown })
  }
  return slabLink(reader, limits)
}
