import type { Env, Timer } from '../../link/index.ts'
import { COPY_BELOW } from '../pdu-slab.ts'

/** What is spare and was not used for so long goes, `ms` (our choice: a caller that makes one call after the other comes back sooner). */
const UNUSED = 1_000
/** How many times as much as is wanted may be given (our choice: as much as a request may hold beyond its bytes). */
const WIDE = 2

/** Memory that requests of this process were sent from as it lies. */
const sent = new WeakSet<ArrayBufferLike>()

/**
 * Notes pieces that leave from where they lie. Some may still be under way when their call has its outcome, as where it was refused at its first fragment: whoever made
 * it is done with them, and the link is not. So their memory never gets spare.
 */
export function sentFrom(pieces: readonly Uint8Array[]): void {
  for (const { buffer, length } of pieces) if (length >= COPY_BELOW) sent.add(buffer)
}

/**
 * Memory of the requests of one caller that whoever served them needs no more, for the next ones of the same caller. It was taken away
 * from everybody: what somebody kept of it is empty. Where the world outside cannot do that, nothing is spare.
 */
export class SpareMemory {
  readonly #env: Env
  readonly #most: number
  #spare: Uint8Array[] = []
  #bytes = 0
  #used = false
  #timer: Timer | undefined

  /** Keeps at most so many `bytes`. */
  constructor(env: Env, most: number) {
    this.#env = env
    this.#most = most
  }

  /** What is kept, `bytes`. */
  get bytes(): number {
    return this.#bytes
  }

  /** Memory for at least so many `bytes` with anything in it, if there is some that is not far too large. */
  take(bytes: number): Uint8Array | undefined {
    for (let i = this.#spare.length - 1; i >= 0; i--) {
      const memory = this.#spare[i] as Uint8Array
      if (memory.length < bytes || memory.length > WIDE * bytes) continue
      this.#spare.splice(i, 1)
      this.#bytes -= memory.length
      this.#used = true
      return memory
    }
    return undefined
  }

  /** Keeps the whole buffer that `part` lies in, unless some of it may be under way, and takes it away from everybody else. */
  keep(part: Uint8Array): void {
    const length = part.buffer.byteLength
    if (this.#env.reclaim === undefined || length > this.#most || sent.has(part.buffer)) return
    // Whoever served the call has given it away himself.
    if (length === 0) return
    while (this.#bytes + length > this.#most) this.#bytes -= (this.#spare.shift() as Uint8Array).length
    this.#spare.push(this.#env.reclaim(part))
    this.#bytes += length
    this.#timer ??= this.#env.timer(UNUSED, this.#look)
  }

  /** Lets go of all of it. */
  drop(): void {
    this.#spare = []
    this.#bytes = 0
    this.#timer?.cancel()
    this.#timer = undefined
  }

  readonly #look = (): void => {
    this.#timer = undefined
    if (!this.#used) return this.drop()
    this.#used = false
    if (this.#bytes > 0) this.#timer = this.#env.timer(UNUSED, this.#look)
  }
}
