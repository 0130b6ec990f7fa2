import { BusbarError } from '../errors/index.ts'
import { CELLS, type RingMode } from './index.ts'
import { type Answer, check, checkWith, distance, Violation, Watched } from './watched.test.ts'

interface WriterLike {
  write(bytes: Uint8Array, start?: number, end?: number): number
  publish(): boolean
  waitForSpace(length: number): boolean
  hasSpace(length: number): boolean
  end(): void
}

/** The first word of each packet, by hand: in-band, the data behind two units. */
const DESCRIPTOR = 0x0002_0006
const rounded = (length: number): number => Math.ceil(length / 8) * 8

/** The consumer's side of a writer under test. */
export class WriterModel extends Watched {
  #read = 0
  #published = 0
  #at = 0
  #signal = false
  #before: number | undefined
  /** It published and has not looked at the mask since. */
  #unasked = false
  #looked = false
  #touched = 0
  /** Where the packet begins that is being written, how much of it was, and how much of that there must be; -1 while that is not known. */
  #packet = 0
  #done = 0
  #due = 0
  #payload = 0
  /** What is being written: those bytes, and how many of them were taken. */
  #bytes: Uint8Array = NOTHING
  #given = 0
  /** The pending send size. */
  #pending = 0
  readonly #mode: RingMode
  readonly #max: number
  /** Less free than this is left to grow, and this much is waited for. */
  readonly #quarter: number
  readonly #half: number

  constructor(dataBytes: number, mode: RingMode, max: number, answer: Answer) {
    super(dataBytes, answer)
    this.#mode = mode
    this.#max = max
    this.#quarter = Math.max(rounded(Math.floor(dataBytes / 4)), 40)
    this.#half = Math.max(rounded(Math.floor(dataBytes / 2)), this.#quarter)
  }

  /** For another run. */
  reset(): void {
    this.lied = this.#signal = this.#unasked = false
    this.#read = this.#published = this.#at = this.#done = this.#due = this.#pending = 0
    this.#before = undefined
  }

  get #free(): number {
    return this.dataBytes - 8 - 32 - distance(this.#read, this.#at, this.dataBytes)
  }

  load(cell: number): number {
    this.access()
    const value = this.answer(cell) >>> 0
    if (cell === CELLS.INTERRUPT_MASK) {
      check(this.#unasked, 'looks at the mask before it publishes')
      this.#unasked = false
      if (value !== 0) this.#before = undefined
      return value
    }
    checkWith(cell === CELLS.READ_INDEX, "loads a cell that is not the other side's", cell)
    const size = this.dataBytes
    this.#looked = true
    const moved = distance(this.#read, value, size)
    this.lied = !(value % 8 === 0 && value < size && moved <= distance(this.#read, this.#published, size))
    if (this.lied) return value
    this.#read = value
    if (this.#before === value) this.#signal = true
    this.#before = undefined
    return value
  }

  store(cell: number, value: number): void {
    this.access()
    const size = this.dataBytes
    if (cell === CELLS.PENDING_SEND) {
      this.#pending = value
      return checkWith(value % 8 === 0 && value <= size - 8, 'pending send size that never comes to be free', value)
    }
    checkWith(cell === CELLS.WRITE_INDEX, 'stores a cell that is not its own', cell)
    this.#unasked = true
    this.#before = this.#published
    this.#published = value
    check(this.#done === 0 && value === this.#at, 'publishes something else than whole packets')
    check(distance(this.#read, value, size) <= size - 8, 'publishes over what is unread')
  }

  #wrote(at: number, length: number): void {
    this.access()
    this.inside(at, length)
    const from = distance(this.#read, at, this.dataBytes)
    check(from >= distance(this.#read, this.#published, this.dataBytes), 'writes over what is published')
    check(from + length <= this.dataBytes - 8, 'writes over what is unread')
    this.#touched += length
  }

  put(at: number, low: number, high: number): void {
    check(at % 8 === 0, 'words that are not aligned')
    this.#wrote(at, 8)
    if (this.#done === 0) {
      checkWith(at === this.#at && low === DESCRIPTOR, 'begins a packet with something else', at, low)
      this.#packet = at
      this.#payload = high * 8 - 24
      this.#due = -1
    } else if (distance(this.#packet, at, this.dataBytes) === 16 && this.#due < 0) {
      checkWith(low === 1 && rounded(high) === this.#payload, 'a packet that is longer than its payload', high)
      this.#header(high)
    }
    this.#wrotePart(8)
  }

  #header(payload: number): void {
    const left = this.#bytes.length - this.#given
    checkWith(payload <= Math.min(left, this.#max) && payload > (left === 0 ? -1 : 0), 'payload of a packet', payload)
    checkWith(payload === left || payload === this.#max || payload >= this.#quarter - 32, 'tiny packet', payload)
    check(payload === left || this.#mode === 'byte', 'a part of a message')
    this.#payload = payload
    // Padding is written, and then the payload over it.
    this.#due = 32 + payload + (payload % 8 === 0 ? 0 : 8)
  }

  copyIn(at: number, from: Uint8Array, start: number, length: number): void {
    check(start + length <= from.length, 'copies from outside')
    check(from === this.#bytes && start === this.#given, 'copies other bytes than those that follow')
    const within = distance(this.#packet, at, this.dataBytes) - 24
    checkWith(within >= 0 && within + length <= this.#payload, 'copies to another place', at, length)
    this.#wrote(at, length)
    this.#given += length
    this.#wrotePart(length)
  }

  /** A packet is whole once all of it was written. */
  #wrotePart(length: number): void {
    this.#done += length
    if (this.#done !== this.#due) return
    this.#at = (this.#packet + 32 + rounded(this.#payload)) % this.dataBytes
    this.#done = 0
  }

  get(): number {
    throw new Violation('a writer reads data')
  }

  copyOut(): void {
    throw new Violation('a writer reads data')
  }

  view(): Uint8Array {
    throw new Violation('a writer reads data')
  }

  #call<T>(writer: WriterLike, bytes: Uint8Array, run: () => T): T | undefined {
    this.#looked = false
    this.#bytes = bytes
    this.#given = 0
    this.#touched = 0
    const result = this.outcome(run)
    if (result instanceof BusbarError) {
      checkWith(this.lied && result.code === 'MALFORMED', 'fault without a lie', result.code, result.message)
      const one = new Uint8Array(1)
      this.over(result, [
        () => writer.write(one),
        () => writer.publish(),
        () => writer.waitForSpace(1),
        () => writer.hasSpace(1),
        () => writer.end(),
      ])
      return undefined
    }
    check(!this.lied, 'takes a lie')
    check(!this.#unasked, 'does not look at the mask')
    check(this.#done === 0, 'writes a part of a packet')
    check(this.#free >= 0 || bytes === NOTHING, 'takes what there is no room for')
    return result
  }

  /** Bytes that must be free for a write of so many to go on. */
  #least(length: number): number {
    return this.#mode === 'message' ? 32 + rounded(length) : this.#half
  }

  /** Writes a message, or as many bytes as there is room for; false once the ring is at fault. */
  write(writer: WriterLike, bytes: Uint8Array): boolean {
    const taken = this.#call(writer, bytes, () => writer.write(bytes))
    if (taken === undefined) return false
    checkWith(taken === this.#given, 'bytes taken, and those that it says', this.#given, taken)
    if (taken === bytes.length) return true
    check(this.#mode === 'byte' || (taken === 0 && this.#touched === 0), 'writes a part of a message')
    const room = this.#mode === 'byte' ? this.#quarter : this.#least(bytes.length)
    check(this.#looked && this.#free < room, 'refuses what there is room for')
    return true
  }

  publish(writer: WriterLike): boolean {
    const at = this.#at
    const signal = this.#call(writer, NOTHING, () => writer.publish())
    if (signal === undefined) return false
    check(this.#published === at, 'does not publish what was written')
    check(this.#before === undefined, 'does not look whether it must signal')
    checkWith(signal === this.#signal, 'signal, and the right one', signal, this.#signal)
    this.#signal = false
    return true
  }

  wait(writer: WriterLike, length: number): boolean {
    const wait = this.#call(writer, NOTHING, () => writer.waitForSpace(length))
    if (wait === undefined) return false
    check(this.#published === this.#at, 'waits before it publishes')
    check(this.#looked, 'waits without a look')
    const least = this.#least(length)
    check(wait === this.#free < least, 'is wrong about the space')
    const pending = wait ? Math.max(least, this.#half) + 32 : 0
    checkWith(this.#pending === pending, 'pending send size, and the right one', this.#pending, pending)
    return true
  }

  /** Asks for space without waiting; false once the ring is at fault. */
  space(writer: WriterLike, length: number): boolean {
    const pending = this.#pending
    const has = this.#call(writer, NOTHING, () => writer.hasSpace(length))
    if (has === undefined) return false
    check(this.#looked, 'knows of space without a look')
    check(has === this.#free >= this.#least(length), 'is wrong about the space')
    checkWith(this.#pending === (has ? 0 : pending), 'pending send size, and the right one', this.#pending)
    return true
  }

  end(writer: WriterLike): boolean {
    if (this.#call(writer, NOTHING, () => (writer.end(), true)) === undefined) return false
    check(this.#touched === 32, 'writes another end')
    return true
  }
}

const NOTHING = new Uint8Array(0)
