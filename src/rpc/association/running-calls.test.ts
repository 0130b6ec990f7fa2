import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RunningCalls } from './running-calls.ts'

test('finds what a map finds, whatever ids a client chooses and however many run', () => {
  const ids = fc.oneof(
    fc.nat(40),
    fc.nat(40).map((n) => n * 16),
    fc.nat(40).map((n) => n * 2_048),
    fc.nat(0xffff_ffff),
  )
  fc.assert(
    fc.property(fc.array(ids, { maxLength: 300 }), fc.integer({ min: 1, max: 1_024 }), (chosen, calls) => {
      const running = new RunningCalls<{ id: number }>(calls)
      const twin = new Map<number, { id: number }>()
      for (const id of chosen) {
        const known = twin.get(id)
        assert.equal(running.get(id), known)
        if (known === undefined) {
          const call = { id }
          running.add(call)
          twin.set(id, call)
        } else {
          running.remove(known)
          running.remove(known)
          twin.delete(id)
        }
        assert.equal(running.size, twin.size)
      }
      assert.deepEqual(new Set(running.clear()), new Set(twin.values()))
      assert.deepEqual([running.size, running.clear(), running.get(chosen[0] ?? 0)], [0, [], undefined])
    }),
  )
})
