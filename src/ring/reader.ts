import { Slab } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import {
  CELLS,
  DESCRIPTOR_WORD,
  FOOTER_BYTES,
  GAP_BYTES,
  PACKET_BYTES,
  PIPE_DATA,
  padded,
  TYPE_IN_BAND,
} from './layout.ts'
import { DEFAULT_PAYLOAD, payloadLimit } from './limits.ts'
import type { Mem } from './mem.ts'
import type { RingMode, RingOptions } from './writer.ts'

/**
 * In byte mode `read` gives a packet of so many `bytes` by itself, and puts shorter ones together up to that. Our choice: what a writer
 * gathered comes as it was written, and behind the header of something long whoever reads may want the rest elsewhere.
 */
const LONG = 4096
/** Low bits of a pending send size that do not count: some producers ask for "all but one byte". */
const PENDING_UNIT = 7

export interface ReaderOptions extends RingOptions {
  /** Where `read` puts what is short. The readers of a process may share one. */
  readonly slab?: Slab
  /** Makes memory for `read` of so many bytes, which are all written over before anybody sees them: they need not be zero. */
  readonly allocate?: (length: number) => Uint8Array
}

/**
 * The consumer of a ring. Each shared word is read once and checked against what is possible; payload is copied out before anybody
 * parses it. A lie closes the ring: `MALFORMED` for what no honest producer writes, `LIMIT` for a payload above the agreed one.
 *
 * Space is given back when the ring looks empty, when a quarter of it was read, and by `release`.
 */
export class RingReader {
  readonly mode: RingMode
  /** Longest payload of one packet, `bytes`; in message mode the longest message. */
  readonly maxPayload: number
  /** Of the mode; comparing texts takes longer. */
  readonly #message: boolean
  readonly #mem: Mem
  readonly #size: number
  readonly #quarter: number
  readonly #slab: Slab
  readonly #allocate: (length: number) => Uint8Array
  /** What the slab hands out now, and the buffer of it. */
  #slabBytes: Uint8Array | undefined
  #slabBuffer: ArrayBufferLike | undefined
  /** Where the packet begins that is read next, or is being read. */
  #at = 0
  /** Bytes from there on that the other side has published, as last read. */
  #available = 0
  /** The other side's write index, when last read. */
  #write = 0
  /** Bytes read and not given back. */
  #unreleased = 0
  /** Payload of the packet that is being read: where it goes on, and how much is left. */
  #payloadAt = 0
  #payloadLeft = 0
  /** Bytes of that packet in the ring. */
  #packetBytes = 0
  #signal = false
  #ended = false
  #fault: BusbarError | undefined

  /** On a ring that `Block.format` made empty. The interrupt mask is left as it is: "signal me". */
  constructor(mem: Mem, { mode, maxPayload = DEFAULT_PAYLOAD, slab = new Slab(), allocate = zeros }: ReaderOptions) {
    this.#mem = mem
    this.#slab = slab
    this.#allocate = allocate
    this.mode = mode
    this.#message = mode === 'message'
    this.#size = mem.dataBytes
    this.maxPayload = payloadLimit(this.#size, maxPayload)
    this.#quarter = this.#size >>> 2
  }

  /** The other side has ended, and everything before was read. */
  get ended(): boolean {
    return this.#ended
  }

  /**
   * Copies what is there into the caller's memory, from `start` to at most `end`, and returns how many bytes: 0 when nothing is there now or
   * ever (`ended`). In message mode exactly one message; when it does not fit, `INVALID_ARGUMENT`, and it stays.
   */
  readInto(into: Uint8Array, start = 0, end: number = into.length): number {
    if (this.#fault !== undefined) throw this.#fault
    if (start < 0 || end > into.length || end <= start) {
      throw new BusbarError('INVALID_ARGUMENT', `read into bytes ${start} to ${end} of ${into.length}`)
    }
    if (this.#payloadLeft === 0 && !this.#next(true)) return 0
    if (this.#message) {
      const length = this.#payloadLeft
      if (length > end - start) {
        throw new BusbarError('INVALID_ARGUMENT', `a message of ${length} bytes read into ${end - start}`)
      }
      this.#take(into, start, length)
      return length
    }
    let at = start
    do {
      const length = Math.min(this.#payloadLeft, end - at)
      this.#take(into, at, length)
      at += length
    } while (at < end && (this.#payloadLeft !== 0 || this.#next(false)))
    return at - start
  }

  /**
   * As `readInto`, of at most `most` bytes, but `borrow` gets them as they lie in the ring, in one part or several. The other side can still change
   * them: they are to be copied without a look at them, and not kept. `INVALID_ARGUMENT` in message mode.
   */
  lend(most: number, borrow: (bytes: Uint8Array) => void): number {
    if (this.#fault !== undefined) throw this.#fault
    if (this.#message || most <= 0) throw this.#refusal(most)
    if (this.#payloadLeft === 0 && !this.#next(true)) return 0
    let done = 0
    do {
      const length = Math.min(this.#payloadLeft, most - done, this.#size - this.#payloadAt)
      borrow(this.#mem.view(this.#payloadAt, length))
      // Whoever borrowed may have closed this.
      if (this.#fault !== undefined) throw this.#fault
      this.#taken(length)
      done += length
    } while (done < most && (this.#payloadLeft !== 0 || this.#next(false)))
    return done
  }

  #refusal(most: number): BusbarError {
    return new BusbarError('INVALID_ARGUMENT', `${most} bytes of a ring in ${this.mode} mode lent`)
  }

  /**
   * Whether there is something to read, or the end, after a look: for whoever looks over and over, cheaper than to read. When there is
   * nothing, what was read is given back.
   */
  ready(): boolean {
    if (this.#fault !== undefined) throw this.#fault
    return this.#payloadLeft !== 0 || (!this.#ended && (this.#available !== 0 || this.#look()))
  }

  /**
   * What is there, in memory of its own that passes to the caller: one message, or in byte mode a long packet or several short ones;
   * `undefined` when nothing is there now or ever (`ended`).
   */
  read(): Uint8Array | undefined {
    if (this.#fault !== undefined) throw this.#fault
    if (this.#payloadLeft === 0 && !this.#next(true)) return undefined
    const length = this.#message || this.#payloadLeft >= LONG ? this.#payloadLeft : this.#chunk()
    const place = this.#slab.take(padded(length))
    if (place < 0) {
      const chunk = this.#allocate(length)
      const read = this.#gather(chunk, 0, length)
      return read === length ? chunk : chunk.subarray(0, read)
    }
    const { bytes } = this.#slab
    const read = this.#gather(bytes, place, place + length)
    if (read !== length) this.#slab.giveBack(bytes, place, place + read)
    if (this.#slabBuffer === undefined || bytes !== this.#slabBytes) {
      this.#slabBytes = bytes
      this.#slabBuffer = bytes.buffer
    }
    return new Uint8Array(this.#slabBuffer, place, read)
  }

  /** No more than what is known to be there, and all of it unless headers take a part. */
  #chunk(): number {
    const behind = this.#available - this.#packetBytes - PACKET_BYTES
    return Math.max(this.#payloadLeft, Math.min(LONG, this.#payloadLeft + behind))
  }

  /** What is left of the packet, and in byte mode of short ones behind it, as far as they fit. */
  #gather(into: Uint8Array, start: number, end: number): number {
    let at = start
    do {
      const length = Math.min(this.#payloadLeft, end - at)
      this.#take(into, at, length)
      at += length
    } while (!this.#message && at < end && (this.#payloadLeft !== 0 || this.#next(false)) && this.#payloadLeft < LONG)
    return at - start
  }

  /** Takes payload of the packet that is being read, and finishes it when that was all. */
  #take(into: Uint8Array, start: number, length: number): void {
    const at = this.#payloadAt
    const first = this.#size - at
    if (length <= first) this.#mem.copyOut(at, into, start, length)
    else {
      this.#mem.copyOut(at, into, start, first)
      this.#mem.copyOut(0, into, start + first, length - first)
    }
    this.#taken(length)
  }

  #taken(length: number): void {
    this.#payloadLeft -= length
    if (this.#payloadLeft !== 0) this.#payloadAt = this.#wrap(this.#payloadAt + length)
    else this.#finish()
  }

  /** Leaves the packet behind. */
  #finish(): void {
    const bytes = this.#packetBytes
    this.#at = this.#wrap(this.#at + bytes)
    this.#available -= bytes
    this.#unreleased += bytes
    this.#packetBytes = 0
    if (this.#unreleased >= this.#quarter) this.#release()
  }

  /** Whether there is something in the ring, after a look at the write index where nothing is known to be there. */
  #look(): boolean {
    if (this.#unreleased !== 0) this.#release()
    if (this.#available === 0) this.#reload()
    return this.#available !== 0
  }

  /** Begins the next packet; false when there is none. With `look` the write index is read where nothing more is known. */
  #next(look: boolean): boolean {
    if (this.#ended) return false
    if (this.#available === 0 && !(look && this.#look())) return false
    const mem = this.#mem
    const at = this.#at
    const available = this.#available
    const first = mem.get(at)
    const second = mem.get(at + 4)
    const header = (first >>> 16) * 8
    const length = (second & 0xffff) * 8
    // The first word as every pipe writes it passes at once.
    if (first !== DESCRIPTOR_WORD) this.#checkDescriptor(first)
    if (second >>> 16 !== 0) throw this.#lie('packet flags, a pipe has none', second)
    if (length < header) throw this.#lie('packet shorter than its descriptor', length)
    if (length > available - FOOTER_BYTES) throw this.#lie('packet longer than what is there', length)
    const pipe = this.#wrap(at + header)
    const type = mem.get(pipe)
    const payload = mem.get(pipe + 4)
    if (type !== PIPE_DATA) throw this.#lie('pipe packet type', type)
    if (payload > length - header - 8) throw this.#lie('payload longer than its packet', payload)
    if (payload > this.maxPayload) throw this.#lie('payload longer than agreed', payload, 'LIMIT')
    this.#packetBytes = length + FOOTER_BYTES
    this.#payloadAt = this.#wrap(pipe + 8)
    this.#payloadLeft = payload
    if (payload !== 0) return true
    this.#ended = true
    this.#finish()
    return false
  }

  #checkDescriptor(first: number): void {
    const type = first & 0xffff
    if (type !== TYPE_IN_BAND) throw this.#lie('packet type', type)
    if (first >>> 16 < 2) throw this.#lie('data inside the descriptor', first)
  }

  #wrap(at: number): number {
    return at >= this.#size ? at - this.#size : at
  }

  /** Gives back what was read, and tells whether the other side must be signalled now: it waits for space, and has it. */
  release(): boolean {
    if (this.#fault !== undefined) throw this.#fault
    if (this.#unreleased !== 0) this.#release()
    const signal = this.#signal
    this.#signal = false
    return signal
  }

  #release(): void {
    const released = this.#unreleased
    this.#unreleased = 0
    this.#mem.store(CELLS.READ_INDEX, this.#at)
    const pending = (this.#mem.load(CELLS.PENDING_SEND) & ~PENDING_UNIT) >>> 0
    if (pending === 0) return
    // The producer may have written more since the last look; with an old index the ring would seem to have had space before.
    this.#reload()
    const free = this.#size - GAP_BYTES - this.#available
    if (free - released < pending && pending <= free) this.#signal = true
  }

  /** Says whether signals are wanted. A reader that looks by itself, over and over, wants none. */
  mask(masked: boolean): void {
    if (this.#fault !== undefined) throw this.#fault
    this.#mem.store(CELLS.INTERRUPT_MASK, masked ? 1 : 0)
  }

  /**
   * The safe way to sleep: gives back what was read, asks for signals, and looks again. True: nothing is there, and a signal will come when
   * something is. False: there is something, and signals are masked again. Ask `release` for the other side's signal before sleeping.
   */
  prepareToSleep(): boolean {
    if (this.#fault !== undefined) throw this.#fault
    if (this.#unreleased !== 0) this.#release()
    this.#mem.store(CELLS.INTERRUPT_MASK, 0)
    if (this.#payloadLeft === 0 && this.#available === 0) this.#reload()
    if (this.#payloadLeft === 0 && this.#available === 0) return true
    this.#mem.store(CELLS.INTERRUPT_MASK, 1)
    return false
  }

  /** Reads the other side's index. It moves forward only, and not past what was given back to it. */
  #reload(): void {
    const index = this.#mem.load(CELLS.WRITE_INDEX)
    if ((index & 7) !== 0) throw this.#lie('write index that is no multiple of 8', index)
    if (index >= this.#size) throw this.#lie('write index outside the ring', index)
    const moved = index >= this.#write ? index - this.#write : index - this.#write + this.#size
    const most = this.#size - GAP_BYTES - this.#available - this.#unreleased
    if (moved > most) throw this.#lie('write index before the last or past the free space', index)
    this.#write = index
    this.#available += moved
  }

  #lie(what: string, found: number, code: 'MALFORMED' | 'LIMIT' = 'MALFORMED'): BusbarError {
    this.#fault = new BusbarError(code, `ring: ${what}: ${found}`)
    return this.#fault
  }

  /** Touches the memory no more: from here on everything fails with `reason`. Idempotent, first reason wins. */
  close(reason: BusbarError = new BusbarError('CLOSED', 'the ring is closed')): void {
    this.#fault ??= reason
  }

  inspect(): ReaderState {
    return {
      mode: this.mode,
      dataBytes: this.#size,
      available: this.#available,
      unreleased: this.#unreleased,
      ended: this.#ended,
      fault: this.#fault?.code,
    }
  }
}

function zeros(length: number): Uint8Array {
  return new Uint8Array(length)
}

/** The state of a consumer, as plain data. */
export interface ReaderState {
  readonly mode: RingMode
  /** Size of the ring, `bytes` of data. */
  readonly dataBytes: number
  /** Bytes in the ring, headers and all, known to be there to read. */
  readonly available: number
  /** Bytes read and not given back. */
  readonly unreleased: number
  readonly ended: boolean
  readonly fault: string | undefined
}
