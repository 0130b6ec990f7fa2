import { BusbarError } from '../errors/index.ts'
import { CELLS, DESCRIPTOR_WORD, GAP_BYTES, PACKET_BYTES, PIPE_DATA, padded } from './layout.ts'
import { DEFAULT_PAYLOAD, payloadLimit } from './limits.ts'
import type { Mem } from './mem.ts'

/** How a ring treats boundaries. The bytes are the same; the mode says what a reader and a writer make of them. */
export type RingMode = 'byte' | 'message'

export interface RingOptions {
  readonly mode: RingMode
  /** Longest payload of one packet, `bytes`; both sides must say the same. Default 16,384. */
  readonly maxPayload?: number
}

/** What is kept back so that the end always fits. */
const END_BYTES = PACKET_BYTES

/**
 * The producer of a ring. What is written becomes visible to the other side with `publish`, or by itself once a quarter of the
 * ring is written. All state is private: of the shared cells it reads the read index and the interrupt mask only, and takes an
 * impossible read index for a lie, which closes the ring with `MALFORMED`.
 */
export class RingWriter {
  readonly mode: RingMode
  /** Longest payload of one packet, `bytes`; in message mode the longest message. */
  readonly maxPayload: number
  /** Of the mode; comparing texts takes longer. */
  readonly #message: boolean
  readonly #mem: Mem
  readonly #size: number
  /** Bytes after which is published unasked. */
  readonly #quarter: number
  /** Bytes that are waited for at least: to be woken takes longer than to write a quarter. */
  readonly #half: number
  /** Where the next packet begins. */
  #at = 0
  /** The write index as the other side knows it. */
  #published = 0
  /** The other side's read index, when last read. */
  #read = 0
  /** Bytes known to be free, without what is kept back. */
  #free: number
  /** Bytes written and not published. */
  #unpublished = 0
  /** What `publish` has to tell. */
  #signal = false
  #pending = false
  #ended = false
  #fault: BusbarError | undefined

  /** On a ring that `Block.format` made empty. */
  constructor(mem: Mem, { mode, maxPayload = DEFAULT_PAYLOAD }: RingOptions) {
    this.#mem = mem
    this.mode = mode
    this.#message = mode === 'message'
    this.#size = mem.dataBytes
    this.maxPayload = payloadLimit(this.#size, maxPayload)
    this.#quarter = Math.max(padded(this.#size >>> 2), PACKET_BYTES + 8)
    this.#half = Math.max(padded(this.#size >>> 1), this.#quarter)
    this.#free = this.#size - GAP_BYTES - END_BYTES
  }

  /**
   * Writes bytes `start` to `end` and returns how many were taken. In message mode that is all or 0; in byte mode it may be
   * a part. Where not all were taken, `waitForSpace` comes next. The bytes are copied. `INVALID_ARGUMENT` for an empty or too
   * long message, `ENDED` after the end.
   */
  write(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
    if (this.#fault !== undefined) throw this.#fault
    const length = end - start
    if (start < 0 || end > bytes.length || length <= 0) throw this.#refusal('bytes to write', length)
    if (this.#ended) throw new BusbarError('ENDED', 'written to a ring after its end')
    if (this.#message && length > this.maxPayload) throw this.#refusal('bytes of a message', length)
    const total = PACKET_BYTES + padded(length)
    if (length > this.maxPayload || (total > this.#free && !this.#roomFor(total))) {
      return this.#message ? 0 : this.#writeSome(bytes, start, length)
    }
    this.#packet(bytes, start, length)
    return length
  }

  #refusal(what: string, found: number): BusbarError {
    return new BusbarError('INVALID_ARGUMENT', `${found} ${what}: a ring takes 1 to ${this.maxPayload} at a time`)
  }

  /** In byte mode: in pieces, as far as there is room. */
  #writeSome(bytes: Uint8Array, start: number, length: number): number {
    let done = 0
    while (done < length) {
      const piece = Math.min(length - done, this.maxPayload)
      if (PACKET_BYTES + padded(piece) <= this.#free || this.#roomFor(PACKET_BYTES + padded(piece))) {
        this.#packet(bytes, start + done, piece)
        done += piece
        continue
      }
      // What is free takes a part of the piece. Less than a quarter of the ring is left to grow, lest packets become tiny.
      if (this.#free < this.#quarter) break
      const part = this.#free - PACKET_BYTES
      this.#packet(bytes, start + done, part)
      done += part
    }
    return done
  }

  /** Writes one packet; there is room. */
  #packet(bytes: Uint8Array, start: number, length: number): void {
    const mem = this.#mem
    const size = this.#size
    const at = this.#at
    const payload = padded(length)
    const total = PACKET_BYTES + payload
    const last = at + total - 8
    if (at + total <= size) {
      mem.put(at, DESCRIPTOR_WORD, (payload + 24) >>> 3)
      mem.put(at + 8, 0, 0)
      mem.put(at + 16, PIPE_DATA, length)
      if (payload !== length) mem.put(last - 8, 0, 0)
      if (length !== 0) mem.copyIn(at + 24, bytes, start, length)
      mem.put(last, 0, at)
    } else this.#wrapped(bytes, start, length)
    const next = at + total
    this.#at = next >= size ? next - size : next
    this.#free -= total
    this.#unpublished += total
    if (this.#unpublished >= this.#quarter) this.#publish()
  }

  /** The same across the end of the data. Units of 8 are never cut. */
  #wrapped(bytes: Uint8Array, start: number, length: number): void {
    const mem = this.#mem
    const payload = padded(length)
    const at = this.#at
    mem.put(at, DESCRIPTOR_WORD, (payload + 24) >>> 3)
    mem.put(this.#wrap(at + 8), 0, 0)
    mem.put(this.#wrap(at + 16), PIPE_DATA, length)
    if (payload !== length) mem.put(this.#wrap(at + 16 + payload), 0, 0)
    mem.put(this.#wrap(at + 24 + payload), 0, at)
    if (length === 0) return
    const from = this.#wrap(at + 24)
    const first = Math.min(length, this.#size - from)
    mem.copyIn(from, bytes, start, first)
    if (first < length) mem.copyIn(0, bytes, start + first, length - first)
  }

  #wrap(at: number): number {
    return at >= this.#size ? at - this.#size : at
  }

  /** Writes the end, for which there is always room. Idempotent. */
  end(): void {
    if (this.#fault !== undefined) throw this.#fault
    if (this.#ended) return
    this.#ended = true
    this.#free += END_BYTES
    this.#packet(NOTHING, 0, 0)
  }

  /**
   * Makes everything written visible, and tells whether the other side must be signalled now: it sleeps, and the ring was
   * empty when something became visible.
   */
  publish(): boolean {
    if (this.#fault !== undefined) throw this.#fault
    if (this.#unpublished !== 0) this.#publish()
    const signal = this.#signal
    this.#signal = false
    return signal
  }

  #publish(): void {
    const before = this.#published
    this.#mem.store(CELLS.WRITE_INDEX, this.#at)
    this.#published = this.#at
    this.#unpublished = 0
    if (this.#mem.load(CELLS.INTERRUPT_MASK) !== 0) return
    this.#reload()
    if (this.#read === before) this.#signal = true
  }

  /**
   * Call when not everything was taken, with the bytes that are left: makes everything visible, asks the other side to signal when
   * there is space, and looks again. True: wait for a signal, then write again. False: there is space already, write again. Either
   * way ask `publish` first whether the other side must be signalled; otherwise both may sleep.
   */
  waitForSpace(length: number): boolean {
    if (this.#fault !== undefined) throw this.#fault
    if (this.#unpublished !== 0) this.#publish()
    const least = this.#least(length)
    this.#pending = true
    this.#mem.store(CELLS.PENDING_SEND, Math.max(least, this.#half) + END_BYTES)
    return !this.#roomFor(least)
  }

  /** Whether there is the space that `waitForSpace` waits for, after a look: for whoever looks by himself instead of waiting. */
  hasSpace(length: number): boolean {
    if (this.#fault !== undefined) throw this.#fault
    return this.#roomFor(this.#least(length))
  }

  /** Bytes in the ring that a write of so many needs to go on. */
  #least(length: number): number {
    const needed = PACKET_BYTES + padded(Math.min(length, this.maxPayload))
    return this.#message ? needed : this.#half
  }

  /** Whether so many bytes are free, after a look at the read index. */
  #roomFor(total: number): boolean {
    this.#reload()
    if (total > this.#free) return false
    if (this.#pending) {
      this.#pending = false
      this.#mem.store(CELLS.PENDING_SEND, 0)
    }
    return true
  }

  /** Reads the other side's index. It moves forward only, and not past what was published to it. */
  #reload(): void {
    const index = this.#mem.load(CELLS.READ_INDEX)
    if ((index & 7) !== 0) throw this.#lie('read index that is no multiple of 8', index)
    if (index >= this.#size) throw this.#lie('read index outside the ring', index)
    const moved = distance(this.#read, index, this.#size)
    const most = distance(this.#read, this.#published, this.#size)
    if (moved > most) throw this.#lie('read index before the last or past the write index', index)
    this.#read = index
    this.#free += moved
  }

  #lie(what: string, found: number): BusbarError {
    this.#fault = new BusbarError('MALFORMED', `ring: ${what}: ${found}`)
    return this.#fault
  }

  /** Touches the memory no more: from here on everything fails with `reason`. Idempotent, first reason wins. */
  close(reason: BusbarError = new BusbarError('CLOSED', 'the ring is closed')): void {
    this.#fault ??= reason
  }

  inspect(): WriterState {
    return {
      mode: this.mode,
      dataBytes: this.#size,
      unread: this.#size - GAP_BYTES - (this.#ended ? 0 : END_BYTES) - this.#free,
      unpublished: this.#unpublished,
      waiting: this.#pending,
      ended: this.#ended,
      fault: this.#fault?.code,
    }
  }
}

/** The state of a producer, as plain data. */
export interface WriterState {
  readonly mode: RingMode
  /** Size of the ring, `bytes` of data. */
  readonly dataBytes: number
  /** Bytes written that the other side is not known to have read. */
  readonly unread: number
  /** Bytes of them that it cannot see yet. */
  readonly unpublished: number
  /** It asked to be signalled when there is space. */
  readonly waiting: boolean
  readonly ended: boolean
  readonly fault: string | undefined
}

const NOTHING = new Uint8Array(0)

/** Bytes from one index forward to another. */
function distance(from: number, to: number, size: number): number {
  return to >= from ? to - from : to - from + size
}
