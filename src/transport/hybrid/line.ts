import { ChunkQueue } from '../../bytes/index.ts'
import { BusbarError } from '../../errors/index.ts'

const NEWLINE = 0x0a

/** Cuts one line from the front of a byte stream and keeps every byte behind it. */
export class LineReader {
  readonly #queue = new ChunkQueue()
  readonly #max: number
  /** Bytes looked at without finding the end of the line. */
  #seen = 0

  /** A line longer than `max` `bytes`, its newline not counted, is refused. */
  constructor(max: number) {
    this.#max = max
  }

  /**
   * Takes the next bytes; the line without its newline once it is whole, else nothing. Throws `MALFORMED` when the line is too long or
   * not ASCII.
   */
  push(chunk: Uint8Array): string | undefined {
    const at = chunk.indexOf(NEWLINE)
    this.#queue.push(chunk)
    this.#seen += at < 0 ? chunk.length : at
    if (this.#seen > this.#max) throw new BusbarError('MALFORMED', `a line of more than ${this.#max} bytes`)
    if (at < 0) return undefined
    const line = this.#queue.take(this.#seen)
    this.#queue.take(1)
    if (line.some((byte) => byte < 0x20 || byte > 0x7e))
      throw new BusbarError('MALFORMED', 'a line that is not ASCII text')
    return String.fromCharCode(...line)
  }

  /** The bytes behind the line. */
  rest(): Uint8Array {
    return this.#queue.take(this.#queue.length)
  }
}
