import type { BusbarError } from '../errors/index.ts'
import { type Awaitable, Inbox } from '../link/index.ts'

/** Pieces below this many `bytes` are always gathered when the reader is behind (our choice: an object a piece costs about 100). */
const ALWAYS_GATHER = 1024
/** Pieces from this many `bytes` on are never copied (our choice: a quarter of the largest chunk a link should deliver). */
const NEVER_GATHER = 16_384
/** First and largest block that pieces are gathered in, `bytes` (our choice: small for small streams, then fewer reads). */
const FIRST_BLOCK = 1024
const LAST_BLOCK = 16_384

/**
 * The receiving half of a stream. Pieces reach a waiting reader as the views they are. When the reader is behind, small
 * pieces are gathered by copying, because each view keeps its whole chunk alive: otherwise a peer could pin 64 KiB of
 * memory with every byte of its window.
 */
export class Arrivals {
  readonly #inbox: Inbox
  /** The block being filled: bytes from `#from` to `#to` are not in the inbox yet. */
  #block: Uint8Array | undefined
  #from = 0
  #to = 0
  #blockBytes = FIRST_BLOCK

  constructor(consumed: (bytes: number) => void) {
    this.#inbox = new Inbox(consumed)
  }

  /** `bytes` that arrived and were not read. */
  get unread(): number {
    return this.#inbox.unread + this.#to - this.#from
  }

  push(piece: Uint8Array): void {
    if (this.unread > 0 && worthGathering(piece)) return this.#gather(piece)
    this.#release()
    this.#inbox.push(piece)
  }

  end(): void {
    this.#release()
    this.#inbox.end()
  }

  fail(reason: BusbarError): void {
    this.#drop()
    this.#inbox.fail(reason)
  }

  read(): Awaitable<Uint8Array | undefined> {
    if (this.#inbox.unread === 0) this.#release()
    return this.#inbox.read()
  }

  #gather(piece: Uint8Array): void {
    let at = 0
    while (at < piece.length) {
      const block = this.#block ?? this.#nextBlock()
      const length = Math.min(piece.length - at, block.length - this.#to)
      block.set(length === piece.length ? piece : piece.subarray(at, at + length), this.#to)
      this.#to += length
      at += length
      if (this.#to === block.length) this.#release()
    }
  }

  #nextBlock(): Uint8Array {
    const block = new Uint8Array(this.#blockBytes)
    this.#blockBytes = Math.min(this.#blockBytes * 2, LAST_BLOCK)
    this.#block = block
    return block
  }

  /** Moves what was gathered to the inbox. What the block has left is filled later: the reader never sees that part. */
  #release(): void {
    const block = this.#block
    if (block === undefined) return
    if (this.#to > this.#from) this.#inbox.push(new Uint8Array(block.buffer, this.#from, this.#to - this.#from))
    this.#from = this.#to
    if (this.#to === block.length) this.#drop()
  }

  #drop(): void {
    this.#block = undefined
    this.#from = 0
    this.#to = 0
  }
}

function worthGathering(piece: Uint8Array): boolean {
  if (piece.length < ALWAYS_GATHER) return true
  return piece.length < NEVER_GATHER && piece.length * 4 < piece.buffer.byteLength
}
