import { ChunkQueue } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import { type Awaitable, Closing, Gate } from '../link/index.ts'
import { Arrivals } from './arrivals.ts'
import { FLAGS, INITIAL_WINDOW, MAX_WINDOW } from './codec.ts'
import { afterEnd, afterPeerEnd, initialState, peerMaySend, type StreamState } from './state.ts'
import { QueuePlace } from './stream-queue.ts'
import type { ReceiveWindow } from './window.ts'

/** What a stream asks of its session. */
export interface StreamHost {
  /** `bytes` more, or the end, are ready to be sent. */
  wrote(core: StreamCore, bytes: number): void
  /** SYN, ACK or credit is to be sent. */
  owe(core: StreamCore): void
  /** The stream is over; `reset` when the peer must be told. */
  over(core: StreamCore, reset: boolean): void
}

/** One stream as its session sees it: both windows, the send queue, the state. `MuxStream` is what users hold. */
export class StreamCore {
  readonly id: number
  /** Whether this side opened it, and so sends SYN rather than ACK. */
  readonly ours: boolean
  readonly window: ReceiveWindow
  readonly ready: QueuePlace
  readonly owing: QueuePlace
  /** Whether SYN or ACK went out. */
  announced = false
  /** Gives the sender up to `max` more bytes for the frame it is building, as far as the window goes. */
  readonly takeMore: (max: number) => Uint8Array | undefined
  readonly #host: StreamHost
  readonly #sendLimit: number
  readonly #queue = new ChunkQueue()
  readonly #gate = new Gate()
  readonly #closing = new Closing()
  readonly #arrivals: Arrivals
  #state: StreamState = initialState()
  /** `bytes` that the peer allows us to send. */
  #sendWindow = INITIAL_WINDOW
  /** `end` was called; the FIN goes out after what is queued. */
  #ending = false
  #ended: { promise: Promise<void>; resolve(): void; reject(reason: BusbarError): void } | undefined

  constructor(id: number, ours: boolean, host: StreamHost, window: ReceiveWindow, sendLimit: number) {
    this.id = id
    this.ours = ours
    this.window = window
    this.#host = host
    this.#sendLimit = sendLimit
    this.ready = new QueuePlace(this)
    this.owing = new QueuePlace(this)
    this.#arrivals = new Arrivals((bytes) => this.#consumed(bytes))
    this.takeMore = (max) => this.takeQueued(max)
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#closing.closed
  }

  get state(): StreamState {
    return this.#state
  }

  get sendWindow(): number {
    return this.#sendWindow
  }

  /** `bytes` written and not yet handed to the link. */
  get queued(): number {
    return this.#queue.length
  }

  /** `bytes` that arrived and were not read. */
  get unread(): number {
    return this.#arrivals.unread
  }

  /** Whether a FIN is to follow what is queued. */
  get endDue(): boolean {
    return this.#ending && (this.#state.kind === 'open' || this.#state.kind === 'peer-ended')
  }

  /** Whether a data frame or a FIN could go out now. */
  get canSend(): boolean {
    return this.#queue.length > 0 ? this.#sendWindow > 0 : this.endDue
  }

  // What the user does.

  read(): Awaitable<Uint8Array | undefined> {
    return this.#arrivals.read()
  }

  write(chunk: Uint8Array): Awaitable<void> {
    if (this.#ending) return Promise.reject(new BusbarError('ENDED', `written to stream ${this.id} after its end`))
    if (this.#state.kind === 'over' || chunk.length === 0) return this.#gate.pass()
    this.#queue.push(chunk)
    this.#host.wrote(this, chunk.length)
    if (this.#queue.length >= this.#sendLimit) this.#gate.shut()
    return this.#gate.pass()
  }

  end(): Awaitable<void> {
    if (this.#ending || this.#state.kind === 'over') return this.#ended?.promise
    this.#ending = true
    this.#host.wrote(this, 0)
    if (!this.endDue) return
    this.#ended = deferred()
    return this.#ended.promise
  }

  close(reason: BusbarError): void {
    if (this.#state.kind !== 'over') this.fail(reason, this.#state.kind !== 'finished')
  }

  // What arrives from the peer.

  /** A data frame begins: its length is checked before any of it is kept. */
  announce(length: number): void {
    if (!peerMaySend(this.#state)) throw protocol(`sent data on stream ${this.id} after its end`)
    this.window.receive(length)
  }

  arrive(piece: Uint8Array): void {
    this.#arrivals.push(piece)
  }

  peerEnded(): void {
    const state = afterPeerEnd(this.#state)
    if (state === undefined) throw protocol(`ended stream ${this.id} twice`)
    if (state.kind === 'over') return
    this.#state = state
    this.#arrivals.end()
    this.#finish()
  }

  grant(bytes: number): void {
    if (bytes === 0) return
    this.#sendWindow += bytes
    if (this.#sendWindow > MAX_WINDOW) throw protocol(`raised the window of stream ${this.id} above 2^32 - 1`)
    if (this.#queue.length > 0) this.#host.wrote(this, this.#queue.length)
  }

  /** Over at once, with a reason; `reset` when the peer must be told. */
  fail(reason: BusbarError, reset: boolean): void {
    if (this.#state.kind === 'over') return
    this.#state = { kind: 'over', reason }
    this.#queue.clear()
    this.#host.over(this, reset)
    this.#arrivals.fail(reason)
    this.#gate.fail(reason)
    this.#ended?.reject(reason)
    this.#closing.settle(reason)
  }

  // What the sender takes.

  /** SYN or ACK, once. */
  openingFlags(): number {
    if (this.announced) return 0
    this.announced = true
    return this.ours ? FLAGS.SYN : FLAGS.ACK
  }

  /** The next queued bytes as far as the window goes, at most `max`; they count as sent. */
  takeQueued(max: number): Uint8Array | undefined {
    const room = Math.min(max, this.#sendWindow)
    if (room === 0) return undefined
    const piece = this.#queue.shift(room)
    if (piece !== undefined) this.#sendWindow -= piece.length
    return piece
  }

  /** A frame went out: writers may go on when the queue is half empty. */
  sent(): void {
    if (!this.#gate.isOpen && this.#queue.length <= this.#sendLimit / 2) this.#gate.open()
  }

  /** Our FIN went out. */
  endSent(): void {
    this.#state = afterEnd(this.#state)
    this.#ended?.resolve()
    this.#finish()
  }

  /** Credit to return to the peer now, `bytes`; none to a peer that has ended. */
  takeCredit(now: number): number {
    return peerMaySend(this.#state) ? this.window.take(now) : 0
  }

  #consumed(bytes: number): void {
    if (this.window.consume(bytes) && peerMaySend(this.#state)) this.#host.owe(this)
    this.#finish()
  }

  #finish(): void {
    if (this.#state.kind !== 'finished' || this.#arrivals.unread > 0) return
    this.#state = { kind: 'over', reason: undefined }
    this.#host.over(this, false)
    this.#closing.settle()
  }
}

function deferred(): { promise: Promise<void>; resolve(): void; reject(reason: BusbarError): void } {
  let resolve: () => void = () => {}
  let reject: (reason: BusbarError) => void = () => {}
  const promise = new Promise<void>((yes, no) => {
    resolve = yes
    reject = no
  })
  // A caller may ignore the promise of `end`: the stream's `closed` says the same.
  promise.catch(() => {})
  return { promise, resolve, reject }
}

function protocol(found: string): BusbarError {
  return new BusbarError('PROTOCOL', `yamux: the peer ${found}`)
}
