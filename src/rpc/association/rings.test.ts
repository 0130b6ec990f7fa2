/** What holds for associations over links in memory holds over rings, hostile peers among them: the same tests, run again. */
import assert from 'node:assert/strict'
import { after } from 'node:test'

process.env['BUSBAR_TEST_RINGS'] = 'on'
const { closeRings } = await import('./harness.test.ts')

after(() => assert.ok(closeRings() > 100, 'the tests did not run on rings'))

await import('./calls.test.ts')
await import('./exchange.test.ts')
await import('./hostile-client.test.ts')
await import('./hostile-server.test.ts')
await import('./landing.test.ts')
await import('./maybe.test.ts')
await import('./orphans.test.ts')
await import('./groups.test.ts')
await import('./pipelines.test.ts')
await import('../plain/plain.test.ts')
await import('./signals.test.ts')
