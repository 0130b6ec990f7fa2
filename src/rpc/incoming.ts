import { BusbarError } from '../errors/index.ts'
import { type ByteLink, flow } from '../link/index.ts'
import { type ChunkMemory, PduCutter, type PduHandler } from './pdu/cutter.ts'

/** A chunk of fewer `bytes` that ends no PDU costs more than it brings (our choice: sixteen of them and more make one fragment). */
const CRUMB = 4_096

/** When an access object may cut what has come, where others are served as well. */
export interface AccessTurns {
  /** Asked before a chunk is cut: whether that may be now, else after `next`. */
  begin(): boolean
  /** Settles when it may be; also waited for where `PduHandler.enough` has said so. */
  next(): Promise<void>
  /** Settles when more may come, behind a chunk that was cut although it might not be. */
  rest(): Promise<void>
  /** Asked behind a chunk that was short and ended no PDU: settles when more may come, if that must wait. */
  pause(): Promise<void> | undefined
  /** Whether what comes meanwhile is better left unread. */
  readonly patient: boolean
  /** Told behind what was cut in one go. */
  end(): void
}

/** What an association hears of what comes. */
export interface IncomingEvents {
  readonly pdu: PduHandler
  readonly turns?: AccessTurns
  /** Told behind a chunk that ends inside a PDU: one that is new, or the same one as before. */
  readonly partial?: (anew: boolean) => void
  /** The peer finished its direction between two PDUs. */
  readonly ended: () => void
}

/** What becomes of what is sent meanwhile. */
export interface Sending {
  /** Whether the link is over. */
  over(): boolean
  /** Sends what was gathered. */
  flush(): void
  /** Settles when more may be read, if that must wait for the peer to read. */
  drained(): Promise<void> | undefined
  close(reason: BusbarError): void
}

/** Cuts what comes over a link into PDUs, in turns where others are served as well. */
export class Incoming {
  /** `bytes` that came. */
  received = 0
  readonly #events: IncomingEvents
  readonly #turns: AccessTurns | undefined
  readonly #cutter: PduCutter
  readonly #sending: Sending
  #cutting = false
  #hurried = false

  /** PDUs above `max` bytes are refused. */
  constructor(events: IncomingEvents, max: number, sending: Sending) {
    this.#events = events
    this.#turns = events.turns
    this.#cutter = new PduCutter(max, events.pdu)
    this.#sending = sending
  }

  /** Bytes of an unfinished PDU. */
  get held(): number {
    return this.#cutter.held
  }

  /** While a chunk is cut: then what was sent leaves when that is done. */
  hurry(): boolean {
    if (this.#cutting) this.#hurried = true
    return this.#cutting
  }

  /** No more is cut. */
  stop(): void {
    this.#cutter.stop()
  }

  read(link: ByteLink): void {
    const turns = this.#turns
    const cutter = this.#cutter
    flow(link, {
      chunk: (bytes) => this.#arrived(bytes, 'kept'),
      // Long stubs are copied to where they are wanted, straight from where the link has read them.
      borrow: (bytes, shared) => this.#arrived(bytes, shared ? 'shared' : 'lent'),
      get room() {
        return cutter.bulk ? Number.POSITIVE_INFINITY : 0
      },
      get place() {
        return cutter.place
      },
      get blind() {
        return cutter.blind
      },
      get patient() {
        return turns?.patient ?? false
      },
      end: () => this.#ended(),
    })
  }

  #arrived(chunk: Uint8Array, as: ChunkMemory): Promise<void> | undefined {
    if (this.#sending.over()) return undefined
    this.received += chunk.length
    const turns = this.#turns
    if (turns === undefined) return this.#cut(chunk, as)
    const may = turns.begin()
    if (!may && as === 'kept') return this.#later(turns, chunk)
    // What is lent is copied to its place at once, since there is nobody to keep it; what follows waits instead.
    const rest = this.#cut(chunk, as) ?? (may || this.#sending.over() ? undefined : turns.rest())
    turns.end()
    return rest
  }

  #cut(chunk: Uint8Array, as: ChunkMemory): Promise<void> | undefined {
    const cutter = this.#cutter
    this.#cutting = true
    const before = cutter.held
    // Where it was read to its place, that may be taken away meanwhile.
    const { length } = chunk
    let rest: Uint8Array | undefined
    try {
      rest = cutter.push(chunk, as)
    } catch (thrown) {
      this.#cutting = false
      this.#sending.close(BusbarError.from(thrown))
      return undefined
    }
    this.#cutting = false
    const { held } = cutter
    if (held > 0) this.#events.partial?.(before === 0 || held < before + length)
    if (this.#hurried) {
      this.#hurried = false
      this.#sending.flush()
    }
    if (rest !== undefined && this.#turns !== undefined) return this.#later(this.#turns, rest)
    if (this.#sending.over()) return undefined
    const drained = this.#sending.drained()
    if (drained !== undefined) return drained
    // A short part of a PDU, and no end of one.
    if (held === before + length && length < CRUMB && !cutter.atFront) return this.#turns?.pause()
    return undefined
  }

  /** Goes on when it is the turn of this association again. */
  async #later(turns: AccessTurns, rest: Uint8Array): Promise<void> {
    this.#sending.flush()
    await turns.next()
    const more = this.#sending.over() ? undefined : this.#cut(rest, 'kept')
    turns.end()
    await more
  }

  #ended(): void {
    if (this.#sending.over()) return
    const { held } = this.#cutter
    if (held === 0) this.#events.ended()
    else this.#sending.close(new BusbarError('MALFORMED', `the peer ended inside a PDU, after ${held} bytes`))
  }
}
