import { BusbarError } from '../errors/index.ts'
import { CELLS, type RingMode } from './index.ts'
import { type Answer, check, checkWith, distance, Violation, Watched } from './watched.test.ts'

interface ReaderLike {
  readonly ended: boolean
  ready(): boolean
  readInto(into: Uint8Array, start?: number, end?: number): number
  lend(most: number, borrow: (bytes: Uint8Array) => void): number
  release(): boolean
  prepareToSleep(): boolean
  mask(masked: boolean): void
  read(): Uint8Array | undefined
}

/** How what is in the ring is taken: into memory of the caller's, as it lies there, or in memory of its own as long as that pays. */
export type How = 'copied' | 'lent' | 'given'

/** As `LONG` of the reader: more than `SIZE`, so here nothing is. */
const LONG = 4096
/** As many bytes as `read` sees fit. */
const UNBOUND = Number.POSITIVE_INFINITY

/** The producer's side of a reader under test. */
export class ReaderModel extends Watched {
  readonly #mode: RingMode
  readonly #max: number
  /** The read index as last stored, and the write index as last answered, when that was possible. */
  #start = 0
  #write = 0
  /** First byte of the first packet that is not read whole. */
  #at = 0
  /** Bytes published from there on. */
  #available = 0
  /** Payload of that packet that was read already. */
  #done = 0
  #ended = false
  /** Words of unread packets that were read: each once. */
  readonly #seen: Uint8Array
  /** What they were, -1 where they were not read. */
  readonly #words: Float64Array
  /** Offsets of the bytes handed out by `copyOut` in this call, one by one. */
  readonly #copied: Int32Array
  #copies = 0
  /** The code that this call must fail with. */
  #verdict: string | undefined
  /** Fields of the header that `#header` found right. */
  #payload = 0
  #data = 0
  #length = 0
  #fill = 0
  #moved = 0
  #awaiting = 0
  #mask = 0
  #signal = false
  #looked = false
  /** Bytes that this call has given so far, and that it may give at most. */
  #bytes = 0
  #want = 0
  /** Bytes that were available when this call first read data; -1 before. */
  #known = -1
  /** What `read` gave last, and what it was filled from: nobody may touch it again. */
  #held: Uint8Array = NOTHING
  #heldFill = 0

  constructor(dataBytes: number, mode: RingMode, max: number, answer: Answer) {
    super(dataBytes, answer)
    this.#mode = mode
    this.#max = max
    this.#seen = new Uint8Array(dataBytes / 4)
    this.#words = new Float64Array(dataBytes / 4).fill(-1)
    this.#copied = new Int32Array(dataBytes)
  }

  /** Bytes that the call under way has copied. */
  get copies(): number {
    return this.#copies
  }

  /** For another run. */
  reset(): void {
    this.lied = false
    this.#start =
      this.#write =
      this.#at =
      this.#available =
      this.#done =
      this.#fill =
      this.#moved =
      this.#awaiting =
      this.#copies =
        0
    this.#ended = this.#signal = false
    this.#held = NOTHING
    this.#seen.fill(0)
    this.#words.fill(-1)
    this.#bytes = this.#want = 0
  }

  load(cell: number): number {
    this.access()
    const value = this.answer(cell) >>> 0
    if (cell === CELLS.PENDING_SEND) {
      this.#awaiting = (value & ~7) >>> 0
      return value
    }
    checkWith(cell === CELLS.WRITE_INDEX, "loads a cell that is not the other side's", cell)
    const size = this.dataBytes
    this.#looked = true
    const possible =
      value % 8 === 0 &&
      value < size &&
      distance(this.#write, value, size) <= size - 8 - distance(this.#start, this.#write, size)
    this.lied = !possible
    if (!possible) return value
    this.#available += distance(this.#write, value, size)
    this.#write = value
    if (this.#awaiting !== 0) {
      const free = size - 8 - distance(this.#start, value, size)
      if (free - this.#moved < this.#awaiting && this.#awaiting <= free) this.#signal = true
      this.#awaiting = 0
    }
    return value
  }

  store(cell: number, value: number): void {
    this.access()
    if (cell === CELLS.INTERRUPT_MASK) {
      checkWith(value === 0 || value === 1, 'mask', value)
      this.#mask = value
      return
    }
    checkWith(cell === CELLS.READ_INDEX, 'stores a cell that is not its own', cell)
    // The producer may write there again, before this call is over.
    this.#advance(value)
    checkWith(value === this.#at, 'gives back something else than what was read', value)
    this.#moved = distance(this.#start, value, this.dataBytes)
    this.#start = value
  }

  #read(at: number, length: number): void {
    this.access()
    if (this.#known < 0) this.#known = this.#available
    this.inside(at, length)
    check(distance(this.#at, at, this.dataBytes) + length <= this.#available, 'reads what was not published')
    for (let word = at >> 2; word < (at + length + 3) >> 2; word++) {
      checkWith(this.#seen[word] !== 1, 'reads a word twice', word)
      // A payload that is read in parts shares words between them.
      if (length === 4 || (word * 4 >= at && word * 4 + 4 <= at + length)) this.#seen[word] = 1
    }
  }

  get(at: number): number {
    check(at % 4 === 0, 'word that is not aligned')
    this.#read(at, 4)
    const value = this.answer(32 + (at >> 2)) >>> 0
    this.#words[at >> 2] = value
    return value
  }

  copyOut(at: number, into: Uint8Array, start: number, length: number): void {
    this.#read(at, length)
    check(start + length <= into.length, 'copies outside the target')
    check(this.#copies + length <= this.dataBytes, 'copies more than there is')
    for (let offset = 0; offset < length; offset++) {
      into[start + offset] = this.#fill++
      this.#copied[this.#copies++] = at + offset
    }
  }

  view(at: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    this.copyOut(at, bytes, 0, length)
    return bytes
  }

  put(): void {
    throw new Violation('a reader writes data')
  }

  copyIn(): void {
    throw new Violation('a reader writes data')
  }

  /** Calls `readInto`, `lend` or `read`, and checks everything about it; false once the ring is at fault or has ended. */
  take(reader: ReaderLike, into: Uint8Array, want: number, how: How = 'copied'): boolean {
    const filled = this.#fill
    this.#looked = false
    this.#known = -1
    this.#verdict = undefined
    this.#want = how === 'given' ? UNBOUND : want
    let taken = 0
    const borrow = (bytes: Uint8Array): void => {
      into.set(bytes, taken)
      taken += bytes.length
    }
    let chunk: Uint8Array | undefined
    const result = this.outcome(() => {
      if (how === 'lent') return reader.lend(want, borrow)
      if (how === 'copied') return reader.readInto(into, 0, want)
      chunk = reader.read()
      return chunk?.length ?? 0
    })
    const judged = this.#judge()
    const fault = this.#verdict
    if (result instanceof BusbarError) {
      checkWith(result.code === fault, 'fault, and the right one', result.code, result.message, fault ?? 'none')
      this.over(result, [
        () => reader.readInto(into, 0, want),
        () => reader.read(),
        () => reader.lend(want, borrow),
        () => reader.release(),
        () => reader.prepareToSleep(),
        () => reader.mask(true),
        () => reader.ready(),
      ])
      return false
    }
    checkWith(fault === undefined, 'takes a lie', fault ?? '')
    checkWith(result === judged, 'bytes delivered, and those that are right', result, judged)
    const got = chunk ?? into
    for (let at = 0; at < result; at++) check(got[at] === ((filled + at) & 255), 'delivers other bytes than it copied')
    if (how === 'given') this.#hold(chunk, filled)
    check(result !== 0 || this.#ended || this.#looked, 'says that nothing is there without a look')
    check(reader.ended === this.#ended, 'is wrong about the end')
    check(this.#awaiting === 0, 'decides about a signal without a look at the write index')
    if (!this.#ended) return true
    this.lied = true
    check(!reader.ready() && reader.read() === undefined && reader.readInto(into) === 0, 'reads behind the end')
    return false
  }

  /** What was given before is as it was. */
  #hold(chunk: Uint8Array | undefined, filled: number): void {
    check(chunk === undefined || chunk.length > 0, 'gives nothing as something')
    for (let at = 0; at < this.#held.length; at++) {
      check(this.#held[at] === ((this.#heldFill + at) & 255), 'changes what it gave before')
    }
    if (chunk === undefined) return
    this.#held = chunk
    this.#heldFill = filled
  }

  /** Calls `ready`; false once the ring is at fault. */
  look(reader: ReaderLike): boolean {
    this.#looked = false
    const known = this.#available
    const result = this.outcome(() => reader.ready())
    if (result instanceof BusbarError) {
      checkWith(this.lied && result.code === 'MALFORMED', 'fault without a lie', result.code, result.message)
      this.over(result, [() => reader.ready(), () => reader.read()])
      return false
    }
    check(!this.lied, 'takes a lie')
    checkWith(result === (!this.#ended && this.#available !== 0), 'is wrong about what is there', result)
    check(this.#looked === (known === 0 && !this.#ended), 'looks when it knows, or knows without a look')
    check(known !== 0 || this.#ended || this.#start === this.#at, 'keeps back what was read')
    check(this.#awaiting === 0, 'decides about a signal without a look at the write index')
    return true
  }

  /** How many bytes this call must give. */
  #judge(): number {
    const bytes = this.#advance()
    if (this.lied) this.#verdict = 'MALFORMED'
    check(this.#verdict !== undefined || bytes === this.#copies, 'copies what it does not deliver')
    this.#copies = this.#bytes = this.#want = 0
    return bytes
  }

  /**
   * Moves on by the packets that this call has read, up to the one at `until`, from their words; how many bytes it must have given by then. With no bound
   * that is one message, or as much as was known to be there and is not long.
   */
  #advance(until = -1): number {
    const size = this.dataBytes
    while (this.#at !== until && !this.#ended && this.#available !== 0 && this.#bytes < this.#want) {
      const verdict = this.#header()
      if (verdict !== 'right') {
        if (verdict !== 'unread') this.#verdict = verdict
        break
      }
      const payload = this.#payload
      const left = payload - this.#done
      if (payload === 0) this.#ended = true
      if (this.#want === UNBOUND) {
        const known = this.#known - this.#length - 32
        this.#want = this.#mode === 'message' ? left : Math.max(left, Math.min(LONG, left + known))
      }
      check(this.#mode === 'byte' || payload <= this.#want, 'the model has messages of this size at most')
      const take = Math.min(left, this.#want - this.#bytes)
      const from = this.#at + this.#data + this.#done
      for (let offset = 0; offset < take; offset++) {
        check(
          this.#copied[this.#bytes + offset] === (from + offset) % size,
          'copies other bytes than those of the payload',
        )
      }
      this.#bytes += take
      this.#done += take
      if (this.#done < payload) break
      for (let at = 0; at < this.#length; at += 4) {
        const word = ((this.#at + at) % size) >> 2
        this.#seen[word] = 0
        this.#words[word] = -1
      }
      this.#at = (this.#at + this.#length) % size
      this.#available -= this.#length
      this.#done = 0
      if (this.#mode === 'message') this.#want = this.#bytes
    }
    return this.#bytes
  }

  #word(offset: number): number {
    return this.#words[((this.#at + offset) % this.dataBytes) >> 2] as number
  }

  /** The header at `at`: right, the code that it deserves, or `unread` when the ring did not read all of it. */
  #header(): 'right' | 'unread' | 'MALFORMED' | 'LIMIT' {
    if (this.#available < 32) return 'MALFORMED'
    const first = this.#word(0)
    const second = this.#word(4)
    if (first !== -1 && ((first & 0xffff) !== 6 || first >>> 16 < 2)) return 'MALFORMED'
    if (first === -1 || second === -1) return 'unread'
    const offset = (first >>> 16) * 8
    const length = (second & 0xffff) * 8
    if (second >>> 16 !== 0 || length < offset + 8 || length + 8 > this.#available) return 'MALFORMED'
    const kind = this.#word(offset)
    const payload = this.#word(offset + 4)
    if (kind !== -1 && kind !== 1) return 'MALFORMED'
    if (kind === -1 || payload === -1) return 'unread'
    if (payload > length - offset - 8) return 'MALFORMED'
    if (payload > this.#max) return 'LIMIT'
    this.#payload = payload
    this.#data = offset + 8
    this.#length = length + 8
    return 'right'
  }

  /** Calls `release` or `prepareToSleep`; false once the ring is at fault. */
  settle(reader: ReaderLike, sleep: boolean): boolean {
    this.#looked = false
    const result = this.outcome(() => (sleep ? reader.prepareToSleep() : reader.release()))
    if (result instanceof BusbarError) {
      checkWith(this.lied && result.code === 'MALFORMED', 'fault without a lie', result.code, result.message)
      this.over(result, [() => reader.release(), () => reader.prepareToSleep()])
      return false
    }
    check(!this.lied, 'takes a lie')
    check(this.#start === this.#at, 'keeps back what was read')
    check(this.#awaiting === 0, 'decides about a signal without a look at the write index')
    if (sleep) {
      check(result === (this.#available === 0), 'is wrong about what is there')
      check(!result || this.#looked, 'sleeps without a look')
      check(this.#mask === (result ? 0 : 1), 'sleeps masked, or looks unmasked')
      return true
    }
    checkWith(result === this.#signal, 'signal, and the right one', result, this.#signal)
    this.#signal = false
    return true
  }
}

const NOTHING = new Uint8Array(0)
