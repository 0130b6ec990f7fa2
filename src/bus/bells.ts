import type { Env, Timer } from '../link/index.ts'
import { Allowance } from './allowance.ts'

/** Bells that pass at once, and how many a second in the long run: as many as a fast link brings honest ends to ring (our choice). */
const BURST = 1000
const PER_SECOND = 20_000
/** How long others wait, `ms`: several for one channel become one. */
const WAIT = 5

/** Passes on bells to one peer. What it has no room for, or rings too often, waits and merges: no more of it than there are channels. */
export class Bells {
  readonly #env: Env
  readonly #send: (channelId: number) => void
  readonly #hasRoom: () => boolean
  readonly #allowance: Allowance
  readonly #waiting = new Set<number>()
  #timer: Timer | undefined
  #stopped = false

  constructor(env: Env, send: (channelId: number) => void, hasRoom: () => boolean) {
    this.#env = env
    this.#send = send
    this.#hasRoom = hasRoom
    this.#allowance = new Allowance(env, BURST, PER_SECOND)
  }

  ring(channelId: number): void {
    if (this.#stopped) return
    if (this.#waiting.size === 0 && this.#pass(channelId)) return
    this.#waiting.add(channelId)
    this.#later()
  }

  /** The peer has room, or time has passed. */
  flush(): void {
    for (const channelId of this.#waiting) {
      if (!this.#pass(channelId)) break
      this.#waiting.delete(channelId)
    }
    if (this.#waiting.size > 0) this.#later()
  }

  /** Nobody is told of anything any more. */
  stop(): void {
    this.#stopped = true
    this.#waiting.clear()
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #later(): void {
    this.#timer ??= this.#env.timer(WAIT, () => {
      this.#timer = undefined
      this.flush()
    })
  }

  #pass(channelId: number): boolean {
    if (!this.#hasRoom() || !this.#allowance.take()) return false
    this.#send(channelId)
    return true
  }
}
