import { BusbarError } from '../errors/index.ts'
import type { Env } from '../link/index.ts'
import type { Channel } from './channel.ts'
import type { Messages } from './messages.ts'
import { reasonFrom } from './reasons.ts'

/** The memory that a session has offered to its partition for rings, and that was not answered yet. */
export class RingOffers {
  readonly #env: Env
  readonly #time: number
  readonly #pending = new Map<number, (refused: BusbarError | undefined) => void>()

  /** `time`: most `ms` that an answer may take. */
  constructor(env: Env, time: number) {
    this.#env = env
    this.#time = time
  }

  /** Settles when the partition has it, rejects when it has not, does not answer, or the channel is over. */
  offered({ id, closed }: Channel): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (refused: BusbarError | undefined): void => {
        if (!this.#pending.delete(id)) return
        timer.cancel()
        if (refused === undefined) resolve()
        else reject(refused)
      }
      const timer = this.#env.timer(this.#time, () => {
        settle(new BusbarError('DEADLINE', `the end did not say within ${this.#time} ms whether it has the rings`))
      })
      this.#pending.set(id, settle)
      void closed.then((reason) => settle(reason ?? new BusbarError('CLOSED', 'the channel is over')))
    })
  }

  /** Answers that nobody waits for come too late. */
  answered({ channelId, code, text }: Messages['ringResult']): void {
    this.#pending.get(channelId)?.(code === 0 ? undefined : reasonFrom(code, text))
  }

  /** Nobody waits any longer for the answer, if it has not come. */
  recall({ id }: Channel, reason: BusbarError): void {
    this.#pending.get(id)?.(reason)
  }
}
