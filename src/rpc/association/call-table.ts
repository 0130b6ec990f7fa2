/** What a table of calls holds. */
export interface Numbered {
  id: number
}

/**
 * Calls in flight by call id. An id is a slot number with a generation above it, so that finding a call is one array
 * read; ids go up by one per call, skip the slots in use, and so are never given twice while in flight.
 */
export class CallTable<C extends Numbered> {
  readonly #slots: (C | undefined)[]
  readonly #mask: number
  #last = 0
  #size = 0

  /** Room for `calls` at once, with as many slots free again, so that a few old calls do not slow down new ones. */
  constructor(calls: number) {
    const slots = 2 ** Math.ceil(Math.log2(calls * 2))
    this.#slots = Array.from({ length: slots }, () => undefined)
    this.#mask = slots - 1
  }

  get size(): number {
    return this.#size
  }

  /** The next id, for a PDU that is not a call and gets no slot. */
  next(): number {
    this.#last = (this.#last + 1) >>> 0 || 1
    return this.#last
  }

  /** Gives the call the next id whose slot is free. The caller keeps `size` below what the table was made for. */
  add(call: C): void {
    let id = this.next()
    while (this.#slots[id & this.#mask] !== undefined) id = this.next()
    call.id = id
    this.#slots[id & this.#mask] = call
    this.#size++
  }

  get(id: number): C | undefined {
    const call = this.#slots[id & this.#mask]
    return call !== undefined && call.id === id ? call : undefined
  }

  remove(call: C): void {
    const slot = call.id & this.#mask
    if (this.#slots[slot] !== call) return
    this.#slots[slot] = undefined
    this.#size--
  }

  /** Whether this id was given out before, so that a late answer is told from an invented one. */
  issued(id: number): boolean {
    return id !== 0 && (this.#last - id) >>> 0 < 0x8000_0000
  }

  /** Empties the table and returns what was in it. */
  clear(): C[] {
    const calls = this.#slots.filter((call): call is C => call !== undefined)
    this.#slots.fill(undefined)
    this.#size = 0
    return calls
  }
}
