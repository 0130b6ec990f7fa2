import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { afterEach, test } from 'node:test'
import type { Broker, Endpoint, PipeMode } from '../bus/index.ts'
import { BusbarError } from '../errors/index.ts'
import { nodeEnv } from '../transport/index.ts'
import { attach as attachTo, newBroker } from './harness.test.ts'
import { offerPipe, openPipe, type Pipe, PipeDuplex } from './index.ts'

const env = nodeEnv()
const brokers: Broker[] = []
afterEach(() => {
  for (const broker of brokers.splice(0)) broker.close()
})

function newBus(): (partition: string) => Promise<Endpoint> {
  const broker = newBroker(env)
  brokers.push(broker)
  return (partition) => attachTo(broker, partition, env)
}

async function duplexPair(mode: PipeMode = 'byte'): Promise<[near: PipeDuplex, far: PipeDuplex]> {
  const attach = newBus()
  const [server, client] = [await attach('server'), await attach('client')]
  const accepted = new Promise<Pipe>((resolve) => {
    void offerPipe(server, 'it', { mode, accept: resolve })
  })
  const pipe = await openPipe(client, 'server/it', { mode, wait: true })
  return [new PipeDuplex(pipe), new PipeDuplex(await accepted)]
}

/** All text up to the end. Unlike `for await`, it leaves the other direction of a Duplex open. */
async function readText(stream: Readable): Promise<string> {
  let all = ''
  stream.on('data', (chunk: Buffer) => {
    all += chunk.toString()
  })
  await once(stream, 'end')
  return all
}

test('a Duplex carries bytes, counts them, and half-closes', async () => {
  const [near, far] = await duplexPair()
  near.end('request')
  assert.equal(await readText(far), 'request')
  assert.equal(far.handle.bytesRead, 7)
  far.end('answer')
  assert.equal(await readText(near), 'answer')
  assert.equal(near.handle.bytesWritten, 7)
  assert.deepEqual(far.handle.caller, { partition: 'client', epoch: 1 })
  assert.deepEqual(await Promise.all([near.handle.closed, far.handle.closed]), [undefined, undefined])
})

test('megabytes through a pipeline, with back-pressure', async () => {
  const [near, far] = await duplexPair()
  const chunk = Buffer.alloc(100_000, 3)
  const source = async function* (): AsyncGenerator<Buffer> {
    for (let i = 0; i < 100; i++) yield chunk
  }
  let bytes = 0
  const count = async (pieces: AsyncIterable<Buffer>): Promise<void> => {
    for await (const piece of pieces) bytes += piece.length
  }
  far.end()
  await Promise.all([pipeline(source, near), pipeline(far, count)])
  assert.equal(bytes, 10_000_000)
  assert.equal(await near.resume().handle.closed, undefined)
})

test('message mode keeps boundaries', async () => {
  const [near, far] = await duplexPair('message')
  near.write('one')
  near.write('two')
  near.end('three')
  const messages: string[] = []
  far.on('data', (message: Buffer) => messages.push(message.toString()))
  await once(far, 'end')
  assert.deepEqual(messages, ['one', 'two', 'three'])
  far.end()
  await near.resume().handle.closed
})

test('destroying one side breaks the other with a coded error', async () => {
  const [near, far] = await duplexPair()
  far.resume()
  const failed = once(far, 'error')
  near.destroy(new BusbarError('MALFORMED', 'not what I wanted'))
  near.on('error', () => {})
  const [error] = (await failed) as [BusbarError]
  assert.equal(error.code, 'MALFORMED')
  assert.ok(far.destroyed)
})

test('WHATWG streams over the same pipe', async () => {
  const [near, far] = await duplexPair()
  const { readable, writable } = near.web()
  const writer = writable.getWriter()
  await writer.write(Buffer.from('web'))
  await writer.close()
  assert.equal(await readText(far), 'web')
  far.end('streams')
  assert.equal(await text(readable), 'streams')
  await Promise.all([near.handle.closed, far.handle.closed])
})

test('an async loop over the handle that is left early closes the pipe', async () => {
  const [near, far] = await duplexPair()
  await far.handle.write(Buffer.from('first'))
  for await (const chunk of near.handle) {
    assert.equal(String(Buffer.from(chunk)), 'first')
    break
  }
  assert.equal((await far.handle.closed)?.code, 'RESET')
  far.on('error', () => {})
})

test('opening with wait settles when the service is offered, or at the deadline', async () => {
  const attach = newBus()
  const client = await attach('client')
  const opening = openPipe(client, 'server/late', { wait: true, deadline: 60_000 })
  const server = await attach('server')
  await offerPipe(server, 'late', { accept: (pipe) => void pipe.end() })
  const pipe = await opening
  assert.equal(await pipe.read(), undefined)
  pipe.close()
  const aborted = new AbortController()
  const cancelled = openPipe(client, 'server/never', { wait: true, signal: aborted.signal })
  aborted.abort()
  await assert.rejects(cancelled, { code: 'CANCELLED' })
  const keepAlive = setInterval(() => {}, 1000)
  await assert.rejects(openPipe(client, 'server/never', { wait: true, deadline: 10 }), { code: 'DEADLINE' })
  clearInterval(keepAlive)
})
