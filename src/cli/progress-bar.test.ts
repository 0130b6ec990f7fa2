import assert from 'node:assert/strict'
import { test } from 'node:test'
import { renderBytes, renderProgress, renderStep } from './progress-bar.ts'

test('a bar, the share, the rate, and how long it takes yet', () => {
  assert.equal(
    renderProgress(16_000_000, 64_000_000, 2000),
    '[######------------------]  25 %  16.0 MB of 64.0 MB  8.0 MB/s  6 s left',
  )
  assert.equal(renderProgress(64, 64, 1000), `[${'#'.repeat(24)}] 100 %  64 B of 64 B  64 B/s`)
})

test('nothing done, nothing known, more than there should be: no division by zero, no bar past its end', () => {
  const empty = '-'.repeat(24)
  assert.equal(renderProgress(0, 10, 0), `[${empty}]   0 %  0 B of 10 B  0 B/s`)
  assert.equal(renderProgress(5, 0, 1000), `[${empty}]   0 %  5 B of 0 B  5 B/s`)
  assert.equal(renderProgress(20, 10, 1000), `[${'#'.repeat(24)}] 100 %  20 B of 10 B  20 B/s`)
})

test('sizes in powers of 1000', () => {
  assert.deepEqual([0, 999, 1000, 67_108_864, 5e12, 5e15].map(renderBytes), [
    '0 B',
    '999 B',
    '1.0 kB',
    '67.1 MB',
    '5.0 TB',
    '5000.0 TB',
  ])
})

test('a step, with as much as is known of it', () => {
  const step = 'downloading'
  assert.equal(renderStep({ step, done: 3_100_000, total: 27_400_000, unit: 'bytes' }), 'downloading 3.1 MB of 27.4 MB')
  assert.equal(renderStep({ step, done: 2, total: 3, unit: 'steps' }), 'downloading 2 of 3')
  assert.equal(renderStep({ step, done: 0, total: 0, unit: 'steps' }), 'downloading 0')
})
