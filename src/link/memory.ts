import { BusbarError } from '../errors/index.ts'
import { Closing } from './closing.ts'
import { Gate } from './gate.ts'
import { Inbox } from './inbox.ts'
import type { Awaitable, ByteLink } from './link.ts'

/** Bytes in flight in one direction before a writer waits (our choice: the initial window of a mux stream). */
const DEFAULT_WINDOW = 262_144

/** What travels in one direction of the pair. */
type Item = { kind: 'data'; chunk: Uint8Array } | { kind: 'end' } | { kind: 'close'; reason: BusbarError }

/** One end of a memory pair. */
export class MemoryLink implements ByteLink {
  readonly #closing = new Closing()
  readonly #gate = new Gate()
  readonly #inbox: Inbox
  readonly #window: number
  #other: MemoryLink = this
  #inFlight = 0
  #ended = false
  #fenced = false
  #held: Item[] = []

  private constructor(window: number) {
    this.#window = window
    this.#inbox = new Inbox((bytes) => this.#other.#credit(bytes))
  }

  /** Two linked ends. `window` is how many `bytes` may be unread in each direction before writers wait. */
  static pair(window: number = DEFAULT_WINDOW): [MemoryLink, MemoryLink] {
    const a = new MemoryLink(window)
    const b = new MemoryLink(window)
    a.#other = b
    b.#other = a
    return [a, b]
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#closing.closed
  }

  /** Bytes written here that the other end has not read. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** From now on what this end sends piles up instead of arriving, until `release`. */
  fence(): void {
    this.#fenced = true
  }

  /** Delivers what piled up, all or the first `count` items, and takes the fence away when all was delivered. */
  release(count: number = this.#held.length): void {
    for (const item of this.#held.splice(0, count)) this.#other.#arrive(item)
    if (this.#held.length === 0) this.#fenced = false
  }

  read(): Awaitable<Uint8Array | undefined> {
    const chunk = this.#inbox.read()
    if (chunk === undefined) this.#finish()
    return chunk
  }

  write(chunk: Uint8Array): Awaitable<void> {
    if (this.#ended) return Promise.reject(new BusbarError('ENDED', 'written to after the end'))
    if (this.#closing.over) return this.#gate.pass()
    if (chunk.length === 0) return this.#gate.pass()
    this.#inFlight += chunk.length
    if (this.#inFlight >= this.#window) this.#gate.shut()
    this.#send({ kind: 'data', chunk })
    return this.#gate.pass()
  }

  end(): Awaitable<void> {
    if (this.#ended || this.#closing.over) return
    this.#ended = true
    this.#send({ kind: 'end' })
    this.#finish()
  }

  close(reason: BusbarError = new BusbarError('CLOSED', 'closed by this side')): void {
    if (this.#closing.over) return
    const seen = reason.code === 'CLOSED' ? new BusbarError('RESET', 'closed by the other end') : reason
    this.#fail(reason)
    this.#send({ kind: 'close', reason: seen })
  }

  #send(item: Item): void {
    if (this.#fenced) this.#held.push(item)
    else this.#other.#arrive(item)
  }

  #arrive(item: Item): void {
    if (this.#closing.over) return
    switch (item.kind) {
      case 'data':
        return this.#inbox.push(item.chunk)
      case 'end':
        this.#inbox.end()
        return this.#finish()
      case 'close':
        return this.#fail(item.reason)
      default:
        item satisfies never
    }
  }

  #credit(bytes: number): void {
    this.#inFlight -= bytes
    if (this.#inFlight < this.#window) this.#gate.open()
  }

  #finish(): void {
    if (this.#ended && this.#inbox.ended && this.#inbox.unread === 0) this.#closing.settle()
  }

  #fail(reason: BusbarError): void {
    if (!this.#closing.settle(reason)) return
    this.#inbox.fail(reason)
    this.#gate.fail(reason)
  }
}

/** Two linked ends in memory that keep the link contract and can be fenced. */
export function memoryPair(window?: number): [MemoryLink, MemoryLink] {
  return MemoryLink.pair(window)
}
