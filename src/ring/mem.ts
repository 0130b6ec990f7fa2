/**
 * The memory of one ring, as the ring sees it. Everything that the two sides share goes through these seven functions, so that
 * a test can put another memory in their place. They check nothing: the ring never passes an offset outside its data.
 */
export interface Mem {
  /** Bytes of data, without the control page. Never changes. */
  readonly dataBytes: number
  /** Reads a cell of the control page, unsigned, sequentially consistent. */
  load(cell: number): number
  /** Writes a cell of the control page, sequentially consistent. */
  store(cell: number, value: number): void
  /** Reads the u32 at a data offset that is a multiple of 4. */
  get(at: number): number
  /** Writes two u32 at a data offset that is a multiple of 8. */
  put(at: number, low: number, high: number): void
  /** Copies `length` bytes of `from`, from `start` on, to a data offset that is a multiple of 8. */
  copyIn(at: number, from: Uint8Array, start: number, length: number): void
  /** Copies `length` bytes at a data offset to `start` in `into`. */
  copyOut(at: number, into: Uint8Array, start: number, length: number): void
  /** `length` bytes at a data offset as they lie there: for whoever copies them without a look. */
  view(at: number, length: number): Uint8Array
}
