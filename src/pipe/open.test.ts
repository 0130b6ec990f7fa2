import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { Broker, Endpoint, MuxCarrier } from '../bus/index.ts'
import { memoryPair } from '../link/index.ts'
import { nodeEnv } from '../transport/index.ts'
import { offerPipe, openPipe, type Pipe } from './index.ts'

const env = nodeEnv()
const brokers: Broker[] = []
afterEach(() => {
  for (const broker of brokers.splice(0)) broker.close()
})

function newBus(): (partition: string) => Promise<Endpoint> {
  const everyone = { allowed: true, rule: 'test' }
  const broker = new Broker({ env, policy: { decide: () => everyone, sees: () => true } })
  brokers.push(broker)
  return (partition) => {
    const [near, far] = memoryPair()
    broker.attach(partition, new MuxCarrier(far, { side: 'bus', env }))
    return Endpoint.attach(new MuxCarrier(near, { side: 'partition', env }), { env })
  }
}

test('a taker that throws loses that pipe only, and the caller gets a code without its words', async () => {
  const attach = newBus()
  const [server, client] = [await attach('server'), await attach('client')]
  let calls = 0
  const given: Pipe[] = []
  await offerPipe(server, 'it', {
    accept: (pipe) => {
      given.push(pipe)
      if (++calls === 1) throw new Error('/etc/secret is missing')
      void pipe.end()
    },
  })
  const first = await openPipe(client, 'server/it')
  const reason = await first.closed
  assert.equal(reason?.code, 'INTERNAL')
  assert.ok(!reason.message.includes('secret'), reason.message)
  // On its own side the program finds what it threw.
  assert.match(String((await given[0]?.closed)?.cause), /secret/)
  const second = await openPipe(client, 'server/it')
  assert.equal(await second.read(), undefined)
})

test('waiting for a service stops at once when the signal was aborted before', async () => {
  const client = await newBus()('client')
  const aborted = AbortSignal.abort()
  await assert.rejects(openPipe(client, 'server/it', { wait: true, signal: aborted }), { code: 'CANCELLED' })
})

test('no deadline is too long for a timer', async () => {
  const attach = newBus()
  const client = await attach('client')
  const opening = openPipe(client, 'server/it', { wait: true, deadline: Number.POSITIVE_INFINITY })
  const server = await attach('server')
  await offerPipe(server, 'it', { accept: (pipe) => void pipe.end() })
  assert.equal(await (await opening).read(), undefined)
})

test('the offset of writing counts what the pipe took, and nothing that it refused', async () => {
  const attach = newBus()
  const [server, client] = [await attach('server'), await attach('client')]
  await offerPipe(server, 'it', { mode: 'message', accept: () => {} })
  const pipe = await openPipe(client, 'server/it', { mode: 'message' })
  await pipe.write(new Uint8Array(10))
  await assert.rejects(Promise.resolve(pipe.write(new Uint8Array(100_000))), { code: 'LIMIT' })
  await assert.rejects(Promise.resolve(pipe.write(new Uint8Array(0))), { code: 'INVALID_ARGUMENT' })
  await pipe.end()
  await assert.rejects(Promise.resolve(pipe.write(new Uint8Array(5))), { code: 'ENDED' })
  assert.equal(pipe.bytesWritten, 10)
})

test('the end of a message pipe may be ignored, also when the pipe breaks', async () => {
  const attach = newBus()
  const [server, client] = [await attach('server'), await attach('client')]
  const taken = new Promise<Pipe>((resolve) => void offerPipe(server, 'it', { mode: 'message', accept: resolve }))
  const pipe = await openPipe(client, 'server/it', { mode: 'message', wait: true })
  for (let i = 0; i < 40; i++) void pipe.write(new Uint8Array(60_000))
  void pipe.end()
  const far = await taken
  far.close()
  assert.equal((await pipe.closed)?.code, 'RESET')
  // An unhandled rejection would fail this test by itself.
  await new Promise((resolve) => setImmediate(resolve))
})
