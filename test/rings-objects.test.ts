/** What holds for objects, streams and retries across partitions holds on channels that go over to rings: the same tests, run again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contract, method, t } from '../src/rpc/index.ts'

process.env['BUSBAR_TEST_RINGS'] = 'on'
const { MemoryBus, until } = await import('./memory-bus.ts')

test('channels of these tests do go over to rings, in the middle of calls', { timeout: 60_000 }, async () => {
  const Echo = contract('test.Echo', { version: '1.0' }, { echo: method({ data: t.bytes }, t.bytes) })
  const bus = new MemoryBus()
  const [server, client] = [await bus.partition('server'), await bus.partition('client')]
  await server.bus.offer(Echo, { echo: ({ data }) => data })
  const echo = await client.bus.activate(Echo, { in: 'server', wait: true })
  const data = Uint8Array.from({ length: 200_000 }, (_, index) => index % 251)
  const same = async (): Promise<void> => assert.deepEqual(Buffer.from(await echo.echo({ data })), Buffer.from(data))
  const calls = Array.from({ length: 20 }, same)
  await until(() => bus.media.length > 0 && bus.media.every((medium) => medium === 'ring'))
  await Promise.all(calls)
  await same()
  bus.close()
})

await import('./objects.test.ts')
await import('./passed-streams.test.ts')
await import('./retry.test.ts')
await import('./pipelining.test.ts')
await import('./versions.test.ts')
