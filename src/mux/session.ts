import { BusbarError } from '../errors/index.ts'
import { type ByteLink, Closing, type Env, type Timer } from '../link/index.ts'
import { DATA, FLAGS, GO_AWAY_REASONS, PING, WINDOW_UPDATE } from './codec.ts'
import { FrameDecoder, type FrameSink } from './decoder.ts'
import { goAwayReason, linkLost, reasonOfGoAway } from './endings.ts'
import { inspectStream, type MuxInspect } from './inspect.ts'
import { MUX_LIMITS, type MuxLimits } from './limits.ts'
import { Pings } from './pings.ts'
import { Sender } from './sending.ts'
import { MuxStream } from './stream.ts'
import type { StreamCore } from './stream-core.ts'
import { StreamTable } from './stream-table.ts'

/** The read loop lets others run after this many `bytes` that were there at once (our choice: one large chunk). */
const YIELD_BYTES = 65_536

export interface MuxOptions {
  /** The client opens odd ids, the server even ones. */
  readonly role: 'client' | 'server'
  readonly env: Env
  readonly limits?: Partial<MuxLimits>
  /** A peer's stream: called synchronously when its SYN is parsed. Refuse by `stream.close()`. Without it all are refused. */
  onStream?(stream: MuxStream): void
}

type SessionState =
  /** Frames pass both ways. */
  | 'live'
  /** All streams are over; our direction of the link was ended, and the peer is given time to end its own. */
  | 'leaving'
  /** The link is closed. */
  | 'over'

/** Many streams over one byte link: the yamux protocol. */
export class MuxSession {
  readonly #link: ByteLink
  readonly #options: MuxOptions
  readonly #limits: MuxLimits
  readonly #sender: Sender
  readonly #decoder = new FrameDecoder()
  readonly #closing = new Closing()
  readonly #streams: StreamTable
  readonly #sink: FrameSink
  readonly #pings: Pings
  #state: SessionState = 'live'
  #reason: BusbarError | undefined
  #opened = 0
  #accepted = 0
  #refused = 0
  #dropped = 0
  /** The stream of the data frame being received, if it wants its bytes, and whether the frame ends it. */
  #target: StreamCore | undefined
  #targetEnds = false
  #grace: Timer | undefined

  /** Takes the link: it ends and closes with the session. */
  constructor(link: ByteLink, options: MuxOptions) {
    this.#link = link
    this.#options = options
    this.#limits = { ...MUX_LIMITS, ...options.limits }
    this.#pings = new Pings(this.#limits.pings, options.env)
    this.#sender = new Sender(link, options.env, this.#limits, (reason) => this.#linkFailed(reason))
    this.#streams = new StreamTable(options.role, options.env, this.#limits, {
      wrote: (core, bytes) => this.#sender.wrote(core, bytes),
      owe: (core) => this.#sender.owe(core),
      over: (core, reset) => this.#streamOver(core, reset),
    })
    this.#sink = {
      frame: (type, flags, id, length) => this.#frame(type, flags, id, length),
      payload: (piece, last) => this.#payload(piece, last),
    }
    // Not before the caller has the session: `onStream` may need it.
    void Promise.resolve().then(() => this.#receive())
  }

  /** Settles once: `undefined` after an orderly end with no stream open, else the reason. */
  get closed(): Promise<BusbarError | undefined> {
    return this.#closing.closed
  }

  /** Streams that are not over. */
  get streams(): number {
    return this.#streams.size
  }

  /**
   * A new stream, usable at once. `LIMIT` when too many are open or the ids are used up, `CLOSED` when the session is over.
   * SYN goes out with the first bytes, or one macrotask later.
   */
  open(): MuxStream {
    if (this.#state !== 'live') throw this.#notLive()
    const core = this.#streams.open()
    this.#opened++
    this.#sender.owe(core)
    return new MuxStream(core)
  }

  /** Round trip to the peer's session, `ms`. `LIMIT` with too many pending; rejects when the session ends. */
  async ping(): Promise<number> {
    if (this.#state !== 'live') throw this.#notLive()
    const { value, reply } = this.#pings.start()
    this.#sender.control(PING, FLAGS.SYN, 0, value)
    return reply
  }

  /**
   * Ends the session: a go-away, then every stream and pending promise fails with `reason` (default `CLOSED`). Without a
   * reason the link is ended in order; with one it is closed with it. Idempotent, first reason wins.
   */
  close(reason?: BusbarError): void {
    if (this.#state !== 'live') return
    const seen = reason ?? new BusbarError('CLOSED', 'the session was closed by this side')
    const orderly = reason === undefined && this.#streams.size === 0
    this.#sender.goAway(reasonOfGoAway(seen.code))
    if (reason === undefined) this.#leave()
    this.#settle(orderly ? undefined : seen, seen, true)
    if (reason !== undefined) this.#link.close(reason)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** Everything live, as plain data. */
  inspect(): MuxInspect {
    return {
      role: this.#options.role,
      state: this.#state,
      streams: this.#streams.all().map(inspectStream),
      opened: this.#opened,
      accepted: this.#accepted,
      refused: this.#refused,
      dropped: this.#dropped,
      control: this.#sender.controls,
      unsettled: this.#sender.unsettled,
      windowBudget: this.#streams.windowBudget,
      pings: this.#pings.size,
    }
  }

  // Receiving.

  async #receive(): Promise<void> {
    let passed = 0
    try {
      for (;;) {
        let chunk = this.#link.read()
        if (chunk instanceof Promise) {
          passed = 0
          chunk = await chunk
        }
        if (chunk === undefined) return this.#linkEnded()
        if (this.#state === 'live') this.#received(chunk)
        passed += chunk.length
        if (passed < YIELD_BYTES) continue
        passed = 0
        await Promise.resolve()
      }
    } catch (thrown) {
      this.#linkFailed(BusbarError.from(thrown, 'LINK_LOST'))
    }
  }

  #received(chunk: Uint8Array): void {
    this.#sender.hold()
    try {
      this.#decoder.push(chunk, this.#sink)
    } catch (thrown) {
      this.#violated(BusbarError.from(thrown))
    }
    this.#sender.release()
  }

  #frame(type: number, flags: number, id: number, length: number): void {
    if (this.#state !== 'live') return
    if (type === DATA) this.#data(flags, id, length)
    else if (type === WINDOW_UPDATE) this.#windowUpdate(flags, id, length)
    else if (type === PING) this.#ping(flags, length)
    else this.#goneAway(length)
  }

  #payload(piece: Uint8Array, last: boolean): void {
    const target = this.#target
    if (target === undefined || target.state.kind === 'over') {
      this.#dropped += piece.length
      return
    }
    target.arrive(piece)
    if (last && this.#targetEnds) target.peerEnded()
  }

  #data(flags: number, id: number, length: number): void {
    const core = this.#addressed(flags, id)
    this.#target = core
    this.#targetEnds = (flags & FLAGS.FIN) !== 0
    if (core === undefined) return
    if (length > 0) core.announce(length)
    else if (this.#targetEnds) core.peerEnded()
  }

  #windowUpdate(flags: number, id: number, length: number): void {
    const core = this.#addressed(flags, id)
    if (core === undefined) return
    core.grant(length)
    if ((flags & FLAGS.FIN) !== 0) core.peerEnded()
  }

  /** The live stream that a frame is for; `undefined` when it is over, refused, or reset by this very frame. */
  #addressed(flags: number, id: number): StreamCore | undefined {
    const core = (flags & FLAGS.SYN) === 0 ? this.#streams.find(id) : this.#accept(id, (flags & FLAGS.RST) !== 0)
    if (core === undefined || (flags & FLAGS.RST) === 0) return core
    // What both sides have ended is complete: a reset after that takes nothing away from the reader.
    if (core.state.kind !== 'finished') core.fail(new BusbarError('RESET', `the peer reset stream ${id}`), false)
    return undefined
  }

  #accept(id: number, reset: boolean): StreamCore | undefined {
    const core = this.#streams.accept(id)
    if (core === undefined || reset || this.#options.onStream === undefined) {
      this.#refused++
      if (core !== undefined) this.#streams.remove(core)
      if (!reset) this.#sender.control(WINDOW_UPDATE, FLAGS.RST, id, 0)
      return undefined
    }
    this.#accepted++
    this.#sender.owe(core)
    const stream = new MuxStream(core)
    try {
      this.#options.onStream(stream)
    } catch (thrown) {
      stream.close(BusbarError.from(thrown))
    }
    return core.state.kind === 'over' ? undefined : core
  }

  #ping(flags: number, value: number): void {
    if (flags === FLAGS.SYN) this.#sender.control(PING, FLAGS.ACK, 0, value)
    else this.#pings.replied(value)
  }

  #goneAway(code: number): void {
    const reason = goAwayReason(code)
    this.#sender.stop()
    if (code === GO_AWAY_REASONS.NORMAL) {
      this.#leave()
      this.#settle(this.#streams.anyUnfinished ? reason : undefined, reason, false)
    } else {
      this.#settle(reason, reason, false)
      this.#link.close(reason)
    }
  }

  // Endings.

  #linkEnded(): void {
    if (this.#state !== 'live') return
    const partial = this.#decoder.partial
    const reason = new BusbarError('LINK_LOST', `the link of the session ended${partial ? ' inside a frame' : ''}`)
    this.#sender.stop()
    this.#leave()
    this.#settle(partial || this.#streams.anyUnfinished ? reason : undefined, reason, false)
  }

  #linkFailed(found: BusbarError): void {
    if (this.#state !== 'live') return
    const reason = linkLost(found)
    this.#sender.stop()
    this.#settle(reason, reason, false)
    this.#link.close(found)
  }

  #violated(found: BusbarError): void {
    if (this.#state !== 'live') return
    this.#sender.goAway(reasonOfGoAway(found.code))
    this.#settle(found, linkLost(found), false)
    this.#link.close(found)
  }

  /** Ends our direction of the link, and closes it when the peer does not end its own in time. */
  #leave(): void {
    this.#state = 'leaving'
    const ended = this.#link.end()
    if (ended instanceof Promise) ended.catch(() => {})
    this.#grace = this.#options.env.timer(this.#limits.closeGrace, () => {
      this.#state = 'over'
      this.#link.close()
    })
    void this.#link.closed.then(() => {
      this.#state = 'over'
      this.#grace?.cancel()
    })
  }

  /** Fails everything. Streams that both sides have ended keep what is unread, unless this side closed the session. */
  #settle(reason: BusbarError | undefined, forStreams: BusbarError, everything: boolean): void {
    if (this.#state === 'live') this.#state = 'over'
    this.#reason = forStreams
    this.#target = undefined
    for (const core of this.#streams.all()) {
      if (everything || core.state.kind !== 'finished') core.fail(forStreams, false)
    }
    this.#pings.fail(forStreams)
    this.#closing.settle(reason)
  }

  #notLive(): BusbarError {
    return new BusbarError('CLOSED', 'the session is over', { cause: this.#reason })
  }

  #streamOver(core: StreamCore, reset: boolean): void {
    this.#streams.remove(core)
    this.#sender.forget(core)
    // A stream of ours whose SYN never went out does not exist for the peer.
    if (!reset || this.#state !== 'live' || (core.ours && !core.announced)) return
    try {
      this.#sender.control(WINDOW_UPDATE, FLAGS.RST, core.id, 0)
    } catch (thrown) {
      this.#violated(BusbarError.from(thrown))
    }
  }
}
