import { BusbarError } from '../errors/index.ts'
import { ChunkQueue } from '../bytes/index.ts'
import type { Awaitable, LinkSink } from './link.ts'

/** Largest chunk that a read hands out of what had waited, `bytes`: what a mux frame holds at most (our choice). */
const MAX_READ = 65536

/**
 * The receiving half of any link: chunks in, reads out, one end or one failure. Belongs to one link; whoever pushes is
 * responsible for not pushing more than the reader was promised.
 */
export class Inbox {
  readonly #queue = new ChunkQueue()
  readonly #consumed: (bytes: number) => void
  #ended = false
  #failure: BusbarError | undefined
  #resolve: ((chunk: Uint8Array | undefined) => void) | undefined
  #reject: ((reason: BusbarError) => void) | undefined
  /** Who takes every chunk, once there is somebody. */
  #sink: LinkSink | undefined
  #refuse: (reason: BusbarError) => void = () => {}
  /** The sink has asked to wait. */
  #waits = false

  /** `consumed` is told the size of each chunk when the reader takes it: the moment to return credit. */
  constructor(consumed: (bytes: number) => void = () => {}) {
    this.#consumed = consumed
  }

  /** Bytes that arrived and were not read. */
  get unread(): number {
    return this.#queue.length
  }

  /** Whether the end has arrived, read or not. */
  get ended(): boolean {
    return this.#ended
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0 || this.#ended || this.#failure !== undefined) return
    if (this.#sink !== undefined && !this.#waits) return this.#give(this.#sink, chunk)
    if (this.#resolve === undefined || this.#queue.length > 0) {
      this.#queue.push(chunk)
      return
    }
    this.#settle()(chunk)
    this.#consumed(chunk.length)
  }

  /** No more bytes will come; what is queued can still be read. */
  end(): void {
    this.#ended = true
    if (this.#queue.length === 0 && this.#resolve !== undefined) this.#settle()(undefined)
    if (!this.#waits) this.#hurry()
  }

  /** From now on every chunk goes to `sink`; `refuse` is told when it takes one badly. */
  flow(sink: LinkSink, refuse: (reason: BusbarError) => void): void {
    this.#sink = sink
    this.#refuse = refuse
    this.#hurry()
  }

  /** The link broke: queued bytes are dropped, pending and later reads reject. First reason wins. */
  fail(reason: BusbarError): void {
    if (this.#failure !== undefined) return
    this.#failure = reason
    this.#queue.clear()
    const reject = this.#reject
    if (reject === undefined) return
    this.#settle()
    reject(reason)
  }

  read(): Awaitable<Uint8Array | undefined> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (this.#resolve !== undefined || this.#sink !== undefined) {
      return Promise.reject(new BusbarError('INVALID_ARGUMENT', 'a read is already pending on this link'))
    }
    const chunk = this.#queue.shift(MAX_READ)
    if (chunk !== undefined) {
      this.#consumed(chunk.length)
      return chunk
    }
    if (this.#ended) return undefined
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  #give(sink: LinkSink, chunk: Uint8Array): void {
    const room = sink.chunk(chunk)
    if (room instanceof Promise) {
      this.#waits = true
      room.then(this.#goOn, (thrown: unknown) => this.#refuse(BusbarError.from(thrown)))
    }
    this.#consumed(chunk.length)
  }

  readonly #goOn = (): void => {
    this.#waits = false
    this.#hurry()
  }

  /** Gives the sink what has waited, and the end behind it. */
  #hurry(): void {
    const sink = this.#sink
    if (sink === undefined) return
    while (!this.#waits) {
      const chunk = this.#queue.shift(MAX_READ)
      if (chunk === undefined) break
      this.#give(sink, chunk)
    }
    if (this.#waits || !this.#ended || this.#failure !== undefined) return
    this.#sink = undefined
    sink.end()
  }

  #settle(): (chunk: Uint8Array | undefined) => void {
    const resolve = this.#resolve as (chunk: Uint8Array | undefined) => void
    this.#resolve = undefined
    this.#reject = undefined
    return resolve
  }
}
