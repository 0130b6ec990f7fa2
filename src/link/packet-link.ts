import { ChunkQueue } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import { handled } from './handled.ts'
import type { Awaitable, ByteLink, MessageLink } from './link.ts'
import { encodePacket, encodePacketHeader, PACKET_HEADER_BYTES, parsePacketHeader } from './packet-header.ts'

/** Longest message by default, `bytes`: one mux frame holds it with its header (our choice). */
const DEFAULT_MAX_MESSAGE = 65_528

/**
 * Messages over a byte link, each behind a VMBus pipe header: the message mode of a pipe. A message is never empty:
 * a packet of size zero means the end, as on VMBus. A wrong header closes the link below with `MALFORMED`, one that
 * declares too much with `LIMIT`.
 */
export class PacketLink implements MessageLink {
  readonly maxMessage: number
  readonly #below: ByteLink
  readonly #queue = new ChunkQueue()
  #ended = false
  #eof = false
  #reading = false
  /** Why the link below closed, unless in order: what is queued is not handed out any more. */
  #failure: BusbarError | undefined

  /** Takes the byte link: closing this closes that. */
  constructor(below: ByteLink, maxMessage: number = DEFAULT_MAX_MESSAGE) {
    this.#below = below
    this.maxMessage = maxMessage
    void below.closed.then((reason) => this.#fail(reason))
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#below.closed
  }

  read(): Awaitable<Uint8Array | undefined> {
    if (this.#reading) {
      return Promise.reject(new BusbarError('INVALID_ARGUMENT', 'a read is already pending on this link'))
    }
    this.#reading = true
    return this.#next().finally(() => {
      this.#reading = false
    })
  }

  write(message: Uint8Array): Awaitable<void> {
    if (this.#ended) return Promise.reject(new BusbarError('ENDED', 'written to after the end'))
    if (message.length === 0) {
      return Promise.reject(
        new BusbarError('INVALID_ARGUMENT', 'an empty message means the end on a VMBus pipe: call end()'),
      )
    }
    if (message.length > this.maxMessage) {
      return Promise.reject(
        new BusbarError('LIMIT', `a message of ${message.length} bytes, at most ${this.maxMessage} are allowed`),
      )
    }
    return this.#below.write(encodePacket(message))
  }

  end(): Awaitable<void> {
    if (this.#ended) return
    this.#ended = true
    return handled(this.#sendEnd())
  }

  close(reason?: BusbarError): void {
    this.#below.close(reason)
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
    if (this.#failure !== undefined) throw this.#failure
    if (this.#eof) return undefined
    await this.#need(PACKET_HEADER_BYTES, 'without an end packet')
    // It may have broken while this waited, with the bytes there already.
    if (this.#failure !== undefined) throw this.#failure
    const size = this.#size()
    if (size === 0) return this.#finish()
    await this.#need(size, 'inside a message')
    if (this.#failure !== undefined) throw this.#failure
    return this.#queue.take(size)
  }

  async #finish(): Promise<undefined> {
    if (this.#queue.length > 0) throw this.#broken('MALFORMED', 'bytes after the end packet')
    this.#eof = true
    // The byte link has its own end; reading it to there lets both directions finish in order.
    if ((await this.#below.read()) !== undefined) throw this.#broken('MALFORMED', 'bytes after the end packet')
    return undefined
  }

  #size(): number {
    try {
      return parsePacketHeader(this.#queue.take(PACKET_HEADER_BYTES), 0, this.maxMessage)
    } catch (thrown) {
      const reason = BusbarError.from(thrown)
      this.#below.close(reason)
      throw reason
    }
  }

  async #need(bytes: number, ended: string): Promise<void> {
    while (this.#queue.length < bytes) {
      const chunk = await this.#below.read()
      if (this.#failure !== undefined) throw this.#failure
      if (chunk === undefined) throw this.#broken('RESET', `ended ${ended}`)
      this.#queue.push(chunk)
    }
  }

  #broken(code: 'RESET' | 'MALFORMED', found: string): BusbarError {
    const reason = new BusbarError(code, `message pipe: ${found}`)
    this.#below.close(reason)
    return reason
  }
}
