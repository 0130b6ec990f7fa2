import { BusbarError } from '../errors/index.ts'
import { flow } from './flow.ts'
import { handled } from './handled.ts'
import type { Awaitable, ByteLink, LinkSink } from './link.ts'
import { encodePacket, encodePacketHeader, PACKET_HEADER_BYTES, parsePacketHeader } from './packet-header.ts'
import { PacketTap } from './packet-tap.ts'
import type { PumpTap } from './pump.ts'

/** Longest packet written, `bytes`: what a mux frame holds (our choice). */
const MAX_PACKET = 65_536
/** Payloads of up to this many `bytes` are copied behind their header: a second piece in a system call costs more (our choice, measured). */
const JOIN = 16_384
/** Somebody passes each packet on: with 8 KiB instead of 4 an eighth more calls come through a broker, 64 in flight, on two cores (our choice). */
const BATCH = 8_192

const NOTHING = new Uint8Array(0)

/**
 * A byte stream in VMBus pipe packets over a medium whose own end cannot be trusted: a socket ends the same way when its
 * program finished and when it was killed. Here the end is a packet of size zero, and a medium that ends without it is a
 * broken link. Long payloads are not copied, and a packet is handed on as it arrives, never gathered.
 */
export class PacketStream implements ByteLink {
  readonly #below: ByteLink
  /** What the link below gave last, and where the part of it begins that was not handed out. */
  #chunk: Uint8Array = NOTHING
  #at = 0
  /** Payload bytes of the current packet that are still to come. */
  #left = 0
  /** The first bytes of a header whose other bytes have not come. */
  #split: Uint8Array | undefined
  /** Whether the packets are passed on with their headers. */
  #whole = false
  /** Bytes of headers that were handed out. */
  #headers = 0
  /** The end packet has come. */
  #endCame = false
  #ended = false
  #eof = false
  #reading = false
  /** Why the link below closed, unless in order: what is queued is not handed out any more. */
  #failure: BusbarError | undefined

  /** Takes the byte link: closing this closes that. */
  constructor(below: ByteLink) {
    this.#below = below
    void below.closed.then((reason) => this.#fail(reason))
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#below.closed
  }

  /**
   * From now on `read` gives and `write` takes bytes with the headers of the packets, checked but not taken apart: for whoever
   * joins two such streams. Ends stay what they are. Nothing may have been read or written before.
   */
  leaveWhole(): void {
    this.#whole = true
  }

  /** How much of what `read` gave were headers, `bytes`: none unless packets are left whole. */
  get headersRead(): number {
    return this.#headers
  }

  /** A tap for what `read` gives that hears the payload alone. It begins with the next chunk. */
  payloadTap(tap: PumpTap): PumpTap {
    return this.#whole ? new PacketTap(tap, this.#left) : tap
  }

  get batch(): number {
    return BATCH
  }

  get copies(): boolean {
    return this.#below.copies ?? false
  }

  favourBulk(alone?: boolean): void {
    this.#below.favourBulk?.(alone)
  }

  read(): Awaitable<Uint8Array | undefined> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (this.#reading) {
      return Promise.reject(new BusbarError('INVALID_ARGUMENT', 'a read is already pending on this link'))
    }
    if (this.#eof) return undefined
    try {
      return this.#next()
    } catch (thrown) {
      return Promise.reject(thrown)
    }
  }

  flow(sink: LinkSink): void {
    const passed = (): boolean => this.#at === this.#chunk.length
    flow(this.#below, {
      chunk: (chunk) => {
        this.#chunk = chunk
        this.#at = 0
        return this.#pass(sink, false)
      },
      borrow: (chunk) => {
        this.#chunk = chunk
        this.#at = 0
        const room = this.#pass(sink, true)
        // Of what was lent, nothing is touched afterwards.
        this.#chunk = room instanceof Promise ? chunk.slice(this.#at) : NOTHING
        this.#at = 0
        return room
      },
      get room() {
        return sink.room ?? 0
      },
      get patient() {
        return sink.patient ?? false
      },
      get copies() {
        return passed() && (sink.copies ?? false)
      },
      end: () => {
        if (!this.#endCame) return void this.#broken('RESET', 'ended without an end packet')
        this.#eof = true
        sink.end()
      },
    })
  }

  write(chunk: Uint8Array): Awaitable<void> {
    if (this.#ended) return Promise.reject(new BusbarError('ENDED', 'written to after the end'))
    if (this.#whole) return this.#below.write(chunk)
    if (chunk.length <= JOIN) return this.#below.write(chunk.length === 0 ? chunk : encodePacket(chunk))
    let room: Awaitable<void> = undefined
    for (let at = 0; at < chunk.length; at += MAX_PACKET) {
      const part = chunk.subarray(at, Math.min(chunk.length, at + MAX_PACKET))
      // The header's promise may be dropped: the next write returns the same back-pressure or the same failure.
      ignoreFailure(this.#below.write(encodePacketHeader(part.length)))
      ignoreFailure(room)
      room = this.#below.write(part)
    }
    return room
  }

  end(): Awaitable<void> {
    if (this.#ended) return
    this.#ended = true
    return handled(this.#sendEnd())
  }

  close(reason?: BusbarError): void {
    this.#below.close(reason)
    this.#chunk = NOTHING
    this.#at = 0
  }

  async #sendEnd(): Promise<void> {
    await this.#below.write(encodePacketHeader(0))
    await this.#below.end()
  }

  #fail(reason: BusbarError | undefined): void {
    if (reason === undefined) return
    this.#failure = reason
    this.#chunk = NOTHING
    this.#at = 0
  }

  /** What is here already, else what comes next. */
  #next(): Awaitable<Uint8Array | undefined> {
    for (;;) {
      const part = this.#whole ? this.#packets() : this.#payload()
      if (part !== undefined) return part
      if (this.#endCame) return this.#finish()
      const chunk = this.#below.read()
      if (chunk instanceof Promise) {
        this.#reading = true
        return chunk.then(this.#arrived, this.#lost)
      }
      this.#take(chunk)
    }
  }

  /** Gives the sink what is here; what the link below throws at us closed it already. */
  #pass(sink: LinkSink, lent: boolean): Awaitable<void> {
    for (;;) {
      let part: Uint8Array | undefined
      try {
        part = this.#whole ? this.#packets() : this.#payload()
      } catch {
        return
      }
      if (part === undefined) {
        if (this.#endCame && this.#at < this.#chunk.length) this.#broken('MALFORMED', 'bytes after the end packet')
        return
      }
      const room = lent ? pass(sink, part) : sink.chunk(part)
      // Whoever lent the chunk keeps a copy of what is left of it here.
      if (room instanceof Promise)
        return this.#at === this.#chunk.length ? room : room.then(() => this.#pass(sink, false))
    }
  }

  readonly #arrived = (chunk: Uint8Array | undefined): Awaitable<Uint8Array | undefined> => {
    this.#reading = false
    this.#take(chunk)
    return this.#next()
  }

  readonly #lost = (thrown: unknown): never => {
    this.#reading = false
    throw thrown
  }

  #take(chunk: Uint8Array | undefined): void {
    if (this.#failure !== undefined) throw this.#failure
    if (chunk === undefined) throw this.#broken('RESET', 'ended without an end packet')
    this.#chunk = chunk
    this.#at = 0
  }

  /** The payload bytes that are here of one packet. */
  #payload(): Uint8Array | undefined {
    if (this.#left === 0 && this.#header() === undefined) return undefined
    const start = this.#at
    const end = Math.min(this.#chunk.length, start + this.#left)
    if (this.#left === 0 || start === end) return undefined
    this.#left -= end - start
    this.#at = end
    return this.#chunk.subarray(start, end)
  }

  /** Everything that is here up to the end packet or to a header that is not whole. */
  #packets(): Uint8Array | undefined {
    // A header that came in two parts is passed on by itself, with the next chunk behind it.
    if (this.#split !== undefined) {
      const header = this.#header()
      return this.#endCame ? undefined : header
    }
    const chunk = this.#chunk
    const start = this.#at
    let end = start
    for (;;) {
      const skipped = Math.min(chunk.length - end, this.#left)
      this.#left -= skipped
      end += skipped
      this.#at = end
      if (this.#left > 0 || this.#header() === undefined || this.#endCame) break
      end = this.#at
    }
    if (start === end) return undefined
    return start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end)
  }

  /** Reads the header that is next, and gives it; `undefined` while its bytes are not all here, and behind the end. */
  #header(): Uint8Array | undefined {
    if (this.#endCame) return undefined
    const { length: had } = this.#split ?? NOTHING
    const start = this.#at
    const end = Math.min(this.#chunk.length, start + PACKET_HEADER_BYTES - had)
    if (start === end) return undefined
    this.#at = end
    let header = this.#chunk
    let at = start
    if (had + end - start < PACKET_HEADER_BYTES || had > 0) {
      header = new Uint8Array(had + end - start)
      header.set(this.#split ?? NOTHING)
      header.set(this.#chunk.subarray(start, end), had)
      at = 0
      this.#split = header
      if (header.length < PACKET_HEADER_BYTES) return undefined
      this.#split = undefined
    }
    try {
      this.#left = parsePacketHeader(header, at, MAX_PACKET)
    } catch (thrown) {
      const reason = BusbarError.from(thrown)
      this.#below.close(reason)
      throw reason
    }
    this.#endCame = this.#left === 0
    if (this.#whole && !this.#endCame) this.#headers += PACKET_HEADER_BYTES
    return header
  }

  async #finish(): Promise<undefined> {
    this.#reading = true
    try {
      // The medium's own end follows; reading it to there lets both directions finish in order.
      if (this.#at < this.#chunk.length || (await this.#below.read()) !== undefined) {
        throw this.#broken('MALFORMED', 'bytes after the end packet')
      }
      this.#eof = true
      return undefined
    } finally {
      this.#reading = false
    }
  }

  #broken(code: 'RESET' | 'MALFORMED', found: string): BusbarError {
    const reason = new BusbarError(code, `packet stream: ${found}`)
    this.#below.close(reason)
    return reason
  }
}

function ignoreFailure(settling: Awaitable<void>): void {
  if (settling instanceof Promise) void handled(settling)
}

/** Gives a sink what is only lent: so much of it as it borrows, and a copy of the rest. */
function pass(sink: LinkSink, bytes: Uint8Array): Awaitable<void> {
  const room = sink.room ?? 0
  if (sink.borrow === undefined || room < bytes.length) return sink.chunk(bytes.slice())
  return sink.borrow(bytes, false)
}
