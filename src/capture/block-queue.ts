/** Memory is taken in pieces of so many `bytes`: one is what a reader gets at most, and holds the longest block (our choice). */
const PAGE_BYTES = 262_144

/** Where a block is to be written: exactly the bytes that were asked for, still zero. */
export interface Room {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly at: number
}

interface Page extends Omit<Room, 'at'> {
  used: number
  taken: number
}

/** Blocks on their way to a file: written in place, read in large pieces, never more than `max` bytes of them. */
export class BlockQueue {
  readonly #pages: Page[] = []
  readonly #max: number
  #length = 0

  constructor(max: number) {
    this.#max = max
  }

  /** Bytes that wait. */
  get length(): number {
    return this.#length
  }

  /** Room for one block of at most a page; `undefined` when too much waits already. */
  reserve(size: number): Room | undefined {
    if (this.#length + size > this.#max) return undefined
    let page = this.#pages.at(-1)
    if (page === undefined || page.used + size > PAGE_BYTES) {
      const bytes = new Uint8Array(PAGE_BYTES)
      page = { bytes, view: new DataView(bytes.buffer), used: 0, taken: 0 }
      this.#pages.push(page)
    }
    const at = page.used
    page.used += size
    this.#length += size
    return { bytes: page.bytes, view: page.view, at }
  }

  /** Everything that waits in the first page; `undefined` when nothing does. It is not written to any more. */
  take(): Uint8Array | undefined {
    for (;;) {
      const page = this.#pages[0]
      if (page === undefined) return undefined
      const { taken, used } = page
      if (this.#pages.length > 1 || used === PAGE_BYTES) this.#pages.shift()
      if (taken === used) {
        if (this.#pages[0] === page) return undefined
        continue
      }
      page.taken = used
      this.#length -= used - taken
      return page.bytes.subarray(taken, used)
    }
  }
}
