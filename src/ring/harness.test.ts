/** A slow and obvious twin of the ring, and memory of any size for tests. */
import { CELLS, type Mem } from './index.ts'

/** A seeded generator (mulberry32). */
export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000) * bound)
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256))
  }
}

/** Memory of any size that is a multiple of 8, as plain as can be; refuses what is outside. */
export class PlainMem implements Mem {
  readonly dataBytes: number
  readonly control: DataView = new DataView(new ArrayBuffer(128))
  readonly data: Uint8Array
  readonly #view: DataView

  constructor(dataBytes: number) {
    this.dataBytes = dataBytes
    this.data = new Uint8Array(dataBytes)
    this.#view = new DataView(this.data.buffer)
  }

  load(cell: number): number {
    return this.control.getUint32(cell * 4, true)
  }

  store(cell: number, value: number): void {
    this.control.setUint32(cell * 4, value, true)
  }

  get(at: number): number {
    return this.#view.getUint32(at, true)
  }

  put(at: number, low: number, high: number): void {
    this.#view.setUint32(at, low, true)
    this.#view.setUint32(at + 4, high, true)
  }

  copyIn(at: number, from: Uint8Array, start: number, length: number): void {
    if (start + length > from.length) throw new RangeError('copied from outside')
    this.data.set(from.subarray(start, start + length), at)
  }

  copyOut(at: number, into: Uint8Array, start: number, length: number): void {
    if (length < 1 || at + length > this.data.length) throw new RangeError('copied from outside')
    into.set(this.data.subarray(at, at + length), start)
  }

  view(at: number, length: number): Uint8Array {
    if (length < 1 || at + length > this.data.length) throw new RangeError('lent from outside')
    return this.data.subarray(at, at + length)
  }
}

/** Bytes of u32 words, little-endian. */
function words(...values: number[]): number[] {
  return values.flatMap((value) => [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24])
}

/** One packet as VMBus has it, that begins at `at`. */
export function packet(payload: Uint8Array, at: number): number[] {
  const body = [...payload]
  while (body.length % 8 !== 0) body.push(0)
  return [...words(0x0002_0006, (16 + 8 + body.length) / 8, 0, 0, 1, payload.length), ...body, ...words(0, at)]
}

/** Writes each byte where the remainder says, and looks at the indexes each time. */
export class SlowWriter {
  readonly #mem: PlainMem
  readonly #mode: 'byte' | 'message'
  readonly #max: number
  ended = false

  constructor(mem: PlainMem, mode: 'byte' | 'message', max: number) {
    this.#mem = mem
    this.#mode = mode
    this.#max = max
  }

  /** Free bytes that may be written now. */
  get #free(): number {
    const size = this.#mem.dataBytes
    const used = (this.#mem.load(CELLS.WRITE_INDEX) - this.#mem.load(CELLS.READ_INDEX) + size) % size
    return size - 8 - used - 32
  }

  write(bytes: Uint8Array): { taken: number; signal: boolean } {
    const step = Math.max(Math.ceil(Math.floor(this.#mem.dataBytes / 4) / 8) * 8, 40)
    let taken = 0
    let signal = false
    while (taken < bytes.length) {
      let piece = Math.min(bytes.length - taken, this.#max)
      if (32 + Math.ceil(piece / 8) * 8 > this.#free) {
        if (this.#mode === 'message' || this.#free < step) break
        piece = this.#free - 32
      }
      if (this.#packet(bytes.subarray(taken, taken + piece))) signal = true
      taken += piece
    }
    return { taken, signal }
  }

  end(): boolean {
    this.ended = true
    return this.#packet(new Uint8Array(0))
  }

  /** Writes a packet; whether the other side must be signalled. */
  #packet(payload: Uint8Array): boolean {
    const size = this.#mem.dataBytes
    const at = this.#mem.load(CELLS.WRITE_INDEX)
    const bytes = packet(payload, at)
    for (const [offset, byte] of bytes.entries()) this.#mem.data[(at + offset) % size] = byte
    this.#mem.store(CELLS.WRITE_INDEX, (at + bytes.length) % size)
    return this.#mem.load(CELLS.INTERRUPT_MASK) === 0 && this.#mem.load(CELLS.READ_INDEX) === at
  }
}

/** Reads each byte where the remainder says; trusts the other side. */
export class SlowReader {
  readonly #mem: PlainMem
  readonly #mode: 'byte' | 'message'
  /** Payload bytes of the first packet that were read already. */
  #consumed = 0
  ended = false

  constructor(mem: PlainMem, mode: 'byte' | 'message') {
    this.#mem = mem
    this.#mode = mode
  }

  #u32(at: number): number {
    const bytes = [0, 1, 2, 3].map((offset) => this.#mem.data[(at + offset) % this.#mem.dataBytes] as number)
    return bytes.reduceRight((value, byte) => value * 256 + byte, 0)
  }

  /** Up to `most` bytes in byte mode, else one message; and whether the other side must be signalled. */
  read(most: number): { bytes: number[]; signal: boolean } {
    const size = this.#mem.dataBytes
    const bytes: number[] = []
    const free = (at: number): number => size - 8 - ((this.#mem.load(CELLS.WRITE_INDEX) - at + size) % size)
    const before = free(this.#mem.load(CELLS.READ_INDEX))
    while (bytes.length < most && !this.ended) {
      const at = this.#mem.load(CELLS.READ_INDEX)
      if (at === this.#mem.load(CELLS.WRITE_INDEX)) break
      const length = this.#u32(at + 20)
      if (length === 0) this.ended = true
      while (this.#consumed < length && bytes.length < most) {
        bytes.push(this.#mem.data[(at + 24 + this.#consumed++) % size] as number)
      }
      if (this.#consumed < length) break
      this.#consumed = 0
      this.#mem.store(CELLS.READ_INDEX, (at + (this.#u32(at + 4) & 0xffff) * 8 + 8) % size)
      if (this.#mode === 'message') break
    }
    const after = free(this.#mem.load(CELLS.READ_INDEX))
    const pending = this.#mem.load(CELLS.PENDING_SEND)
    return { bytes, signal: pending !== 0 && before < pending && pending <= after }
  }
}
