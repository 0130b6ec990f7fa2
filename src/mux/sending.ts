import { BusbarError } from '../errors/index.ts'
import type { ByteLink, Env } from '../link/index.ts'
import { FLAGS, GO_AWAY, WINDOW_UPDATE } from './codec.ts'
import type { MuxLimits } from './limits.ts'
import { COPY_BYTES, LinkWriter } from './link-writer.ts'
import type { StreamCore } from './stream-core.ts'
import { StreamQueue } from './stream-queue.ts'

/** Largest payload of a data frame that we send, `bytes` (our choice: a small frame waits at most for one of these a stream). */
const MAX_PAYLOAD = 65_536
/** Small writes are gathered up to this many `bytes` before they go without waiting for more (our choice: as sockets do). */
const GATHER_BYTES = 4_096

interface ControlFrame {
  readonly type: number
  readonly flags: number
  readonly id: number
  readonly length: number
}

/**
 * What goes out next: control frames, then openings and credit, then one data frame of each stream in turn. Nothing is
 * encoded before the link has room for it, so that what comes later and is more urgent can still go first.
 */
export class Sender {
  readonly #env: Env
  readonly #limits: MuxLimits
  readonly #writer: LinkWriter
  #control: ControlFrame[] = []
  /** Streams that owe SYN, ACK or credit. */
  readonly #owing = new StreamQueue()
  /** Streams with something to send and the window for it, or with a FIN to send. */
  readonly #ready = new StreamQueue()
  /** While a received chunk is worked through, everything waits for its end. */
  #held = false
  /** Something that must not wait was queued while held. */
  #urgent = false
  /**
   * A small frame went out in this run of microtasks: the ones after it are gathered until its end. Measured over a Unix
   * socket with 64 calls in flight: about a fifth more calls than without, and the single call as fast; gathering for a
   * macrotask (`Env.post`) instead costs the single call 8 %.
   */
  #gathering = false
  #gathered = 0
  #posted = false
  #pumping = false
  #stopped = false
  readonly #afterGathering: () => void
  readonly #afterPost: () => void

  constructor(link: ByteLink, env: Env, limits: MuxLimits, broken: (reason: BusbarError) => void) {
    this.#env = env
    this.#limits = limits
    this.#writer = new LinkWriter(link, limits.linkQueue, () => this.pump(), broken)
    this.#afterGathering = () => {
      this.#gathering = false
      this.#gathered = 0
      this.pump()
    }
    this.#afterPost = () => {
      this.#posted = false
      this.pump()
    }
  }

  /** Control frames that wait for the link. */
  get controls(): number {
    return this.#control.length
  }

  /** `bytes` written to the link that it has not taken. */
  get unsettled(): number {
    return this.#writer.unsettled
  }

  /** Queues a frame that goes before everything else; `LIMIT` when too many wait, which only a flooding peer can cause. */
  control(type: number, flags: number, id: number, length: number): void {
    if (this.#stopped) return
    this.#control.push({ type, flags, id, length })
    if (this.#control.length >= this.#limits.control) this.pump()
    else this.#soon()
    if (this.#control.length >= this.#limits.control) {
      throw new BusbarError('LIMIT', `yamux: ${this.#control.length} control frames wait for a peer that does not read`)
    }
  }

  /** A stream owes SYN, ACK or credit. Openings wait a moment, because most are followed by data that can carry the flag. */
  owe(core: StreamCore): void {
    if (this.#stopped) return
    this.#owing.add(core.owing)
    if (core.announced) return this.#soon()
    if (this.#posted) return
    this.#posted = true
    this.#env.post(this.#afterPost)
  }

  /** A stream has `bytes` more to send, or, with 0, its end. */
  wrote(core: StreamCore, bytes: number): void {
    if (this.#stopped || !core.canSend) return
    this.#ready.add(core.ready)
    if (this.#held) {
      this.#urgent = true
    } else if (!this.#gathering) {
      this.pump()
      this.#gathering = true
      void Promise.resolve().then(this.#afterGathering)
    } else {
      this.#gathered += bytes
      if (this.#gathered >= GATHER_BYTES) this.#flushGathered()
    }
  }

  /** A stream is over: whatever it had queued is forgotten. */
  forget(core: StreamCore): void {
    this.#owing.remove(core.owing)
    this.#ready.remove(core.ready)
  }

  /** From now on frames only queue up, until `release`: what one received chunk causes goes out together. */
  hold(): void {
    this.#held = true
  }

  release(): void {
    this.#held = false
    if (!this.#urgent) return
    this.#urgent = false
    this.pump()
  }

  /** The last frame of the session, as far as the link takes it; nothing is sent afterwards. */
  goAway(reason: number): void {
    if (this.#stopped) return
    this.stop()
    this.#writer.header(GO_AWAY, 0, 0, reason)
    this.#writer.flush()
  }

  /** Nothing is sent any more. */
  stop(): void {
    this.#stopped = true
    this.#control = []
  }

  /** Sends what there is, as long as the link has room. */
  pump(): void {
    if (this.#pumping || this.#stopped) return
    this.#pumping = true
    while (this.#writer.hasRoom && !this.#idle) {
      this.#pumpControl()
      this.#pumpOwing()
      this.#pumpData()
      this.#writer.flush()
    }
    this.#pumping = false
  }

  get #idle(): boolean {
    return this.#control.length === 0 && this.#owing.empty && this.#ready.empty
  }

  #soon(): void {
    if (this.#held) this.#urgent = true
    else this.pump()
  }

  #flushGathered(): void {
    this.#gathered = 0
    this.pump()
  }

  #pumpControl(): void {
    let sent = 0
    for (const frame of this.#control) {
      if (!this.#writer.hasRoom) break
      this.#writer.header(frame.type, frame.flags, frame.id, frame.length)
      sent++
    }
    if (sent > 0) this.#control.splice(0, sent)
  }

  #pumpOwing(): void {
    while (this.#writer.hasRoom) {
      const core = this.#owing.shift()
      if (core === undefined) return
      // A first message that is small carries the flag itself. A large one does not: it waits for its turn.
      if (!core.announced && core.queued > 0 && core.queued <= COPY_BYTES && core.canSend) this.#sendData(core)
      const credit = core.takeCredit(this.#env.now())
      if (credit > 0 || !core.announced) {
        this.#writer.header(WINDOW_UPDATE, core.openingFlags(), core.id, credit)
      }
    }
  }

  #pumpData(): void {
    while (this.#writer.hasRoom) {
      const core = this.#ready.shift()
      if (core === undefined) return
      if (core.queued > 0) this.#sendData(core)
      if (core.queued === 0 && core.endDue) {
        this.#writer.header(WINDOW_UPDATE, FLAGS.FIN, core.id, 0)
        core.endSent()
      }
      if (core.canSend) this.#ready.add(core.ready)
    }
  }

  #sendData(core: StreamCore): void {
    const first = core.takeQueued(MAX_PAYLOAD)
    if (first === undefined) return
    const flags = core.openingFlags()
    if (first.length > COPY_BYTES) this.#writer.large(flags, core.id, first)
    else this.#writer.small(flags, core.id, first, core.takeMore)
    core.sent()
  }
}
