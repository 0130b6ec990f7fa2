import type { Env, Timer } from './env.ts'

/** A timer that goes off so many `ms` late says that this process did not run (our choice: more than work holds an event loop up). */
const LATE = 1_000

/**
 * A timer for what a peer is to do in `time` milliseconds. What came, or could be sent, by then happens first; `late` says that this process did not run
 * meanwhile, so that the time says nothing about the peer.
 */
export function patientTimer(env: Env, time: number, due: (late: boolean) => void): Timer {
  const at = env.now() + time
  let over = false
  const timer = env.timer(time, () => {
    const late = env.now() - at > LATE
    env.post(() => {
      if (!over) due(late)
    })
  })
  return {
    cancel() {
      over = true
      timer.cancel()
    },
  }
}
