/** Chunks from this size on are bulk, `bytes` (our choice: a hundred small calls). */
const BULK = 16_384
/** Bulk that one link moves, in each direction, before everything else has its turn, `bytes` (our choice, measured: see `bench/RESULTS.md`). */
const TURN = 262_144

/**
 * Fairness between the links of one process. A kernel that takes, or gives, bulk as fast as this process moves it would keep the
 * event loop at one socket for two megabytes and more, while a small call waits at the next.
 */
export class Turn {
  readonly #over: () => void
  #moved = 0

  /** `over` is told, after a link has had its turn, that it may go on. */
  constructor(over: () => void) {
    this.#over = over
  }

  /** Whether the link has moved its share and must wait. */
  get spent(): boolean {
    return this.#moved >= TURN
  }

  moved(bytes: number): void {
    if (bytes < BULK) return
    if (this.#moved === 0) setImmediate(this.#next)
    this.#moved += bytes
  }

  readonly #next = (): void => {
    const { spent } = this
    this.#moved = 0
    if (spent) this.#over()
  }
}
