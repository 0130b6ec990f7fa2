import { ChunkQueue } from '../../bytes/index.ts'
import { BusbarError } from '../../errors/index.ts'
import { type Awaitable, type ByteLink, Closing, flow, Gate, Inbox, type LinkSink } from '../../link/index.ts'
import type { RingReader, RingWriter } from '../../ring/index.ts'
import { SAMPLED } from './apart.ts'
import type { Bell } from './bell.ts'
import { LINK_END, RING_LIMITS, type RingLimits } from './limits.ts'
import type { Polled, RingPoller } from './poller.ts'
import { Preface, PREFACE_BYTES, writePreface } from './preface.ts'

/** As many `bytes` at a time are bulk: for those it is speed that counts, not who waits how long (our choice: half a long packet). */
const BULK = 32_768

/**
 * From so many `bytes` on small messages that were gathered leave (measured, calls a second with 64 of 100 bytes in flight: twice as many are a tenth slower, half as many
 * no faster).
 */
const BATCH = 2048

/** The rings of one end, mapped and not used yet. */
export interface Rings {
  readonly writer: RingWriter
  readonly reader: RingReader
  readonly bell: Bell
  /** Gives the memory back. Both rings are closed by then. */
  release(): void
}

/**
 * A byte stream that begins on a link, and goes over to rings when both ends have mapped them. Each direction goes over by itself, with the next write
 * after `raise`: the first bytes in the ring say how many went over the link before it, so nothing is lost or overtaken. From then on the link says
 * only how the stream is over: it ends after the ring did, and when it breaks, the stream has broken.
 */
export class RingStream implements ByteLink, Polled {
  readonly #below: ByteLink
  readonly #poller: RingPoller
  readonly #limits: RingLimits
  readonly #closing = new Closing()
  readonly #gate = new Gate()
  readonly #inbox: Inbox
  /** Lets the link below go on. */
  #room: (() => void) | undefined
  /** Bytes that went over the link, and that came over it. */
  #sent = 0
  #got = 0
  #belowEnded = false
  /** Read from as soon as they are there: the other end may hear earlier that both have them, and use them. */
  #rings: Rings | undefined
  /** The other end has them too. */
  #raised = false
  readonly #preface = new Preface()
  /** Writes go to the ring. */
  #switched = false
  /** What the ring had no room for yet. */
  readonly #queue = new ChunkQueue()
  /** Writes of bulk so far. */
  #puts = 0
  #head: Uint8Array | undefined
  #ending: Promise<void> | undefined
  #endRing: () => void = () => {}
  #finished = false
  #pulling = false
  /** A turn was waited for whoever reads to come back. */
  #waited = false

  /** Takes the link. */
  constructor(below: ByteLink, poller: RingPoller, limits: Partial<RingLimits> = {}) {
    this.#below = below
    this.#poller = poller
    this.#limits = { ...RING_LIMITS, ...limits }
    this.#inbox = new Inbox(() => this.#consumed())
    flow(below, { chunk: (chunk) => this.#arrived(chunk), end: () => this.#ended() })
    void below.closed.then((reason) => reason !== undefined && this.#fail(reason))
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#closing.closed
  }

  /** What carries the bytes that are written now. */
  get medium(): 'stream' | 'ring' {
    return this.#raised ? 'ring' : 'stream'
  }

  /** A ring that has room takes a copy; what waits for room is the writer's own memory. */
  get copies(): boolean {
    return this.#raised && this.#head === undefined
  }

  /** To write costs a ring little: the other side may work on the first of many small messages while this one makes the rest. */
  get batch(): number | undefined {
    return this.#raised ? BATCH : this.#below.batch
  }

  favourBulk(): void {
    this.#below.favourBulk?.()
  }

  /** Takes rings, to be written to when the other end has them as well. On a stream that is over they are given back at once. */
  prepare(rings: Rings): void {
    if (this.#closing.over || this.#rings !== undefined) return letGo(rings)
    this.#rings = rings
    rings.bell.listen(() => this.#poller.wake(this))
    this.#poller.wake(this)
  }

  /** The other end has the rings: they are written to from here on. */
  raise(): void {
    this.#raised = this.#rings !== undefined
  }

  /** The other end has none, or the bus does not want them: everything stays on the link. */
  abandon(): void {
    if (this.#rings === undefined || this.#raised) return
    if (this.#preface.begun)
      return this.#fail(new BusbarError('PROTOCOL', 'the other end uses rings that were called off'))
    this.#poller.remove(this)
    letGo(this.#rings)
    this.#rings = undefined
  }

  read(): Awaitable<Uint8Array | undefined> {
    if (this.#rings !== undefined && this.#inbox.unread === 0) this.#tryPull(this.#rings)
    return this.#inbox.read()
  }

  flow(sink: LinkSink): void {
    this.#inbox.flow(sink, (reason) => this.#fail(reason))
  }

  /** As long as the turn of the event loop lasts: without a promise and a look for each. The end, and what comes later, is found by looking. */
  takeInto(buffer: Uint8Array): number {
    const rings = this.#rings
    if (rings === undefined || this.#pulling || this.#preface.expected === undefined) return 0
    const now = this.#poller.now()
    if (!this.#wants() || !this.#poller.turnLasts(now)) return 0
    try {
      const taken = rings.reader.readInto(buffer)
      if (rings.reader.release()) this.#ring(rings.bell)
      if (taken >= BULK) this.#poller.bulk(now)
      return taken
    } catch (thrown) {
      this.#fail(BusbarError.from(thrown))
      return 0
    }
  }

  write(chunk: Uint8Array): Awaitable<void> {
    if (this.#ending !== undefined) return Promise.reject(new BusbarError('ENDED', 'written to after the end'))
    if (this.#closing.over || chunk.length === 0) return this.#gate.pass()
    const rings = this.#rings
    if (rings === undefined || !this.#raised) {
      this.#sent += chunk.length
      return this.#below.write(chunk)
    }
    if (this.#head !== undefined) {
      this.#queue.push(chunk)
      return this.#gate.pass()
    }
    let done: number
    try {
      if (!this.#switched) this.#switch(rings)
      done = this.#put(rings.writer, chunk)
      if (rings.writer.publish()) this.#ring(rings.bell)
    } catch (thrown) {
      this.#fail(BusbarError.from(thrown))
      return this.#gate.pass()
    }
    if (done === chunk.length) return undefined
    this.#head = done === 0 ? chunk : chunk.subarray(done)
    this.#gate.shut()
    const room = this.#gate.pass()
    this.#poller.wake(this)
    return room
  }

  end(): Awaitable<void> {
    if (this.#ending !== undefined || this.#closing.over) return this.#ending
    this.#ending = new Promise((resolve, reject) => {
      const endBelow = (): void => {
        Promise.resolve(this.#below.end()).then(
          () => {
            this.#finished = true
            resolve()
            this.#finish()
          },
          (thrown: unknown) => this.#fail(BusbarError.from(thrown)),
        )
      }
      void this.closed.then((reason) => reason !== undefined && reject(reason))
      this.#endRing = () => {
        const rings = this.#rings
        if (rings === undefined) return
        rings.writer.end()
        if (rings.writer.publish()) this.#ring(rings.bell)
        endBelow()
      }
      if (!this.#switched) endBelow()
      else if (this.#head === undefined) this.#guarded(this.#endRing)
    })
    this.#ending.catch(() => {})
    return this.#ending
  }

  close(reason: BusbarError = new BusbarError('CLOSED', 'closed by this side')): void {
    this.#fail(reason)
  }

  inspect(): unknown {
    const { writer, reader } = this.#rings ?? {}
    return { medium: this.medium, writer: writer?.inspect(), reader: reader?.inspect() }
  }

  look(): boolean {
    const rings = this.#rings
    if (rings === undefined) return false
    try {
      const pulled = this.#pull(rings)
      return (this.#head !== undefined && this.#flush(rings)) || pulled
    } catch (thrown) {
      this.#fail(BusbarError.from(thrown))
      return false
    }
  }

  awake(): void {
    this.#guarded(() => this.#rings?.reader.mask(true))
  }

  sleep(): boolean {
    const rings = this.#rings
    if (rings === undefined) return true
    const { reader, writer, bell } = rings
    try {
      let asleep = true
      // What is not wanted yet wakes nobody: whoever takes what waits comes back by himself, and so does the link below.
      if (this.#wants()) asleep = reader.prepareToSleep()
      if (reader.release()) this.#ring(bell)
      if (this.#head !== undefined) {
        if (writer.waitForSpace(writer.maxPayload)) {
          if (writer.publish()) this.#ring(bell)
        } else asleep = false
      }
      return asleep
    } catch (thrown) {
      this.#fail(BusbarError.from(thrown))
      return true
    }
  }

  /** Whether the next bytes in the ring may be taken now. */
  #wants(): boolean {
    const { expected } = this.#preface
    if (this.#inbox.ended) return false
    return expected === undefined || (expected === this.#got && this.#inbox.unread === 0)
  }

  /** Over the link. */
  #arrived(chunk: Uint8Array): Awaitable<void> {
    if (this.#closing.over) return this.#below.close(new BusbarError('MALFORMED', 'bytes on the link behind the end'))
    this.#got += chunk.length
    this.#inbox.push(chunk)
    const { expected } = this.#preface
    if (expected !== undefined && this.#got >= expected) {
      if (this.#got > expected)
        return this.#fail(new BusbarError('MALFORMED', 'bytes on the link behind those in the ring'))
      this.#poller.wake(this)
    }
    if (this.#inbox.unread < this.#limits.unread || this.#closing.over) return
    return new Promise((resolve) => {
      this.#room = resolve
    })
  }

  /** The link has ended; the ring had its end before, or nothing at all. */
  #ended(): void {
    this.#belowEnded = true
    if (this.#rings !== undefined) this.#poller.wake(this)
    if (this.#closing.over) return
    const { begun, expected } = this.#preface
    if (!begun) this.#inbox.end()
    else if (expected !== this.#got) return this.#fail(new BusbarError('RESET', 'the link ended early'))
    this.#finish()
  }

  #consumed(): void {
    if (this.#inbox.unread < this.#limits.unread) {
      this.#room?.()
      this.#room = undefined
    }
    if (this.#rings !== undefined && !this.#pulling && this.#inbox.unread === 0) this.#poller.wake(this)
    this.#finish()
  }

  #switch({ writer }: Rings): void {
    this.#switched = true
    const preface = new Uint8Array(PREFACE_BYTES)
    writePreface(preface, this.#sent)
    writer.write(preface)
  }

  #tryPull(rings: Rings): void {
    try {
      this.#pull(rings)
    } catch (thrown) {
      this.#fail(BusbarError.from(thrown))
    }
  }

  #pull(rings: Rings): boolean {
    if (this.#pulling) return false
    const { reader } = rings
    let taken = 0
    let dry = false
    this.#pulling = true
    try {
      if (this.#preface.expected === undefined && !this.#begin(reader)) return false
      while (taken < this.#limits.turn && this.#wants()) {
        if (!reader.ready()) {
          dry = true
          break
        }
        // Whoever reads into his own memory comes back once he has heard of it: until then nothing is read into other memory.
        if (this.#inbox.sated && !this.#waited) {
          this.#waited = true
          taken++
          break
        }
        this.#waited = false
        const { blind } = this.#inbox
        const bytes = blind > 0 ? reader.lend(blind, this.#lend) : this.#take(reader)
        taken += bytes
        // Whoever took it may have closed this.
        if (this.#rings !== rings) return true
        dry = bytes === 0
        if (dry) break
      }
      if (reader.release()) this.#ring(rings.bell)
    } finally {
      this.#pulling = false
    }
    this.#checkEnd(reader, dry)
    if (taken >= BULK) this.#poller.bulk(this.#poller.now())
    return taken > 0
  }

  /** Gives the next bytes in memory of their own; how many. */
  #take(reader: RingReader): number {
    const chunk = reader.read()
    if (chunk === undefined) return 0
    this.#inbox.push(chunk)
    return chunk.length
  }

  readonly #lend = (bytes: Uint8Array): void => this.#inbox.lend(bytes, true)

  /** Reads how many bytes come before those in the ring. Whether that is known. */
  #begin(reader: RingReader): boolean {
    if (this.#inbox.ended || !this.#preface.read(reader)) return false
    if (this.#got > (this.#preface.expected as number)) {
      throw new BusbarError('MALFORMED', 'more bytes on the link than the ring says')
    }
    return true
  }

  #checkEnd(reader: RingReader, dry: boolean): void {
    if (this.#inbox.ended) return
    if (reader.ended) {
      this.#inbox.end()
      this.#finish()
    } else if (this.#belowEnded && dry) {
      throw new BusbarError('RESET', 'the link ended, and the ring did not')
    }
  }

  /** Goes on only when there is space for a long packet: less would make tiny ones, and a signal for each. */
  #flush({ writer, bell }: Rings): boolean {
    if (!writer.hasSpace(writer.maxPayload)) return false
    let moved = false
    while (this.#head !== undefined) {
      const head: Uint8Array = this.#head
      const done = this.#put(writer, head)
      if (done > 0) moved = true
      if (done < head.length) {
        this.#head = head.subarray(done)
        break
      }
      this.#head = this.#queue.shift(Number.MAX_SAFE_INTEGER)
    }
    if (moved && writer.publish()) this.#ring(bell)
    if (this.#head === undefined) {
      this.#gate.open()
      if (this.#ending !== undefined) this.#endRing()
    }
    return moved
  }

  #put(writer: RingWriter, bytes: Uint8Array): number {
    if (bytes.length < BULK || this.#puts++ % SAMPLED !== 0) return writer.write(bytes)
    const start = this.#poller.now()
    const done = writer.write(bytes)
    this.#poller.copied(done, start)
    return done
  }

  #ring(bell: Bell): void {
    this.#poller.rang()
    bell.ring()
  }

  #guarded(work: () => void): void {
    try {
      work()
    } catch (thrown) {
      this.#fail(BusbarError.from(thrown))
    }
  }

  #finish(): void {
    // The end of the link may still come: whoever has read the end and sent his own may close, and the other side must not hear of that.
    if (!this.#finished || !this.#inbox.ended || this.#inbox.unread > 0) return
    if (!this.#closing.settle()) return
    this.#letGo()
    if (!this.#belowEnded) this.#awaitEnd()
  }

  /** Nobody else can close the link any more: whoever never ends it would keep it for ever. */
  #awaitEnd(): void {
    const timer = this.#poller.timer(LINK_END, () => {
      this.#below.close(new BusbarError('DEADLINE', `the link did not end within ${LINK_END} ms after the ring`))
    })
    void this.#below.closed.then(() => timer.cancel())
  }

  #fail(reason: BusbarError): void {
    if (!this.#closing.settle(reason)) return
    this.#inbox.fail(reason)
    this.#gate.fail(reason)
    this.#room?.()
    this.#letGo()
    this.#below.close(reason)
  }

  #letGo(): void {
    this.#poller.remove(this)
    const rings = this.#rings
    this.#rings = undefined
    this.#queue.clear()
    this.#head = undefined
    if (rings !== undefined) letGo(rings)
  }
}

/** Closes both rings before their memory goes. */
function letGo({ writer, reader, bell, release }: Rings): void {
  writer.close()
  reader.close()
  bell.close()
  release()
}
