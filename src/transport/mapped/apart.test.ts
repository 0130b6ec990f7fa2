import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Apart, SAMPLED } from './apart.ts'

const MIB = 1_048_576

/** A writer that copies a MiB at a time, each in `copying` ms, and has other work for `other` ms behind it. When it moved, in MiB from the start. */
function movesOf(total: number, speed: (moves: number) => { copying: number; other?: number }): number[] {
  const moves: number[] = []
  let written = 0
  const apart = new Apart(() => moves.push(written))
  let now = 1000
  while (written < total) {
    const { copying, other = 0 } = speed(moves.length)
    written++
    if (written % SAMPLED === 0) apart.copied(MIB, now, now + copying)
    now += copying + other
  }
  return moves
}

test('a writer whose memory is close stays where it is', () => {
  assert.deepEqual(
    movesOf(100, () => ({ copying: 0.1 })),
    [],
  )
})

test('one whose memory is far away moves once, if that helps', () => {
  assert.deepEqual(
    movesOf(100, (moves) => ({ copying: moves === 0 ? 0.5 : 0.1 })),
    [8],
  )
})

test('where it does not help it moves more and more rarely', () => {
  const moves = movesOf(4096, () => ({ copying: 0.5 }))
  assert.deepEqual(moves.slice(0, 6), [8, 24, 56, 120, 248, 504])
  assert.ok(moves.length < 10)
})

test('parted again later, it moves again soon', () => {
  const moves = movesOf(300, (count) => ({ copying: count % 2 === 0 ? 0.5 : 0.1 }))
  assert.deepEqual(moves, [8])
  let calls = 0
  const again = movesOf(300, () => ({ copying: calls++ % 64 < 48 ? 0.1 : 0.5 }))
  assert.deepEqual(again, [52, 116, 180, 244])
})

test('one that has other work to do needs a processor of its own', () => {
  assert.deepEqual(
    movesOf(100, () => ({ copying: 0.5, other: 0.8 })),
    [],
  )
})
