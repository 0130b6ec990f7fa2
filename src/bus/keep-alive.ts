import { BusbarError } from '../errors/index.ts'
import type { Env, Timer } from '../link/index.ts'
import type { BusLimits } from './limits.ts'
import { timeLimit } from './time-limit.ts'

/**
 * Asks the other end of a session, now and then, whether it is there: one that is frozen keeps its link, and would be waited for without end.
 * `ask` has an answer sent, of which `answered` is told; `lost` is called once, when there was none in time.
 */
export class KeepAlive {
  readonly #env: Env
  readonly #limits: BusLimits
  readonly #ask: () => void
  readonly #lost: (reason: BusbarError) => void
  /** Until the next question, or until the answer is late. */
  #timer: Timer | undefined
  #asked = false
  #over = false

  constructor(env: Env, limits: BusLimits, ask: () => void, lost: (reason: BusbarError) => void) {
    this.#env = env
    this.#limits = limits
    this.#ask = ask
    this.#lost = lost
  }

  begin(): void {
    const { keepAliveInterval, keepAliveTime } = this.#limits
    if (keepAliveInterval === 0 || this.#over) return
    this.#timer = this.#env.timer(keepAliveInterval, () => {
      this.#asked = true
      this.#timer = timeLimit(this.#env, keepAliveTime, () => {
        this.stop()
        this.#lost(
          new BusbarError('DEADLINE', `limit keepAliveTime: no answer within ${keepAliveTime} ms`, {
            stage: 'keep alive',
          }),
        )
      })
      this.#ask()
    })
  }

  /** Whatever answers no question means nothing. */
  answered(): void {
    if (!this.#asked) return
    this.#asked = false
    this.#timer?.cancel()
    this.begin()
  }

  stop(): void {
    this.#over = true
    this.#asked = false
    this.#timer?.cancel()
  }
}
