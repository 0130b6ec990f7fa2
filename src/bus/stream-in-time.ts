import { BusbarError } from '../errors/index.ts'
import type { ByteLink, Env } from '../link/index.ts'

/**
 * The stream of a channel that is being accepted. Where the peer dials it, it may never come: this rejects with `DEADLINE`
 * after `time` milliseconds, or with the reason that `aborted` gives.
 */
export function streamInTime(
  stream: Promise<ByteLink>,
  env: Env,
  time: number,
  aborted: AbortSignal,
): Promise<ByteLink> {
  return new Promise((resolve, reject) => {
    const settle = (how: () => void): void => {
      timer.cancel()
      aborted.removeEventListener('abort', abort)
      how()
    }
    const abort = (): void => settle(() => reject(BusbarError.from(aborted.reason)))
    const timer = env.timer(time, () => {
      settle(() => reject(new BusbarError('DEADLINE', `the stream did not come within ${time} ms`, { stage: 'open' })))
    })
    aborted.addEventListener('abort', abort)
    stream.then(
      (link) => settle(() => resolve(link)),
      (thrown: unknown) => settle(() => reject(BusbarError.from(thrown))),
    )
  })
}
