import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BusbarError } from '../errors/index.ts'
import type { Env, Marshaller } from '../rpc/index.ts'
import { code } from './harness.test.ts'
import { objectLimits } from './limits.ts'
import { Producer } from './producer.ts'

/** A producer of endless numbers of ten bytes, calls that say whether answers wait, and what it posts. */
function scene() {
  const posted: (() => void)[] = []
  const relieved: (() => void)[] = []
  const state = { made: 0, crowded: false }
  const numbers = {
    *[Symbol.iterator]() {
      for (;;) yield state.made++
    },
  }
  const env = { post: (run: () => void) => posted.push(run) } as unknown as Env
  const page = { measure: () => 10 } as unknown as Marshaller
  const producer = new Producer(numbers, 'numbers', page, { end() {} }, env, objectLimits(), false, () => {})
  const call = {
    crowded: (run: () => void): boolean => {
      if (state.crowded) relieved.push(run)
      return state.crowded
    },
  }
  const next = (): Promise<number> =>
    producer.next({ maxItems: 5, maxBytes: 1_000 }, call).then((it) => it.items.length)
  return { producer, state, next, posted, relieved }
}

describe('producer', () => {
  test('makes no page whose answer would wait behind others, and the next one behind a turn of the event loop', async () => {
    const { producer, state, next, posted, relieved } = scene()
    assert.equal(await next(), 5)
    state.crowded = true
    const waiting = [next(), next()]
    await Promise.resolve()
    assert.deepEqual([state.made, relieved.length, posted.length], [5, 1, 0])
    relieved.pop()?.()
    assert.deepEqual([state.made, posted.length], [5, 1])
    // Looked at once more: others may have been answered meanwhile.
    posted.pop()?.()
    assert.deepEqual([state.made, relieved.length], [5, 1])
    state.crowded = false
    relieved.pop()?.()
    posted.pop()?.()
    assert.deepEqual(await Promise.all(waiting), [5, 5])
    assert.equal(state.made, 15)
    producer.end(new BusbarError('CANCELLED', 'over'))
  })

  test('refuses a page that waits, and all behind it, once its reader has left', async () => {
    const { producer, state, next, posted, relieved } = scene()
    state.crowded = true
    const waiting = [next(), next(), next()]
    producer.end(new BusbarError('CANCELLED', 'the caller left the stream'))
    for (const page of waiting) await assert.rejects(page, code('CANCELLED'))
    relieved.pop()?.()
    posted.pop()?.()
    assert.equal(state.made, 0)
    await assert.rejects(next(), code('CANCELLED'))
  })

  test('fills pages one behind the other, and no more than were asked for', async () => {
    const { state, next } = scene()
    assert.deepEqual(
      await Promise.all(Array.from({ length: 8 }, next)),
      Array.from({ length: 8 }, () => 5),
    )
    assert.equal(state.made, 40)
    const nine = Array.from({ length: 9 }, next)
    await assert.rejects(nine.pop() as Promise<number>, code('BUSY'))
    await Promise.all(nine)
    assert.equal(state.made, 80)
  })
})
