/** What holds for pipes over streams holds on channels that go over to rings: the same tests, run again. */
import assert from 'node:assert/strict'
import { after } from 'node:test'

process.env['BUSBAR_TEST_RINGS'] = 'on'
const { ringEnds } = await import('./harness.test.ts')

after(() => assert.ok(ringEnds() > 20, `only ${ringEnds()} ends of channels went over to rings`))

await import('./open.test.ts')
await import('./duplex.test.ts')
await import('./closing.test.ts')
