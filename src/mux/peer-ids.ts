import { BusbarError } from '../errors/index.ts'

/** Which stream ids the peer has used: every id at most once, of the peer's parity, rising but for a few late ones. */
export class PeerIds {
  readonly #parity: number
  readonly #late: number
  #highest = 0
  /** Ids below the highest that were skipped and may still be opened, oldest first. */
  readonly #skipped = new Set<number>()

  /** `parity` is 1 when the peer is the client, 0 when it is the server; `late` how many skipped ids are remembered. */
  constructor(parity: 0 | 1, late: number) {
    this.#parity = parity
    this.#late = late
  }

  /** Marks an id as used; `PROTOCOL` when the peer may not open it. */
  use(id: number): void {
    if (id % 2 !== this.#parity) throw protocol(`opened stream ${id}, whose parity is ours`)
    if (id > this.#highest) {
      this.#skip(id)
      this.#highest = id
    } else if (!this.#skipped.delete(id)) {
      throw protocol(`opened stream ${id} again or out of order, after ${this.#highest}`)
    }
  }

  /** Whether the peer ever opened this id. */
  used(id: number): boolean {
    return id <= this.#highest && !this.#skipped.has(id)
  }

  #skip(id: number): void {
    if (this.#late === 0) return
    const first = this.#highest === 0 ? 2 - this.#parity : this.#highest + 2
    for (let late = Math.max(first, id - 2 * this.#late); late < id; late += 2) this.#skipped.add(late)
    for (const oldest of this.#skipped) {
      if (this.#skipped.size <= this.#late) break
      this.#skipped.delete(oldest)
    }
  }
}

function protocol(found: string): BusbarError {
  return new BusbarError('PROTOCOL', `yamux: the peer ${found}`)
}
