import { linkSuite } from '../testing/index.ts'
import { sessionPair, turns } from './harness.test.ts'

linkSuite('yamux stream', async () => {
  const pair = sessionPair()
  const a = pair.client.open()
  await turns()
  const [b] = pair.accepted
  if (b === undefined) throw new Error('no stream arrived')
  return {
    a,
    b,
    dispose: async () => {
      pair.client.close()
      await pair.server.closed
    },
  }
})
