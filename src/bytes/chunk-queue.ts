import { BusbarError } from '../errors/index.ts'

/**
 * Received chunks in order, taken out again in other sizes. Never grows by concatenation: a take inside one chunk is a
 * view, and only a take across chunks copies, once.
 */
export class ChunkQueue {
  #chunks: Uint8Array[] = []
  /** Index of the first live chunk; the dead prefix is dropped now and then, so that a shift costs nothing. */
  #first = 0
  #offset = 0
  #length = 0

  /** Bytes held. */
  get length(): number {
    return this.#length
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#length += chunk.length
  }

  /** The next bytes, at least one and at most `max`, as a view; `undefined` when empty. */
  shift(max: number): Uint8Array | undefined {
    const head = this.#chunks[this.#first]
    if (head === undefined) return undefined
    const start = this.#offset
    const end = Math.min(head.length, start + max)
    this.#drop(end - start, head)
    return start === 0 && end === head.length ? head : head.subarray(start, end)
  }

  /** Exactly `length` bytes; `INTERNAL` when fewer are held, so look at `length` first. */
  take(length: number): Uint8Array {
    if (length > this.#length) throw new BusbarError('INTERNAL', `took ${length} bytes of ${this.#length}`)
    if (length === 0) return new Uint8Array(0)
    const head = this.#chunks[this.#first]
    if (head !== undefined && head.length - this.#offset >= length) return this.shift(length) ?? new Uint8Array(0)
    const whole = new Uint8Array(length)
    let at = 0
    while (at < length) {
      const part = this.shift(length - at)
      if (part === undefined) break
      whole.set(part, at)
      at += part.length
    }
    return whole
  }

  /** The byte at `index` from the front without taking it; -1 when fewer are held. */
  peek(index: number): number {
    let at = index + this.#offset
    for (let i = this.#first; i < this.#chunks.length; i++) {
      const chunk = this.#chunks[i] as Uint8Array
      if (at < chunk.length) return chunk[at] as number
      at -= chunk.length
    }
    return -1
  }

  clear(): void {
    this.#chunks = []
    this.#first = 0
    this.#offset = 0
    this.#length = 0
  }

  #drop(count: number, head: Uint8Array): void {
    this.#length -= count
    this.#offset += count
    if (this.#offset < head.length) return
    this.#offset = 0
    this.#first++
    if (this.#first === this.#chunks.length) {
      this.#chunks.length = 0
      this.#first = 0
    } else if (this.#first >= 64) {
      this.#chunks.splice(0, this.#first)
      this.#first = 0
    }
  }
}
