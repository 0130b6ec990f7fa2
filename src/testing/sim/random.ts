/** A seeded generator (xoshiro128**, 128 bits of state). Forks are named, so that the draws of one part never shift another's. */
export class SimRandom {
  readonly #name: string
  #a: number
  #b: number
  #c: number
  #d: number

  constructor(name: string) {
    this.#name = name
    ;[this.#a, this.#b, this.#c, this.#d] = spread(name)
  }

  /** An independent generator: depends on the names on the way to it, not on what was drawn. */
  fork(name: string): SimRandom {
    return new SimRandom(`${this.#name}/${name}`)
  }

  /** An integer from 0 to 2^32 - 1. */
  next(): number {
    const result = Math.imul(rotate(Math.imul(this.#b, 5), 7), 9) >>> 0
    const shifted = this.#b << 9
    this.#c ^= this.#a
    this.#d ^= this.#b
    this.#b ^= this.#c
    this.#a ^= this.#d
    this.#c ^= shifted
    this.#d = rotate(this.#d, 11)
    return result
  }

  /** An integer from 0 to `bound` - 1. */
  below(bound: number): number {
    return Math.floor((this.next() / 0x1_0000_0000) * bound)
  }

  /** An integer from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1)
  }

  /** An integer from 1 to `high`, small ones as likely as large ones. */
  sized(high: number): number {
    return Math.max(1, Math.floor(high ** (this.next() / 0x1_0000_0000)))
  }

  chance(probability: number): boolean {
    return this.next() < probability * 0x1_0000_0000
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T
  }

  fill(into: Uint8Array): Uint8Array {
    for (let at = 0; at < into.length; at++) into[at] = this.next() >>> 24
    return into
  }
}

function rotate(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by))
}

/** 128 bits from a name: four 32-bit hashes that start differently, each mixed to the end. */
function spread(name: string): [number, number, number, number] {
  const state: [number, number, number, number] = [0x9e3779b9, 0x243f6a88, 0xb7e15162, 0x6a09e667]
  for (let at = 0; at < name.length; at++) {
    const unit = name.charCodeAt(at)
    for (let word = 0; word < 4; word++) {
      const mixed = Math.imul((state[word] as number) ^ unit, 0x85ebca6b + 2 * word)
      state[word] = mixed ^ (mixed >>> 13)
    }
  }
  for (let word = 0; word < 4; word++) {
    let mixed = state[word] as number
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x7feb352d)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846ca68b)
    state[word] = mixed ^ (mixed >>> 16) ^ (word + 1)
  }
  return state
}
