import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Polled, RingPoller } from './poller.ts'

/** Has something for so many looks, and wakes late for so many attempts to sleep. */
class Source implements Polled {
  looks = 0
  asleep = true
  left: number
  refusals: number

  constructor(left = 0, refusals = 0) {
    this.left = left
    this.refusals = refusals
  }

  look(): boolean {
    this.looks++
    return this.left-- > 0
  }
  awake(): void {
    this.asleep = false
  }
  sleep(): boolean {
    this.asleep = this.refusals-- <= 0
    return this.asleep
  }
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise((resolve) => setImmediate(resolve))
}

test('whoever has nothing sleeps at once, and is not looked at any more', async () => {
  const poller = new RingPoller()
  const source = new Source()
  poller.wake(source)
  assert.deepEqual([source.asleep, source.looks, poller.inspect().awake], [true, 1, 0])
})

test('without a window it looks only when told', async () => {
  const poller = new RingPoller(0)
  const source = new Source(1000)
  for (let told = 1; told <= 10; told++) {
    poller.wake(source)
    assert.deepEqual([source.asleep, source.looks], [true, told])
  }
})

test('whoever cannot sleep is looked at until it can', async () => {
  const poller = new RingPoller(0)
  const source = new Source(0, 5)
  poller.wake(source)
  assert.equal(source.asleep, false)
  await until(() => source.asleep)
  assert.deepEqual([source.refusals, poller.inspect().awake], [-1, 0])
})

test('arrivals that follow each other make it look by itself, and it stops when nothing comes', async () => {
  const poller = new RingPoller(1e6)
  const source = new Source(500)
  for (let told = 0; told < 3; told++) poller.wake(source)
  assert.equal(poller.inspect().polls, true)
  await until(() => source.left < 0)
  const idle = new RingPoller(1e-6)
  const quiet = new Source()
  idle.wake(quiet)
  assert.deepEqual(idle.inspect(), { awake: 0, polls: false, rung: 0 })
  poller.remove(source)
  const { looks } = source
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(source.looks, looks)
})

test('one that is busy does not keep another awake', async () => {
  const poller = new RingPoller(0.01)
  const busy = new Source(1e9)
  const quiet = new Source(4)
  for (let told = 0; told < 3; told++) poller.wake(quiet)
  poller.wake(busy)
  await until(() => quiet.asleep)
  assert.equal(poller.inspect().awake, busy.asleep ? 0 : 1)
  poller.remove(busy)
})
