import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Terminal } from './command.ts'
import { type Clock, Wait, waiting } from './waiting.ts'

/** A clock that stands still until it is moved. */
class StillClock implements Clock {
  #now = 0
  #timers: { at: number; run: () => void }[] = []

  get timers(): number {
    return this.#timers.length
  }

  now(): number {
    return this.#now
  }

  after(delay: number, run: () => void): () => void {
    const timer = { at: this.#now + delay, run }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer)
    }
  }

  /** A millisecond at a time, so that timers which others start are run too. */
  advance(by: number): void {
    for (const end = this.#now + by; this.#now < end; ) {
      this.#now++
      const due = this.#timers.filter(({ at }) => at <= this.#now)
      this.#timers = this.#timers.filter(({ at }) => at > this.#now)
      for (const { run } of due) run()
    }
  }
}

function terminal(isTerminal: boolean): Terminal & { readonly said: string[]; readonly stop: AbortController } {
  const said: string[] = []
  const stop = new AbortController()
  const note = (line: string): void => void said.push(line)
  return { isTerminal, said, stop, signal: stop.signal, note, out: note, status: isTerminal ? note : () => {} }
}

test('what comes within a second is waited for in silence', async () => {
  const [clock, shown] = [new StillClock(), terminal(true)]
  const work = waiting(shown, 'it', Promise.resolve(7), clock)
  clock.advance(999)
  assert.equal(await work, 7)
  assert.deepEqual([shown.said, clock.timers], [[], 0])
})

test('on a terminal it says each second what for, and wipes that out at the end', async () => {
  const [clock, shown] = [new StillClock(), terminal(true)]
  let came: (value: number) => void = () => {}
  const work = waiting(shown, 'the bus', new Promise<number>((resolve) => (came = resolve)), clock)
  clock.advance(3000)
  came(7)
  await work
  const lines = [1, 2, 3].map((seconds) => `waiting for the bus (${seconds} s)`)
  assert.deepEqual(shown.said, [...lines, ''])
})

test('elsewhere it says so after a second, and again every fifteen, however long it takes', () => {
  const [clock, shown] = [new StillClock(), terminal(false)]
  using _wait = new Wait(shown, 'the bus', clock)
  clock.advance(40_000)
  assert.deepEqual(
    shown.said,
    [1, 16, 31].map((seconds) => `waiting for the bus (${seconds} s)`),
  )
})

test('how far it is: at once on a terminal, elsewhere with what is said', () => {
  for (const isTerminal of [true, false]) {
    const [clock, shown] = [new StillClock(), terminal(isTerminal)]
    using wait = new Wait(shown, 'the guest image', clock)
    clock.advance(500)
    wait.progress('downloading 1 of 3')
    wait.progress('downloading 2 of 3')
    assert.equal(shown.said.length, isTerminal ? 2 : 0)
    clock.advance(500)
    assert.equal(shown.said.at(-1), 'waiting for the guest image: downloading 2 of 3 (1 s)')
  }
})

test('each item of a stream begins the second anew', () => {
  const [clock, shown] = [new StillClock(), terminal(false)]
  using wait = new Wait(shown, () => 'items', clock)
  for (let item = 0; item < 10; item++) {
    clock.advance(900)
    wait.heard()
  }
  assert.deepEqual(shown.said, [])
  clock.advance(1000)
  assert.deepEqual(shown.said, ['waiting for items (10 s)'])
  wait.heard()
  clock.advance(1000)
  assert.equal(shown.said.length, 2, 'and not only fifteen seconds later')
})

test('Ctrl-C ends the wait, whatever the work does', async () => {
  const [clock, shown] = [new StillClock(), terminal(false)]
  const work = waiting(shown, 'it', new Promise(() => {}), clock)
  shown.stop.abort()
  await assert.rejects(work, { code: 'CANCELLED' })
  await assert.rejects(waiting(shown, 'it', new Promise(() => {}), clock), { code: 'CANCELLED' })
  assert.equal(clock.timers, 0)
})
