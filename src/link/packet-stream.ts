import { ChunkQueue } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import { handled } from './handled.ts'
import type { Awaitable, ByteLink } from './link.ts'
import { encodePacketHeader, PACKET_HEADER_BYTES, parsePacketHeader } from './packet-header.ts'

/** Longest packet written, `bytes`: what a mux frame holds (our choice). */
const MAX_PACKET = 65_536

/**
 * A byte stream in VMBus pipe packets over a medium whose own end cannot be trusted: a socket ends the same way when its
 * program finished and when it was killed. Here the end is a packet of size zero, and a medium that ends without it is a
 * broken link. Payloads are not copied, and a packet is handed on as it arrives, never gathered.
 */
export class PacketStream implements ByteLink {
  readonly #below: ByteLink
  readonly #queue = new ChunkQueue()
  /** Bytes of the current packet that are still to come. */
  #left = 0
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

  read(): Awaitable<Uint8Array | undefined> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (this.#reading) {
      return Promise.reject(new BusbarError('INVALID_ARGUMENT', 'a read is already pending on this link'))
    }
    return this.#eof ? undefined : this.#next()
  }

  write(chunk: Uint8Array): Awaitable<void> {
    if (this.#ended) return Promise.reject(new BusbarError('ENDED', 'written to after the end'))
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
    this.#queue.clear()
  }

  async #sendEnd(): Promise<void> {
    await this.#below.write(encodePacketHeader(0))
    await this.#below.end()
  }

  #fail(reason: BusbarError | undefined): void {
    if (reason === undefined) return
    this.#failure = reason
    this.#queue.clear()
  }

  async #next(): Promise<Uint8Array | undefined> {
    this.#reading = true
    try {
      for (;;) {
        if (this.#left === 0 && this.#queue.length >= PACKET_HEADER_BYTES) {
          this.#left = this.#header()
          if (this.#left === 0) return await this.#finish()
        }
        const part = this.#left > 0 ? this.#queue.shift(this.#left) : undefined
        if (part !== undefined) {
          this.#left -= part.length
          return part
        }
        const chunk = await this.#below.read()
        if (chunk === undefined) throw this.#broken('RESET', 'ended without an end packet')
        this.#queue.push(chunk)
      }
    } finally {
      this.#reading = false
    }
  }

  #header(): number {
    try {
      return parsePacketHeader(this.#queue.take(PACKET_HEADER_BYTES), MAX_PACKET)
    } catch (thrown) {
      const reason = BusbarError.from(thrown)
      this.#below.close(reason)
      throw reason
    }
  }

  async #finish(): Promise<undefined> {
    // The medium's own end follows; reading it to there lets both directions finish in order.
    if (this.#queue.length > 0 || (await this.#below.read()) !== undefined) {
      throw this.#broken('MALFORMED', 'bytes after the end packet')
    }
    this.#eof = true
    return undefined
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
