import { type Guid, guidFromRandom } from '../bytes/index.ts'
import type { Env } from '../rpc/index.ts'

/** Drawn at a time, `bytes` (our choice): 256 GUIDs. Drawing costs more than what it is drawn for. */
const RANDOM_BYTES = 4_096

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
    return guidFromRandom(this.#random, this.#used - 16)
  }
}
