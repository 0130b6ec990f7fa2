import { Slab, Writer } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import type { Awaitable, ByteLink } from '../link/index.ts'
import { Incoming, type IncomingEvents, type Sending } from './incoming.ts'
import { Outgoing } from './outgoing.ts'
import { PduSlab } from './pdu-slab.ts'

/** From this many `bytes` on PDUs leave inside a turn (our choice: so both ends work at once, 40 % more calls, 64 in flight). */
const BATCH = 4_096
/** What waits leaves in writes of at least so many `bytes`, where the link takes many chunks at once: a fragment of bulk with its front (our choice). */
const TOGETHER = 65_536
/** The same where nothing small waits behind bulk. Our choice, measured: while the kernel takes it, this process can make more. */
const TOGETHER_ALONE = 262_144
/** Whoever makes bulk should make no more while so many `bytes` wait here (our choice: what is under way in the kernel keeps the peer busy meanwhile). */
const CROWDED = 262_144
/** How many times gathering waits for yet another round of microtasks (our choice: deeper than proxies and stubs are). */
const MAX_ROUNDS = 12

/** What all links of one caller have in common. */
export interface AccessAccount {
  /** What is unsent on links that take no more, `bytes`. */
  unsent: number
  /** That is more than one caller may leave unread: of links that take no more nothing is read. */
  readonly clogged: boolean
}

/** What an association hears from its access object. */
export interface AccessEvents extends IncomingEvents {
  readonly account?: AccessAccount
  /** Nothing more is read, because the peer does not read, or it is again. */
  readonly stalled?: (stalled: boolean) => void
  /** The last event, once: the link is over. */
  readonly closed: (reason: BusbarError | undefined) => void
}

/**
 * The RPC VM bus access object: it exposes a file handle (any byte link) to RPC, and without it RPC can send nothing.
 *
 * Outgoing PDUs are gathered: those of the same turn leave in one write, or in several of 4 KiB or what the link asks for. A turn is over when a round of
 * microtasks added nothing, or when the association knows that there is nothing to wait for: a lone call never waits. Large stubs
 * are not gathered but written as they are. Incoming chunks are cut into PDUs. Takes the link: closing this closes that.
 */
export class RpcAccess {
  /** Fragments of different calls may mix: long ones leave by `bulk`. */
  interleaves = false
  readonly #link: ByteLink
  #batch: number
  #together = TOGETHER
  #events: AccessEvents | undefined
  #incoming: Incoming | undefined
  #pauseAbove = Number.POSITIVE_INFINITY

  readonly #slab: PduSlab = new PduSlab((gathered) => this.#push(gathered))
  readonly #outgoing = new Outgoing()
  #heads: Slab | undefined
  #offered = 0
  #pdus = 0
  #seen = 0
  #rounds = 0
  #scheduled = false
  #blocked = false
  #counted = 0
  #taken = 0
  /** Who waits until less waits here. */
  #patients: (() => void)[] = []
  #ending = false
  #over = false
  readonly #settled: Promise<void> = Promise.resolve()
  #resume: (() => void) | undefined
  readonly #tick = (): void => this.#turn()

  constructor(link: ByteLink) {
    this.#link = link
    this.#batch = link.batch ?? BATCH
  }

  /** Where `reserve`, `stub` and `add` have made room. Changes with each. */
  get bytes(): Uint8Array {
    return this.#slab.bytes
  }

  get view(): DataView {
    return this.#slab.view
  }

  /** Bytes that wait here, and those that the link took and asked to wait for; of a link that is over, none. */
  get unsent(): number {
    return this.#over ? 0 : this.#offered + this.#outgoing.bytes + this.#slab.gathered
  }

  /** How often the link has taken what it had asked to wait for. */
  get taken(): number {
    return this.#taken
  }

  /** Nothing is read, because the peer does not read. */
  get full(): boolean {
    return this.#resume !== undefined
  }

  /** `bytes` that came. */
  get received(): number {
    return this.#incoming?.received ?? 0
  }

  /** Bytes of an unfinished incoming PDU. */
  get held(): number {
    return this.#incoming?.held ?? 0
  }

  /**
   * Starts reading, or waits for `read` with it where it is `held`. PDUs above `max` bytes are refused; while more than `pauseAbove` bytes are
   * unsent nothing is read. An access object serves one association: `INVALID_ARGUMENT` the second time.
   */
  start(events: AccessEvents, max: number, pauseAbove: number = Number.POSITIVE_INFINITY, held: boolean = false): void {
    if (this.#events !== undefined)
      throw new BusbarError('INVALID_ARGUMENT', 'this access object serves an association')
    this.#events = events
    this.#incoming = new Incoming(events, max, this.#sending())
    this.#pauseAbove = pauseAbove
    if (!held) this.read()
    void this.#link.closed.then((reason) => this.#close(reason))
  }

  /** Starts reading, of a link that was `held`. */
  read(): void {
    if (!this.#over) this.#incoming?.read(this.#link)
  }

  /** Makes room for one PDU, or the front of one, of `length` bytes, and returns where in `bytes` and `view` it starts. */
  reserve(length: number): number {
    if (this.#slab.gathered >= this.#batch) this.#flush()
    const at = this.#slab.reserve(length)
    this.#added()
    return at
  }

  /**
   * A writer for a stub of about `size` bytes that follows `front` bytes of its PDU. A short one is written where it will be sent from:
   * `add` says where its PDU begins. One that is too large for that lies elsewhere and is sent as it is.
   */
  writer(front: number, size: number, max: number): Writer {
    if (this.#slab.gathered >= this.#batch) this.#flush()
    return new Writer(true, max, size, this.#slab.begin(front))
  }

  /** Sends the PDU around what the last `writer` wrote, if it lies here; returns where its front goes, or -1 if it lies elsewhere. */
  add(stub: Writer): number {
    const end = stub.endIn(this.#slab.bytes)
    if (end < 0) return -1
    const at = this.#slab.add(end)
    this.#added()
    return at
  }

  /** Throws away what the last `writer` wrote. */
  drop(): void {
    this.#slab.giveBack()
  }

  /** Sends bytes as they are behind what was reserved so far. They pass to the link. */
  append(bytes: Uint8Array): void {
    this.#seal()
    this.#push(bytes)
    if (!this.#scheduled) this.#schedule()
  }

  /** Memory for what stands in front of fragments of bulk. */
  get heads(): Slab {
    this.#heads ??= new Slab()
    return this.#heads
  }

  /** Fragments of bulk so far, for `waits`. */
  get bulkGiven(): number {
    return this.#outgoing.given
  }

  /** Whether the fragment of bulk of that number still waits here. */
  waits(given: number): boolean {
    return this.#outgoing.waits(given)
  }

  /** Sends a fragment of bulk, in pieces, when nothing else waits: only where `interleaves`. They pass to the link. */
  bulk(fragment: readonly Uint8Array[]): void {
    if (this.#over) return
    this.#outgoing.pushBulk(fragment)
    if (!this.#scheduled) this.#schedule()
  }

  /** Whether so much waits here that more bulk should not be made yet: then `relieved` is told once, when there is less or the link is over. */
  crowded(relieved: () => void): boolean {
    if (this.#over || this.#outgoing.bytes < CROWDED) return false
    this.#patients.push(relieved)
    return true
  }

  /** Whether only bulk is sent, behind which nothing small waits, as far as the caller knows: then more of it may be under way. */
  favourBulk(alone: boolean): void {
    const together = alone ? TOGETHER_ALONE : TOGETHER
    if (this.#together === together) return
    this.#together = together
    this.#link.favourBulk?.(alone)
  }

  /**
   * Says that nothing more is to be gathered, as far as the caller knows: what was sent leaves now, or when the chunk
   * that is being cut has been cut.
   */
  hurry(): void {
    if (this.#incoming?.hurry() !== true) this.#flush()
  }

  /** Sends one encoded PDU. */
  send(pdu: Uint8Array): void {
    const at = this.reserve(pdu.length)
    this.#slab.bytes.set(pdu, at)
  }

  /** Ends this direction after everything that was sent. */
  end(): void {
    this.#ending = true
    this.#flush()
  }

  /** Offers the link what was sent, then closes it. Idempotent. */
  close(reason?: BusbarError): void {
    if (this.#over) return
    this.#flush()
    this.#link.close(reason)
    this.#close(reason ?? new BusbarError('CLOSED', 'closed by this side'))
  }

  /** The peer has left so much unread that nothing more is read of it. */
  get #clogs(): boolean {
    if (this.unsent > this.#pauseAbove) return true
    if (!this.#blocked) return false
    this.#count()
    return this.#events?.account?.clogged === true
  }

  /** Tells the account what this link owes of what all links of the caller do. */
  #count(): void {
    const account = this.#events?.account
    const now = this.#blocked ? this.unsent : 0
    if (account !== undefined) account.unsent += now - this.#counted
    this.#counted = now
  }

  #sending(): Sending {
    return {
      over: () => this.#over,
      flush: () => this.#flush(),
      drained: () => (this.#clogs ? this.#drained() : undefined),
      close: (reason) => this.close(reason),
    }
  }

  #drained(): Promise<void> {
    this.#events?.stalled?.(true)
    return new Promise((resolve) => {
      this.#resume = () => {
        this.#resume = undefined
        this.#events?.stalled?.(false)
        resolve()
      }
    })
  }

  #close(reason: BusbarError | undefined): void {
    if (this.#over) return
    this.#over = true
    this.#outgoing.clear()
    this.#offered = 0
    this.#blocked = false
    if (this.#counted > 0) this.#count()
    this.#incoming?.stop()
    this.#resume?.()
    this.#relieve()
    this.#events?.closed(reason)
  }

  #added(): void {
    this.#pdus++
    if (!this.#scheduled) this.#schedule()
  }

  #schedule(): void {
    this.#scheduled = true
    this.#rounds = 0
    this.#seen = this.#pdus
    void this.#settled.then(this.#tick)
  }

  /** One round of microtasks later: wait for another one if this one brought more to send. */
  #turn(): void {
    if (this.#pdus !== this.#seen && this.#rounds < MAX_ROUNDS) {
      this.#rounds++
      this.#seen = this.#pdus
      void this.#settled.then(this.#tick)
      return
    }
    this.#scheduled = false
    this.#flush()
  }

  /** Moves what was gathered to the queue. */
  #seal(): void {
    const gathered = this.#slab.leave()
    if (gathered !== undefined) this.#push(gathered)
  }

  #push(bytes: Uint8Array): void {
    if (!this.#over) this.#outgoing.push(bytes)
  }

  #flush(): void {
    if (this.#blocked || this.#over) return
    if (this.#outgoing.empty) {
      const gathered = this.#slab.leave()
      if (gathered !== undefined) this.#write(gathered)
    } else {
      this.#seal()
      this.#drain()
    }
    if (this.#patients.length > 0 && this.#outgoing.bytes < CROWDED) this.#relieve()
    if (this.#blocked) return
    if (this.#resume !== undefined && !this.#clogs) this.#resume()
    if (this.#ending) void this.#end()
  }

  #relieve(): void {
    for (const relieved of this.#patients.splice(0)) relieved()
  }

  /** The common case: nothing waits, and everything gathered leaves in one write. */
  #write(gathered: Uint8Array): void {
    const room = this.#link.write(gathered)
    this.#batch = this.#link.batch ?? BATCH
    if (room !== undefined) this.#block(room, gathered.length)
    else if (this.#link.copies === true) this.#slab.again(gathered.length)
  }

  #drain(): void {
    const link = this.#link
    for (let chunk = this.#outgoing.next(); chunk !== undefined; chunk = this.#outgoing.next()) {
      let bytes = chunk.length
      let room: Awaitable<void>
      if (link.writeAll === undefined || this.#outgoing.empty) room = link.write(chunk)
      else {
        const chunks = [chunk]
        while (bytes < this.#together) {
          const more = this.#outgoing.next()
          if (more === undefined) break
          chunks.push(more)
          bytes += more.length
        }
        room = link.writeAll(chunks)
      }
      if (room !== undefined) return this.#block(room, bytes)
    }
  }

  /** The link holds `offered` bytes and asks to wait. */
  #block(room: Promise<void>, offered: number): void {
    this.#blocked = true
    this.#offered = offered
    room.then(
      () => this.#unblock(),
      (reason: unknown) => this.close(BusbarError.from(reason)),
    )
  }

  #unblock(): void {
    this.#blocked = false
    this.#offered = 0
    this.#taken++
    this.#flush()
    if (this.#counted > 0) this.#count()
  }

  async #end(): Promise<void> {
    this.#ending = false
    try {
      await this.#link.end()
    } catch (thrown) {
      this.close(BusbarError.from(thrown))
    }
  }
}
