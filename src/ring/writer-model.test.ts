import { BusbarError } from '../errors/index.ts'
import { CELLS } from './index.ts'
import { check, checkWith, distance, Violation, Watched } from './watched.test.ts'

interface WriterLike {
  write(bytes: Uint8Array, start?: number, end?: number): number
  publish(): boolean
  waitForSpace(length: number): boolean
  end(): void
}

/** The consumer's side of a writer under test, in message mode. */
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

  /** For another run. */
  reset(): void {
    this.lied = this.#signal = this.#unasked = false
    this.#read = this.#published = this.#at = 0
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
      return checkWith(value % 8 === 0 && value <= size - 8, 'pending send size that never comes to be free', value)
    }
    checkWith(cell === CELLS.WRITE_INDEX, 'stores a cell that is not its own', cell)
    this.#unasked = true
    this.#before = this.#published
    this.#published = value
    this.#at = value
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

  put(at: number): void {
    check(at % 8 === 0, 'words that are not aligned')
    this.#wrote(at, 8)
  }

  copyIn(at: number, from: Uint8Array, start: number, length: number): void {
    check(start + length <= from.length, 'copies from outside')
    this.#wrote(at, length)
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

  #call<T>(writer: WriterLike, run: () => T): T | undefined {
    this.#looked = false
    this.#touched = 0
    const result = this.outcome(run)
    if (result instanceof BusbarError) {
      checkWith(this.lied && result.code === 'MALFORMED', 'fault without a lie', result.code, result.message)
      const one = new Uint8Array(1)
      this.over(result, [
        () => writer.write(one),
        () => writer.publish(),
        () => writer.waitForSpace(1),
        () => writer.end(),
      ])
      return undefined
    }
    check(!this.lied, 'takes a lie')
    check(!this.#unasked, 'does not look at the mask')
    return result
  }

  /** Writes a message; false once the ring is at fault. */
  write(writer: WriterLike, bytes: Uint8Array): boolean {
    const at = this.#at
    const taken = this.#call(writer, () => writer.write(bytes))
    if (taken === undefined) return false
    const total = 32 + Math.ceil(bytes.length / 8) * 8
    if (taken === 0) {
      check(this.#looked && this.#free < total, 'refuses what there is room for')
      check(this.#touched === 0, 'writes a part of a message')
      return true
    }
    this.#at = (at + total) % this.dataBytes
    check(taken === bytes.length && this.#free >= 0, 'takes what there is no room for')
    return true
  }

  publish(writer: WriterLike): boolean {
    const at = this.#at
    const signal = this.#call(writer, () => writer.publish())
    if (signal === undefined) return false
    check(this.#published === at, 'does not publish what was written')
    check(this.#before === undefined, 'does not look whether it must signal')
    checkWith(signal === this.#signal, 'signal, and the right one', signal, this.#signal)
    this.#signal = false
    return true
  }

  wait(writer: WriterLike, length: number): boolean {
    const wait = this.#call(writer, () => writer.waitForSpace(length))
    if (wait === undefined) return false
    check(this.#published === this.#at, 'waits before it publishes')
    check(this.#looked, 'waits without a look')
    check(wait === this.#free < 32 + Math.ceil(length / 8) * 8, 'is wrong about the space')
    return true
  }

  end(writer: WriterLike): boolean {
    const at = this.#at
    if (this.#call(writer, () => (writer.end(), true)) === undefined) return false
    this.#at = (at + 32) % this.dataBytes
    check(this.#touched === 32, 'writes another end')
    return true
  }
}
