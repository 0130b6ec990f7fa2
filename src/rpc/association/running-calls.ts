import type { Numbered } from './call-table.ts'

/** Slots of an association that has just begun (our choice: a table for all its calls took longer to make than everything else). */
const FIRST_SLOTS = 16

/**
 * The calls a server is running, by the ids its client chose. Ids that count up, as all clients' do, are found by one
 * array read; those that collide go to a map, so that odd ids cost only their sender.
 */
export class RunningCalls<C extends Readonly<Numbered> & { silent?: boolean }> {
  readonly #most: number
  #slots: (C | undefined)[] = []
  #mask = -1
  readonly #others = new Map<number, C>()
  #size = 0
  /** Those of which no answer is wanted. */
  #silent = 0

  constructor(calls: number) {
    this.#most = 2 ** Math.ceil(Math.log2(calls * 2))
    this.#grow(Math.min(this.#most, FIRST_SLOTS))
  }

  get size(): number {
    return this.#size
  }

  /** Calls whose answers the client waits for. */
  get awaited(): number {
    return this.#size - this.#silent
  }

  /** Nobody waits any more for the answer of this one, which runs. */
  orphan(call: C): void {
    if (call.silent === true) return
    call.silent = true
    this.#silent++
  }

  get(id: number): C | undefined {
    const call = this.#slots[id & this.#mask]
    if (call !== undefined && call.id === id) return call
    return this.#others.size === 0 ? undefined : this.#others.get(id)
  }

  /** The caller has looked that the id is free. */
  add(call: C): void {
    const slot = call.id & this.#mask
    if (this.#slots[slot] === undefined) this.#slots[slot] = call
    else this.#collide(call)
    this.#size++
    if (call.silent === true) this.#silent++
  }

  remove(call: C): void {
    const slot = call.id & this.#mask
    if (this.#slots[slot] === call) this.#slots[slot] = undefined
    else if (!this.#others.delete(call.id)) return
    this.#size--
    if (call.silent === true) this.#silent--
  }

  clear(): C[] {
    if (this.#size === 0) return []
    const calls = [...this.#slots.filter((call): call is C => call !== undefined), ...this.#others.values()]
    this.#slots.fill(undefined)
    this.#others.clear()
    this.#size = 0
    this.#silent = 0
    return calls
  }

  #collide(call: C): void {
    if (this.#slots.length < this.#most) this.#grow(this.#slots.length * 2)
    const slot = call.id & this.#mask
    if (this.#slots[slot] === undefined) this.#slots[slot] = call
    else this.#others.set(call.id, call)
  }

  #grow(slots: number): void {
    const before = this.#slots
    this.#slots = Array.from({ length: slots }, () => undefined)
    this.#mask = slots - 1
    // Those of two slots never meet in a table twice as large.
    for (const call of before) if (call !== undefined) this.#slots[call.id & this.#mask] = call
  }
}
