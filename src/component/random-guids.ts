import { type Guid, guidFromRandom } from '../bytes/index.ts'
import type { Env } from '../rpc/index.ts'

/** Drawn at a time, `bytes` (our choice): 64 GUIDs. Drawing costs more than what it is drawn for. */
const RANDOM_BYTES = 1_024

/** GUIDs that nobody can guess. */
export class RandomGuids {
  readonly #env: Env
  readonly #random = new Uint8Array(RANDOM_BYTES)
  #used = RANDOM_BYTES

  constructor(env: Env) {
    this.#env = env
  }

  next(): Guid {
    if (this.#used === RANDOM_BYTES) {
      this.#env.random(this.#random)
      this.#used = 0
    }
    this.#used += 16
    return guidFromRandom(this.#random.subarray(this.#used - 16, this.#used))
  }
}
