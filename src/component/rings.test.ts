/** What holds for objects, calls, callbacks and streams over links in memory holds over rings: the same tests, run again. */
import assert from 'node:assert/strict'
import { after } from 'node:test'
import { closeRingPairs } from './ring-pair.test.ts'

process.env['BUSBAR_TEST_RINGS'] = 'on'

after(() => assert.ok(closeRingPairs() > 100, 'the tests did not run on rings'))

await import('./calls.test.ts')
await import('./lifetime.test.ts')
await import('./cancel.test.ts')
await import('./streams.test.ts')
await import('./stream-arguments.test.ts')
await import('./callbacks.test.ts')
await import('./calling-back.test.ts')
await import('./ownership.test.ts')
await import('./heap.test.ts')
await import('./query.test.ts')
await import('./hooks.test.ts')
await import('./nesting.test.ts')
await import('./within.test.ts')
await import('./pipelining.test.ts')
await import('./pipelining-sides.test.ts')
await import('./pipelining-chain.test.ts')
await import('./settling.test.ts')
await import('./quotas.test.ts')
await import('./hostile.test.ts')
await import('./activation.test.ts')
await import('./closed-of.test.ts')
await import('./forwarding.test.ts')
await import('./groups.test.ts')
await import('./raw.test.ts')
await import('./recycle.test.ts')
