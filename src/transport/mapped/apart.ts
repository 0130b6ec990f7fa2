/** Of so many writes of bulk one is measured (our choice: reading the clock takes a part of the time of a write). */
export const SAMPLED = 4
/** Bytes of which the speed is one measurement (our choice: what two rings take, of which one write in `SAMPLED` is measured). */
const MEASURED = 1_048_576
/**
 * Slower than this, `bytes` a millisecond, the memory is far away. Our choice: on one processor, and on two that are close, 10 to 26 GB/s were measured;
 * on two that are not, 2.2, all of it in the writer, who must take each cache line away from the reader.
 */
const FAR = 5_000_000
/** Which part of its time a writer must spend copying for that to matter (our choice: one who has other work to do needs a processor of his own). */
const SHARE = 0.5
/** Between two moves, `ms`: at first, and when moving did not help again and again (our choice). */
const FIRST_REST = 4
const LAST_REST = 4096
/** How long that is taken to be so, `ms` (our choice: to find out again takes a hundredth of it, and the processors of virtual machines move). */
const KNOWN = 200

/**
 * Notices that the two ends of a ring are on processors far from each other while one writes bulk to the other, and has this one go to another processor:
 * where there are two, that is the reader's, and to take turns there is several times as fast. The system may part them again, and does where others run.
 */
export class Apart {
  readonly #move: () => void
  #bytes = 0
  /** How long copying them took, and when counting began, `ms`. */
  #time = 0
  #since = Number.NEGATIVE_INFINITY
  /** When the memory was last found to be far away. */
  #farAt = Number.NEGATIVE_INFINITY
  #movedAt = Number.NEGATIVE_INFINITY
  #rest = FIRST_REST

  constructor(move: () => void) {
    this.#move = move
  }

  /** Whether the memory of the two ends is far apart where they have processors of their own, as far as is known. */
  far(now: number): boolean {
    return now - this.#farAt < KNOWN
  }

  /** So many `bytes` were copied into a ring, from `start` to `now`. */
  copied(bytes: number, start: number, now: number): void {
    this.#bytes += bytes
    this.#time += now - start
    if (this.#bytes < MEASURED) return
    const far = this.#bytes < FAR * this.#time && SAMPLED * this.#time > SHARE * (now - this.#since)
    this.#bytes = 0
    this.#time = 0
    this.#since = now
    if (far) this.#farAt = now
    if (!far) this.#rest = FIRST_REST
    else if (now - this.#movedAt >= this.#rest) {
      this.#movedAt = now
      this.#rest = Math.min(2 * this.#rest, LAST_REST)
      this.#move()
    }
  }
}
