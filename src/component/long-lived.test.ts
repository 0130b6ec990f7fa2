/** What programs that live long, send much and lose their peers rely on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BusbarError } from '../errors/index.ts'
import { contract, method, t } from '../rpc/index.ts'
import { ClassTable } from './classes.ts'
import { code, counts, end, FileStore, settle, world } from './harness.test.ts'

const Log = contract(
  'test.Log',
  { version: '1.0' },
  {
    add: method({ line: t.string }, t.uint32),
    put: method({ data: t.bytes }, t.uint32),
    echo: method({ data: t.bytes }, t.bytes),
    wait: method({}, t.void),
  },
)

function log() {
  const classes = new ClassTable()
  const lines: string[] = []
  const gone: unknown[] = []
  classes.offer(Log, {
    add: ({ line }) => lines.push(line),
    put: ({ data }) => lines.push(`${data.length} bytes of ${data[0]}`),
    echo: ({ data }) => data,
    wait: (_, { signal }) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => {
          gone.push(signal.reason)
          reject(new Error('gone'))
        }),
      ),
  })
  return { ...world({ classes }), lines, gone }
}

test('a pipe that breaks is seen on both sides: by its end, by pending calls, and by running ones', async () => {
  const all = log()
  const proxy = await all.client.activate(Log)
  const pending = proxy.wait()
  pending.catch(() => {})
  await settle()
  const ends: string[] = []
  void all.client.closed.then((reason) => ends.push(`client ${reason?.code}`))
  void all.server.closed.then((reason) => ends.push(`server ${reason?.code}`))
  all.links[0].close(new BusbarError('LINK_LOST', 'the cable was pulled'))
  await assert.rejects(pending, code('LINK_LOST', /cable/))
  await settle()
  assert.deepEqual(ends.toSorted(), ['client LINK_LOST', 'server LINK_LOST'])
  assert.deepEqual(
    all.gone.map((reason) => (reason as BusbarError).code),
    ['LINK_LOST'],
  )
  // From then on every call says why, and the pipe shows that it is over.
  await assert.rejects(proxy.add({ line: 'late' }), code('LINK_LOST', /test\.Log\.add/))
  assert.deepEqual([all.client.inspect().rpc.state, all.server.inspect().rpc.state], ['closed', 'closed'])
  await end(all)
})

test('calls reach their component in the order they were made, with what they were made with, whatever their size', async () => {
  const all = log()
  const proxy = await all.client.activate(Log)
  const large = new Uint8Array(3_000_000).fill(1)
  const calls: Promise<number>[] = []
  const expected: string[] = []
  for (let i = 0; i < 20; i++) {
    const args = { line: `line ${i}` }
    calls.push(proxy.add(args), proxy.put({ data: large.subarray(0, i % 2 === 0 ? large.length : 70_000) }))
    expected.push(`line ${i}`, `${i % 2 === 0 ? large.length : 70_000} bytes of 1`)
    args.line = 'changed afterwards'
  }
  assert.deepEqual(
    await Promise.all(calls),
    calls.map((_, i) => i + 1),
  )
  assert.deepEqual(all.lines, expected)
  await end(all)
})

test('bytes cross as they are: nothing is added but headers', async () => {
  const all = log()
  const proxy = await all.client.activate(Log)
  await proxy.add({ line: '' })
  let sent = 0
  const [near] = all.links
  const write = near.write.bind(near)
  near.write = (chunk) => {
    sent += chunk.length
    return write(chunk)
  }
  const data = Uint8Array.from({ length: 1_000_000 }, (_, i) => (i * 7919) >> 3)
  assert.deepEqual(Buffer.compare(await proxy.echo({ data }), data), 0)
  assert.ok(sent > data.length && sent < data.length * 1.01, `${sent} bytes for ${data.length}`)
  await end(all)
})

test('an async generator is a stream: credits stop it, break ends it, its error and the loss of its partition arrive', async () => {
  const all = world({ client: { pageItems: 10 } })
  const store = await all.client.activate(FileStore)
  for await (const { size } of store.list({ path: '/endless' })) {
    // Never more than the pages that were asked for are made ahead.
    assert.ok(all.store.produced - size <= 60, `${all.store.produced - size} ahead`)
    if (size === 500) break
  }
  await settle()
  assert.deepEqual([all.store.ended.at(-1), counts(all)['streams']], ['aborted', 0])
  const read = async (path: string): Promise<number> => {
    let items = 0
    try {
      for await (const { size } of store.list({ path })) {
        items++
        if (path === '/endless' && size === 25) all.links[1].close(new BusbarError('PEER_DIED', 'partition killed'))
      }
    } catch (thrown) {
      if (path === '/broken') code('FAULT', /broken entry/)(thrown)
      else assert.ok(thrown instanceof BusbarError && ['RESET', 'PEER_DIED'].includes(thrown.code), String(thrown))
      return items
    }
    return assert.fail('the loop ended as if nothing was')
  }
  assert.equal(await read('/broken'), 10)
  assert.ok((await read('/endless')) >= 26)
  await settle()
  assert.equal(all.store.ended.length, 3)
  await end(all)
})
