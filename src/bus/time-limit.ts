import type { Env, Timer } from '../link/index.ts'

/** A timer that goes off so many `ms` late says that this process did not run (our choice: more than work holds an event loop up). */
const LATE = 1000

/**
 * Calls `over` when somebody has had `time` milliseconds in which to say something. A process that was suspended finds its timers before it finds what
 * arrived meanwhile: that is taken first. Where all of a machine was suspended, nothing could arrive: then the time begins anew.
 */
export function timeLimit(env: Env, time: number, over: () => void): Timer {
  let wanted = true
  let timer: Timer
  const begin = (): void => {
    const due = env.now() + time
    timer = env.timer(time, () => {
      if (env.now() - due > LATE) begin()
      else env.post(() => wanted && over())
    })
  }
  begin()
  return {
    cancel: () => {
      wanted = false
      timer.cancel()
    },
  }
}
