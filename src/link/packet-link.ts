import { BusbarError } from '../errors/index.ts'
import { handled } from './handled.ts'
import type { Awaitable, ByteLink, MessageLink } from './link.ts'
import { PacketGatherer } from './packet-gatherer.ts'
import { encodePacketHeader } from './packet-header.ts'
import { PacketParser } from './packet-parser.ts'

/** Longest message by default, `bytes`: one mux frame holds it with its header (our choice). */
const DEFAULT_MAX_MESSAGE = 65_528
/** Messages of up to so many `bytes` are copied behind their header (our choice). */
const JOIN = 4096

/**
 * Messages over a byte link, each behind a VMBus pipe header: the message mode of a pipe. A message is never empty:
 * a packet of size zero means the end, as on VMBus. A wrong header closes the link below with `MALFORMED`, one that
 * declares too much with `LIMIT`.
 *
 * The first message of a turn leaves at once; those that follow it in the same turn leave together at its end, or when they are many.
 */
export class PacketLink implements MessageLink {
  readonly maxMessage: number
  readonly #below: ByteLink
  readonly #gatherer = new PacketGatherer()
  readonly #parser: PacketParser
  /** One message of this turn has left. */
  #gathering = false
  /** What the link below asked to wait for last, while that lasts. */
  #room: Promise<void> | undefined
  #ended = false
  #eof = false
  #reading = false
  /** Why the link below closed, unless in order: what is here is not handed out any more. */
  #failure: BusbarError | undefined

  /** Takes the byte link: closing this closes that. */
  constructor(below: ByteLink, maxMessage: number = DEFAULT_MAX_MESSAGE) {
    this.#below = below
    this.maxMessage = maxMessage
    this.#parser = new PacketParser(maxMessage)
    void below.closed.then((reason) => this.#fail(reason))
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#below.closed
  }

  /** A read waits. */
  get pending(): boolean {
    return this.#reading
  }

  read(): Awaitable<Uint8Array | undefined> {
    const refusal = this.#refusal()
    if (refusal !== undefined) return Promise.reject(refusal)
    try {
      return this.#next()
    } catch (thrown) {
      return Promise.reject(thrown)
    }
  }

  /**
   * Instead of `read`: all messages that are here, at least one, in the order they came; `undefined` at the end. One promise for many, and none when
   * some are here already.
   */
  readBatch(): Awaitable<Uint8Array[] | undefined> {
    const first = this.read()
    return first instanceof Promise ? first.then(this.#batch) : this.#batch(first)
  }

  write(message: Uint8Array): Awaitable<void> {
    const { length } = message
    if (this.#ended || length === 0 || length > this.maxMessage) return Promise.reject(this.#refused(length))
    if (length > JOIN) {
      void this.#flush()
      void this.#push(encodePacketHeader(length))
      return this.#push(message)
    }
    if (!this.#gatherer.add(message)) {
      void this.#flush()
      this.#gatherer.add(message)
    }
    if (this.#gathering) return this.#room
    this.#gathering = true
    void Promise.resolve().then(this.#turnOver)
    return this.#flush()
  }

  end(): Awaitable<void> {
    if (this.#ended) return
    this.#ended = true
    void this.#flush()
    return handled(this.#sendEnd())
  }

  close(reason?: BusbarError): void {
    this.#parser.clear()
    this.#gatherer.clear()
    this.#below.close(reason)
  }

  async #sendEnd(): Promise<void> {
    await this.#below.write(encodePacketHeader(0))
    await this.#below.end()
  }

  #refused(length: number): BusbarError {
    if (this.#ended) return new BusbarError('ENDED', 'written to after the end')
    if (length === 0) {
      return new BusbarError('INVALID_ARGUMENT', 'an empty message means the end on a VMBus pipe: call end()')
    }
    return new BusbarError('LIMIT', `a message of ${length} bytes, at most ${this.maxMessage} are allowed`)
  }

  readonly #turnOver = (): void => {
    this.#gathering = false
    void this.#flush()
  }

  #flush(): Awaitable<void> {
    const bytes = this.#gatherer.take()
    if (bytes === undefined) return this.#room
    const room = this.#push(bytes)
    if (room === undefined && this.#below.copies === true) this.#gatherer.giveBack()
    return room
  }

  #push(bytes: Uint8Array): Awaitable<void> {
    const room = this.#below.write(bytes)
    if (!(room instanceof Promise)) return undefined
    this.#room = handled(room)
    const over = (): void => {
      if (this.#room === room) this.#room = undefined
    }
    room.then(over, over)
    return room
  }

  #fail(reason: BusbarError | undefined): void {
    if (reason === undefined) return
    this.#failure = reason
    this.#parser.clear()
    this.#gatherer.clear()
  }

  #refusal(): BusbarError | undefined {
    if (this.#failure !== undefined) return this.#failure
    return this.#reading ? new BusbarError('INVALID_ARGUMENT', 'a read is already pending on this link') : undefined
  }

  /** What is here already, else what comes next. */
  #next(): Awaitable<Uint8Array | undefined> {
    for (;;) {
      const message = this.#parsed()
      if (message !== undefined || this.#eof) return message
      if (this.#parser.ended) return this.#finish()
      const chunk = this.#below.read()
      if (chunk instanceof Promise) {
        this.#reading = true
        return chunk.then(this.#arrived, this.#lost)
      }
      this.#take(chunk)
    }
  }

  #parsed(): Uint8Array | undefined {
    try {
      return this.#parser.next()
    } catch (thrown) {
      const reason = BusbarError.from(thrown)
      this.#below.close(reason)
      throw reason
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

  readonly #batch = (first: Uint8Array | undefined): Uint8Array[] | undefined => {
    if (first === undefined) return undefined
    const batch = [first]
    try {
      for (let next = this.#parser.next(); next !== undefined; next = this.#parser.next()) batch.push(next)
    } catch (thrown) {
      // Those before it were whole; the next read is told.
      this.#below.close(BusbarError.from(thrown))
    }
    return batch
  }

  #take(chunk: Uint8Array | undefined): void {
    if (this.#failure !== undefined) throw this.#failure
    if (chunk === undefined) throw this.#broken('RESET', 'ended without an end packet')
    this.#parser.push(chunk)
  }

  async #finish(): Promise<undefined> {
    this.#reading = true
    try {
      // The byte link has its own end; reading it to there lets both directions finish in order.
      if (this.#parser.left > 0 || (await this.#below.read()) !== undefined) {
        throw this.#broken('MALFORMED', 'bytes after the end packet')
      }
      this.#eof = true
      return undefined
    } finally {
      this.#reading = false
    }
  }

  #broken(code: 'RESET' | 'MALFORMED', found: string): BusbarError {
    const reason = new BusbarError(code, `message pipe: ${found}`)
    this.#below.close(reason)
    return reason
  }
}
