/** Chunks from this size on are bulk, `bytes` (our choice: a hundred small calls). */
export const BULK = 16_384
/** Bulk that one link moves, in each direction, before everything else has its turn, `bytes` (our choice, measured: see `bench/RESULTS.md`). */
const TURN = 262_144
/** How long after the last small chunk others may still be waited for, `ms` (our choice: some hundred calls). */
const RECENT = 50

/** When a small chunk last moved on a link that carries no bulk. While there are none, nobody need give way: it costs a pipe a seventh of its speed. */
let smallAt = Number.NEGATIVE_INFINITY

/** Whether a small chunk has moved within the last so many `ms`. */
export function lately(time: number): boolean {
  return performance.now() - smallAt < time
}

/** Whether a link carries bulk, for both its directions. */
export class Load {
  #bulkAt = Number.NEGATIVE_INFINITY

  /** Notes a chunk; whether its link must take turns with others for it. */
  moved(bytes: number): boolean {
    const now = performance.now()
    if (bytes >= BULK) {
      this.#bulkAt = now
      return now - smallAt < RECENT
    }
    if (now - this.#bulkAt > RECENT) smallAt = now
    return false
  }
}

/**
 * Fairness between the links of one process. A kernel that takes, or gives, bulk as fast as this process moves it would keep the
 * event loop at one socket for two megabytes and more, while a small call waits at the next.
 */
export class Turn {
  readonly #load: Load
  readonly #over: () => void
  #moved = 0

  /** `over` is told, after a link has had its turn, that it may go on. */
  constructor(load: Load, over: () => void) {
    this.#load = load
    this.#over = over
  }

  /** Whether the link has moved its share and must wait. */
  get spent(): boolean {
    return this.#moved >= TURN
  }

  /** Notes a chunk; whether others need a turn. */
  moved(bytes: number): boolean {
    if (!this.#load.moved(bytes)) return false
    if (this.#moved === 0) setImmediate(this.#next)
    this.#moved += bytes
    return true
  }

  readonly #next = (): void => {
    const { spent } = this
    this.#moved = 0
    if (spent) this.#over()
  }
}
