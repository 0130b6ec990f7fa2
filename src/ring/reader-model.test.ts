import { BusbarError } from '../errors/index.ts'
import { CELLS, type RingMode } from './index.ts'
import { type Answer, check, checkWith, distance, Violation, Watched } from './watched.test.ts'

interface ReaderLike {
  readonly ended: boolean
  readInto(into: Uint8Array, start?: number, end?: number): number
  lend(most: number, borrow: (bytes: Uint8Array) => void): number
  release(): boolean
  prepareToSleep(): boolean
  mask(masked: boolean): void
  read(): Uint8Array | undefined
}

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
  #stores: number[] = []
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

  constructor(dataBytes: number, mode: RingMode, max: number, answer: Answer) {
    super(dataBytes, answer)
    this.#mode = mode
    this.#max = max
    this.#seen = new Uint8Array(dataBytes / 4)
    this.#words = new Float64Array(dataBytes / 4).fill(-1)
    this.#copied = new Int32Array(dataBytes)
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
    this.#seen.fill(0)
    this.#words.fill(-1)
    if (this.#stores.length !== 0) this.#stores = []
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
    this.#moved = distance(this.#start, value, this.dataBytes)
    this.#start = value
    this.#stores.push(value)
  }

  #read(at: number, length: number): void {
    this.access()
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

  /** Calls `readInto`, or `lend`, and checks everything about it; false once the ring is at fault or has ended. */
  readInto(reader: ReaderLike, into: Uint8Array, want: number, lent = false): boolean {
    const filled = this.#fill
    this.#looked = false
    let taken = 0
    const borrow = (bytes: Uint8Array): void => {
      into.set(bytes, taken)
      taken += bytes.length
    }
    const result = this.outcome(() => (lent ? reader.lend(want, borrow) : reader.readInto(into, 0, want)))
    const judged = this.#judge(want)
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
      ])
      return false
    }
    checkWith(fault === undefined, 'takes a lie', fault ?? '')
    checkWith(result === judged, 'bytes delivered, and those that are right', result, judged)
    for (let at = 0; at < result; at++) check(into[at] === ((filled + at) & 255), 'delivers other bytes than it copied')
    check(result !== 0 || this.#ended || this.#looked, 'says that nothing is there without a look')
    check(reader.ended === this.#ended, 'is wrong about the end')
    check(this.#awaiting === 0, 'decides about a signal without a look at the write index')
    return !this.#ended
  }

  /** How many bytes this call must give, from the words it read; the model moves on by what was read. */
  #judge(want: number): number {
    const size = this.dataBytes
    let bytes = 0
    let stored = 0
    this.#verdict = undefined
    while (stored < this.#stores.length && this.#stores[stored] === this.#at) stored++
    while (!this.#ended && this.#available !== 0 && bytes < want) {
      const verdict = this.#header()
      if (verdict !== 'right') {
        if (verdict !== 'unread') this.#verdict = verdict
        break
      }
      const payload = this.#payload
      if (payload === 0) this.#ended = true
      check(this.#mode === 'byte' || payload <= want, 'the model has messages of this size at most')
      const take = Math.min(payload - this.#done, want - bytes)
      const from = this.#at + this.#data + this.#done
      for (let offset = 0; offset < take; offset++) {
        check(this.#copied[bytes + offset] === (from + offset) % size, 'copies other bytes than those of the payload')
      }
      bytes += take
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
      while (stored < this.#stores.length && this.#stores[stored] === this.#at) stored++
      if (this.#mode === 'message') break
    }
    if (this.lied) this.#verdict = 'MALFORMED'
    check(this.#verdict !== undefined || bytes === this.#copies, 'copies what it does not deliver')
    check(stored === this.#stores.length, 'gives back a part of a packet')
    this.#copies = 0
    if (stored !== 0) this.#stores = []
    return bytes
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
    for (const stored of this.#stores)
      checkWith(stored === this.#at, 'gives back something else than what was read', stored)
    this.#stores = []
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
