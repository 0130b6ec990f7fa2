import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Env, Timer } from '../link/index.ts'
import { timeLimit } from './time-limit.ts'

/** A clock and an event loop by hand. */
class LateEnv implements Env {
  time = 0
  readonly timers: { at: number; run: () => void }[] = []
  readonly posted: (() => void)[] = []

  now(): number {
    return this.time
  }
  timer(delay: number, run: () => void): Timer {
    const timer = { at: this.time + delay, run }
    this.timers.push(timer)
    return { cancel: () => void this.timers.splice(this.timers.indexOf(timer), 1) }
  }
  random(into: Uint8Array): Uint8Array {
    return into
  }
  post(run: () => void): void {
    this.posted.push(run)
  }

  /** What goes off at that time, and then what was put off. */
  at(time: number, between: () => void = () => {}): void {
    this.time = time
    for (const timer of this.timers.filter(({ at }) => at <= time)) {
      this.timers.splice(this.timers.indexOf(timer), 1)
      timer.run()
    }
    between()
    for (const run of this.posted.splice(0)) run()
  }
}

function limited(): { env: LateEnv; limit: Timer; over: number[] } {
  const env = new LateEnv()
  const over: number[] = []
  return { env, over, limit: timeLimit(env, 10_000, () => over.push(env.time)) }
}

test('a limit of time is over when the time is', () => {
  const { env, over } = limited()
  env.at(9_999)
  assert.deepEqual(over, [])
  env.at(10_000)
  assert.deepEqual(over, [10_000])
  env.at(1e6)
  assert.deepEqual([over, env.timers], [[10_000], []])
})

test('what arrived while the process was suspended is taken first', () => {
  const { env, over, limit } = limited()
  env.at(10_500, () => limit.cancel())
  assert.deepEqual([over, env.timers], [[], []])
})

test('after a long suspension the time begins anew, as often as there is one', () => {
  const { env, over } = limited()
  for (const time of [60_000, 120_000, 180_000]) env.at(time)
  assert.deepEqual(over, [])
  env.at(190_000)
  assert.deepEqual(over, [190_000])
})

test('after a long suspension it can be cancelled', () => {
  const { env, over, limit } = limited()
  env.at(60_000)
  limit.cancel()
  env.at(70_000)
  assert.deepEqual([over, env.timers], [[], []])
})
