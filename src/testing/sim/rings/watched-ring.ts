import { Block, CELLS } from '../../../ring/index.ts'

/** Bytes of a ring that are never filled. Fixed by VMBus. */
const GAP = 8
/** The cells that may change for as long as a ring is used. */
const MOVING: ReadonlySet<number> = new Set([
  CELLS.WRITE_INDEX,
  CELLS.READ_INDEX,
  CELLS.INTERRUPT_MASK,
  CELLS.PENDING_SEND,
])

/** The memory of one ring: what the two sides do to its control page is seen, and what they read of it. */
export class WatchedRing extends Block {
  /** There is something where there had been nothing, and no doorbell told of it. */
  came = false
  /** The producer asked to be told of space, and no doorbell told of any. */
  asked = false
  /** Both sides have it: from now on its geometry is known and stays. */
  agreed = false
  readonly #moved: (cell: number) => void
  readonly #broken: (what: string) => void

  /** `moved` is told of each index that one side publishes, `broken` what is done to the rest of an agreed ring. */
  constructor(block: Uint8Array, moved: (cell: number) => void, broken: (what: string) => void) {
    super(block)
    this.#moved = moved
    this.#broken = broken
    this.format()
  }

  get asleep(): boolean {
    return super.load(CELLS.INTERRUPT_MASK) === 0
  }

  get empty(): boolean {
    return super.load(CELLS.WRITE_INDEX) === super.load(CELLS.READ_INDEX)
  }

  /** The producer waits for space, and it is there. */
  get hasSpace(): boolean {
    const wanted = super.load(CELLS.PENDING_SEND)
    const used = super.load(CELLS.WRITE_INDEX) - super.load(CELLS.READ_INDEX)
    return wanted !== 0 && wanted <= this.dataBytes - GAP - (used < 0 ? used + this.dataBytes : used)
  }

  override load(cell: number): number {
    if (this.agreed && !MOVING.has(cell)) this.#broken(`cell ${cell} was read`)
    return super.load(cell)
  }

  override store(cell: number, value: number): void {
    if (this.agreed && !MOVING.has(cell)) this.#broken(`cell ${cell} was written`)
    if (cell === CELLS.WRITE_INDEX && this.empty && value !== super.load(cell)) this.came = true
    if (cell === CELLS.PENDING_SEND && value !== 0) this.asked = true
    super.store(cell, value)
    if (cell === CELLS.WRITE_INDEX || cell === CELLS.READ_INDEX) this.#moved?.(cell)
  }
}
