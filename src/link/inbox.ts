import { BusbarError } from '../errors/index.ts'
import { ChunkQueue, copyBytes } from '../bytes/index.ts'
import type { Awaitable, LinkSink } from './link.ts'

/** Largest chunk that a read hands out of what had waited, `bytes`: what a mux frame holds at most (our choice). */
const MAX_READ = 65536

const SETTLED: Promise<void> = Promise.resolve()

/** A read into the reader's own memory. */
interface Into {
  readonly buffer: Uint8Array
  readonly resolve: (count: number) => void
  /** Bytes of it that have come. It is answered after the turn in which the first came, since they often come in several parts. */
  count: number
}

/**
 * The receiving half of any link: chunks in, reads out, one end or one failure. Belongs to one link; whoever pushes is
 * responsible for not pushing more than the reader was promised.
 */
export class Inbox {
  readonly #queue = new ChunkQueue()
  readonly #consumed: (bytes: number) => void
  readonly #ready: () => void
  #ended = false
  #failure: BusbarError | undefined
  #resolve: ((chunk: Uint8Array | undefined) => void) | undefined
  /** The pending read wants its bytes there. */
  #into: Into | undefined
  #reject: ((reason: BusbarError) => void) | undefined
  /** Who takes every chunk, once there is somebody. */
  #sink: LinkSink | undefined
  #refuse: (reason: BusbarError) => void = () => {}
  /** The sink has asked to wait. */
  #waits = false
  /** It takes something now. What comes meanwhile waits behind that: to take may mean to write, and a link that has no room for more looks for what came. */
  #takes = false

  /**
   * `consumed` is told the size of each chunk when the reader takes it: the moment to return credit. `ready` is told when a sink that asked
   * to wait, does no longer.
   */
  constructor(consumed: (bytes: number) => void = () => {}, ready: () => void = () => {}) {
    this.#consumed = consumed
    this.#ready = ready
  }

  /** Bytes that arrived and were not read. */
  get unread(): number {
    return this.#queue.length
  }

  /** Whether the end has arrived, read or not. */
  get ended(): boolean {
    return this.#ended
  }

  /** Nothing is here, nothing is over, and no read waits. */
  get idle(): boolean {
    return this.#queue.length === 0 && !this.#ended && this.#failure === undefined && this.#reject === undefined
  }

  /** A read waits. */
  get pending(): boolean {
    return this.#reject !== undefined
  }

  /** The sink has asked to wait, and that nothing be read ahead for it meanwhile. */
  get patient(): boolean {
    return this.#waits && this.#sink?.patient === true
  }

  /** How many `bytes` whoever reads would borrow now. */
  get room(): number {
    if (this.#into !== undefined) return this.#into.buffer.length - this.#into.count
    const sink = this.#sink
    return sink?.room === undefined || this.#busy || this.#ended ? 0 : sink.room
  }

  /** Where whoever reads wants the next bytes: what is read there is lent to it. */
  get place(): Uint8Array | undefined {
    const sink = this.#sink
    return this.#busy || this.#ended || this.#queue.length > 0 ? undefined : sink?.place
  }

  /** How many of those it would copy without a look at them. */
  get blind(): number {
    return this.#into === undefined ? Math.min(this.room, this.#sink?.blind ?? 0) : this.room
  }

  /** Nothing keeps the chunk that was pushed last: its memory is the pusher's again. */
  get copies(): boolean {
    return this.#queue.length === 0 && (this.#sink?.copies ?? false)
  }

  /** The pending read has its memory full, or the sink has what it asked for. */
  get sated(): boolean {
    return this.#into === undefined ? (this.#sink?.sated ?? false) : this.room === 0
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0 || this.#ended || this.#failure !== undefined) return
    if (this.#sink !== undefined && !this.#busy) {
      this.#give(this.#sink, chunk)
      return this.#hurry()
    }
    const into = this.#into
    if (into !== undefined) {
      const room = into.buffer.length - into.count
      if (chunk.length > room) this.#queue.push(chunk.subarray(room))
      if (room > 0) this.#fill(into, chunk.subarray(0, room), false)
      return
    }
    const resolve = this.#resolve
    if (resolve === undefined) return this.#queue.push(chunk)
    this.#settled()
    resolve(chunk)
    this.#consumed(chunk.length)
  }

  /** As `push`, of at most `room` bytes in memory that is the pusher's again afterwards. `shared`: of at most `blind` bytes, in memory that others write to. */
  lend(chunk: Uint8Array, shared: boolean = false): void {
    if (chunk.length === 0 || this.#ended || this.#failure !== undefined) return
    if (this.#into !== undefined) return this.#fill(this.#into, chunk, shared)
    // It asked to wait behind an earlier part of what is lent.
    if (this.#busy) return this.#queue.push(chunk.slice())
    // What was read to its place may be gone from there behind this.
    const { length } = chunk
    this.#takes = true
    const room = this.#sink?.borrow?.(chunk, shared)
    this.#takes = false
    this.#wait(room)
    this.#consumed(length)
    this.#hurry()
  }

  /** No more bytes will come; what is queued can still be read. */
  end(): void {
    this.#ended = true
    // What has come into the memory of a read is answered first.
    if (this.pending && (this.#into === undefined || this.#into.count === 0)) {
      const [into, resolve] = [this.#into, this.#resolve]
      this.#settled()
      into?.resolve(0)
      resolve?.(undefined)
    }
    this.#hurry()
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
    this.#settled()
    reject?.(reason)
  }

  read(): Awaitable<Uint8Array | undefined> {
    const refused = this.#refused()
    if (refused !== undefined) return Promise.reject(refused)
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

  /** Copies the next bytes into `buffer`: how many, 0 at the end. */
  readInto(buffer: Uint8Array): Awaitable<number> {
    const refused = this.#refused()
    if (refused !== undefined) return Promise.reject(refused)
    if (buffer.length === 0) return Promise.reject(new BusbarError('INVALID_ARGUMENT', 'a read into no room'))
    let count = 0
    while (count < buffer.length) {
      const chunk = this.#queue.shift(buffer.length - count)
      if (chunk === undefined) break
      copyBytes(chunk, buffer, count)
      count += chunk.length
    }
    if (count > 0) {
      this.#consumed(count)
      return count
    }
    if (this.#ended) return 0
    return new Promise((resolve, reject) => {
      this.#into = { buffer, resolve, count: 0 }
      this.#reject = reject
    })
  }

  /** Why nobody may read now. */
  #refused(): BusbarError | undefined {
    if (this.#failure !== undefined) return this.#failure
    if (!this.pending && this.#sink === undefined) return undefined
    return new BusbarError('INVALID_ARGUMENT', 'a read is already pending on this link')
  }

  #fill(into: Into, chunk: Uint8Array, shared: boolean): void {
    if (shared) into.buffer.set(chunk, into.count)
    else copyBytes(chunk, into.buffer, into.count)
    if (into.count === 0) void SETTLED.then(() => this.#filled(into))
    into.count += chunk.length
  }

  #filled(into: Into): void {
    // The link may have failed since.
    if (this.#into !== into) return
    this.#settled()
    into.resolve(into.count)
    this.#consumed(into.count)
  }

  /** Nothing is given to the sink now. */
  get #busy(): boolean {
    return this.#waits || this.#takes
  }

  #give(sink: LinkSink, chunk: Uint8Array): void {
    this.#takes = true
    const room = sink.chunk(chunk)
    this.#takes = false
    this.#wait(room)
    this.#consumed(chunk.length)
  }

  #wait(room: Awaitable<void>): void {
    if (!(room instanceof Promise)) return
    this.#waits = true
    room.then(this.#goOn, (thrown: unknown) => this.#refuse(BusbarError.from(thrown)))
  }

  readonly #goOn = (): void => {
    this.#waits = false
    this.#hurry()
    if (!this.#waits) this.#ready()
  }

  /** Gives the sink what has waited, and the end behind it. */
  #hurry(): void {
    const sink = this.#sink
    if (sink === undefined) return
    while (!this.#busy) {
      const chunk = this.#queue.shift(MAX_READ)
      if (chunk === undefined) break
      this.#give(sink, chunk)
    }
    if (this.#busy || !this.#ended || this.#failure !== undefined) return
    this.#sink = undefined
    sink.end()
  }

  #settled(): void {
    this.#resolve = undefined
    this.#into = undefined
    this.#reject = undefined
  }
}
