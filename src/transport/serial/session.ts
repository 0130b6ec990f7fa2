import { BusbarError, codeFromNumber, codeNumber } from '../../errors/index.ts'
import { type Awaitable, type ByteLink, Closing, Gate, Inbox } from '../../link/index.ts'
import { FrameEncoder } from './encoder.ts'

/** What a session needs of its port. */
export interface SessionCarrier {
  /** Payloads of up to this many `bytes` are copied behind their header. */
  readonly join: number
  /** Whether the port takes no more for now. */
  readonly blocked: boolean
  write(pieces: readonly Uint8Array[]): void
  /** Bytes were taken by the reader. */
  consumed(): void
  /** Nothing more will be written or is wanted: the port may begin anew. */
  over(session: SerialSession): void
}

/** One session on a serial port, from the moment both sides agreed on it: a byte link with an epoch. */
export class SerialSession implements ByteLink {
  /** Names the session on both sides; never used again. */
  readonly epoch: string
  readonly #carrier: SessionCarrier
  readonly #closing = new Closing()
  readonly #gate = new Gate()
  readonly #inbox: Inbox
  readonly #encoder: FrameEncoder
  #ended = false

  constructor(epoch: string, carrier: SessionCarrier) {
    this.epoch = epoch
    this.#carrier = carrier
    this.#encoder = new FrameEncoder(carrier.join)
    this.#inbox = new Inbox(() => {
      carrier.consumed()
      if (this.#inbox.ended) this.#finish()
    })
    if (carrier.blocked) this.#gate.shut()
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#closing.closed
  }

  /** Bytes that arrived and were not read. */
  get unread(): number {
    return this.#inbox.unread
  }

  read(): Awaitable<Uint8Array | undefined> {
    return this.#inbox.read()
  }

  write(chunk: Uint8Array): Awaitable<void> {
    if (this.#ended) return Promise.reject(new BusbarError('ENDED', 'written to after the end'))
    if (chunk.length === 0 || this.#closing.over) return this.#gate.pass()
    this.#send(this.#encoder.data(chunk))
    return this.#gate.pass()
  }

  end(): Awaitable<void> {
    if (this.#ended || this.#closing.over) return
    this.#ended = true
    this.#send(this.#encoder.end())
    this.#finish()
    return this.#gate.pass()
  }

  close(reason: BusbarError = new BusbarError('CLOSED', 'closed by this side')): void {
    if (this.#closing.over) return
    const over = this.#bothEnded
    this.fail(reason)
    if (over) return
    this.#carrier.write(this.#encoder.close(codeNumber(reason.code)))
    this.#carrier.over(this)
  }

  /** For the port: payload has arrived. */
  arrived(bytes: Uint8Array): void {
    this.#inbox.push(bytes)
  }

  /** For the port: the other side's END has arrived. */
  arrivedEnd(): void {
    this.#inbox.end()
    this.#finish()
  }

  /** For the port: the other side's CLOSE has arrived. */
  arrivedClose(number: number): void {
    const code = codeFromNumber(number)
    const known = code !== undefined && code !== 'CLOSED'
    this.fail(new BusbarError(known ? code : 'RESET', 'closed by the other side of the serial port'))
  }

  /** For the port: it takes more again. */
  room(): void {
    this.#gate.open()
  }

  /** For the port: the session is lost, unless it had ended in order. */
  lost(reason: BusbarError): void {
    if (!this.#bothEnded) this.fail(reason)
  }

  /** Ends everything here with `reason`, and tells nobody. */
  fail(reason: BusbarError): void {
    if (!this.#closing.settle(reason)) return
    this.#inbox.fail(reason)
    this.#gate.fail(reason)
  }

  get #bothEnded(): boolean {
    return this.#ended && this.#inbox.ended
  }

  #send(pieces: readonly Uint8Array[]): void {
    this.#carrier.write(pieces)
    if (this.#carrier.blocked) this.#gate.shut()
  }

  #finish(): void {
    if (!this.#bothEnded) return
    this.#carrier.over(this)
    if (this.#inbox.unread === 0) this.#closing.settle()
  }
}
