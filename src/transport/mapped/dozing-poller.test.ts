import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DozingPoller } from './dozing-poller.ts'
import { Source, until } from './polled.test.ts'

/** Longer than any test. */
const LONG = 1e9
/** What it is that polls without a window has no effect on dozing. */
const WINDOWS = [0, 0.01, 1]

for (const window of WINDOWS) {
  test(`whoever has nothing is glanced at, and not asked to sleep, with a window of ${window}`, async () => {
    const poller = new DozingPoller(window, LONG)
    const source = new Source()
    poller.wake(source)
    await until(() => source.looks > 20)
    assert.deepEqual([source.asleep, poller.inspect().awake], [false, 1])
    poller.remove(source)
  })

  test(`whoever has something after a while of nothing is found, with a window of ${window}`, async () => {
    const poller = new DozingPoller(window, LONG)
    const source = new Source()
    poller.wake(source)
    for (let round = 0; round < 20; round++) {
      await until(() => source.left < -5)
      source.left = 3
      await until(() => source.left < 0)
    }
    assert.equal(source.asleep, false)
    poller.remove(source)
  })

  test(`whoever has nothing for long sleeps, and nobody looks any more, with a window of ${window}`, async () => {
    const poller = new DozingPoller(window, 5)
    const source = new Source(3)
    poller.wake(source)
    await until(() => source.asleep)
    const { looks } = source
    const other = new Source()
    poller.wake(other)
    await until(() => other.asleep)
    assert.deepEqual([source.looks, poller.inspect().awake], [looks, 0])
  })
}

test('whoever cannot sleep is looked at until it can', async () => {
  const poller = new DozingPoller(0, 2)
  const source = new Source(0, 5)
  poller.wake(source)
  await until(() => source.asleep)
  assert.deepEqual([source.refusals, poller.inspect().awake], [-1, 0])
})

test('without a window it sleeps at once unless a time is named', () => {
  const poller = new DozingPoller(0)
  const source = new Source(1)
  poller.wake(source)
  assert.deepEqual([source.asleep, source.looks, poller.inspect().awake], [true, 1, 0])
})

test('who was removed is not looked at, also when another one removes him', async () => {
  const poller = new DozingPoller(0, LONG)
  const second = new Source()
  const first = new (class extends Source {
    override look(): boolean {
      if (this.looks === 5) poller.remove(second)
      return super.look()
    }
  })()
  poller.wake(first)
  poller.wake(second)
  await until(() => first.looks > 5)
  const { looks } = second
  await until(() => first.looks > 15)
  assert.deepEqual([second.looks, poller.inspect().awake], [looks, 1])
  poller.remove(first)
  assert.equal(poller.inspect().awake, 0)
})
