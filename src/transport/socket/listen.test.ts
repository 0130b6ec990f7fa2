import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type ByteLink, flow } from '../../link/index.ts'
import { maxSocketPath } from '../limits.ts'
import { connectUnix } from './connect.ts'
import { listenUnix } from './listen.ts'

let directory = ''
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'busbar-listen-'))
})
after(() => rm(directory, { recursive: true }))

const ignore = { onLink: (link: ByteLink): void => link.close() }

test('only the owner may connect, unless more is asked for', async () => {
  const umask = process.umask()
  const path = join(directory, 'mode')
  const strict = await listenUnix(path, ignore)
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  await strict[Symbol.asyncDispose]()
  const open = await listenUnix(path, { ...ignore, mode: 0o666 })
  assert.equal((await stat(path)).mode & 0o777, 0o666)
  await open[Symbol.asyncDispose]()
  assert.equal(process.umask(), umask)
})

test('disposing removes the file, twice does nothing, and accepted links live on', async () => {
  const path = join(directory, 'dispose')
  const links: ByteLink[] = []
  const listener = await listenUnix(path, { onLink: (link) => links.push(link) })
  const a = await connectUnix(path)
  await a.write(new Uint8Array([1]))
  while (links.length === 0) await new Promise((resolve) => setImmediate(resolve))
  await listener[Symbol.asyncDispose]()
  await listener[Symbol.asyncDispose]()
  await assert.rejects(stat(path), { code: 'ENOENT' })
  assert.deepEqual([...((await links[0]?.read()) ?? [])], [1])
  a.close()
  links[0]?.close()
})

test('a listener that is alive is left alone', async () => {
  const path = join(directory, 'alive')
  const first = await listenUnix(path, ignore)
  await assert.rejects(listenUnix(path, ignore), { code: 'BUSY', message: /another process listens/ })
  const link = await connectUnix(path)
  link.close()
  await first[Symbol.asyncDispose]()
})

test('a socket file that a killed process left behind is replaced', async () => {
  const path = join(directory, 'stale')
  const program = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  await new Promise((resolve) => spawn(process.execPath, ['-e', program]).once('exit', resolve))
  assert.ok((await stat(path)).isSocket())
  await assert.rejects(connectUnix(path), { code: 'NOT_READY', message: /nobody listens/ })
  const listener = await listenUnix(path, ignore)
  const link = await connectUnix(path)
  link.close()
  await listener[Symbol.asyncDispose]()
})

test('a file that is no socket is never removed', async () => {
  const path = join(directory, 'file')
  await writeFile(path, 'precious')
  await assert.rejects(listenUnix(path, ignore), { code: 'INVALID_ARGUMENT', message: /is not a socket/ })
  assert.ok((await stat(path)).isFile())
  const link = join(directory, 'symlink')
  await symlink(path, link)
  await assert.rejects(listenUnix(link, ignore), { code: 'INVALID_ARGUMENT', message: /is not a socket/ })
})

test('a path that the kernel cannot take is refused before anything happens', async () => {
  const long = join(directory, 'x'.repeat(maxSocketPath() - directory.length))
  await assert.rejects(listenUnix(long, ignore), {
    code: 'INVALID_ARGUMENT',
    message: /108 bytes long, the kernel takes 107|takes 103/,
  })
  await assert.rejects(connectUnix(long), { code: 'INVALID_ARGUMENT' })
  await assert.rejects(connectUnix(''), { code: 'INVALID_ARGUMENT' })
  await assert.rejects(connectUnix('a\0b'), { code: 'INVALID_ARGUMENT' })
  const fits = long.slice(0, -1)
  const listener = await listenUnix(fits, ignore)
  const link = await connectUnix(fits)
  link.close()
  await listener[Symbol.asyncDispose]()
})

test('a directory that does not exist is a clear error', async () => {
  await assert.rejects(listenUnix(join(directory, 'no', 'such'), ignore), { code: 'UNAVAILABLE', stage: 'listen' })
})

test('where the permissions cannot be given, nobody listens and no file is left', async () => {
  const path = join(directory, 'permissions')
  await assert.rejects(listenUnix(path, { ...ignore, mode: 2 ** 40 }), { code: 'UNAVAILABLE', stage: 'listen' })
  await assert.rejects(stat(path), { code: 'ENOENT' })
  await assert.rejects(connectUnix(path))
})

test('connecting where nobody is, or with a signal that aborted, is refused', async () => {
  const path = join(directory, 'nobody')
  await assert.rejects(connectUnix(path), { code: 'NOT_READY', stage: 'connect' })
  await assert.rejects(connectUnix(path, { signal: AbortSignal.abort() }), { code: 'CANCELLED' })
  const listener = await listenUnix(path, ignore)
  const abort = new AbortController()
  const connecting = connectUnix(path, { signal: abort.signal })
  abort.abort()
  await assert.rejects(connecting, { code: 'CANCELLED' })
  await listener[Symbol.asyncDispose]()
})

/** Another client that calls and is answered without a pause, until it is told to stop. */
async function busy(path: string, links: ByteLink[]): Promise<() => void> {
  const client = await connectUnix(path)
  while (links.length === 0) await new Promise((resolve) => setImmediate(resolve))
  const server = links.shift() as ByteLink
  flow(server, { chunk: (chunk) => server.write(chunk), end: () => {} })
  flow(client, { chunk: (chunk) => client.write(chunk), end: () => {} })
  void client.write(new Uint8Array(100))
  return () => client.close()
}

test('connections that come all at once are taken one by one, in their order, and each brings what was sent on it', async () => {
  const path = join(directory, 'crowd')
  const links: ByteLink[] = []
  const listener = await listenUnix(path, { onLink: (link) => links.push(link) })
  const stop = await busy(path, links)
  const order = Array.from({ length: 200 }, (_, i) => i)
  const clients = await Promise.all(
    order.map(async (i) => {
      const client = await connectUnix(path)
      await client.write(Uint8Array.of(i))
      return client
    }),
  )
  while (links.length < order.length) await new Promise((resolve) => setImmediate(resolve))
  const first = await Promise.all(links.map(async (link) => ((await link.read()) as Uint8Array)[0]))
  assert.deepEqual(first, order)
  stop()
  for (const each of [...clients, ...links]) each.close()
  await listener[Symbol.asyncDispose]()
})

test('connections that still wait when the listener is disposed of are closed', async () => {
  const path = join(directory, 'waiting')
  const links: ByteLink[] = []
  const listener = await listenUnix(path, { onLink: (link) => links.push(link) })
  const stop = await busy(path, links)
  const clients = await Promise.all(Array.from({ length: 100 }, () => connectUnix(path)))
  await listener[Symbol.asyncDispose]()
  for (const link of links) link.close()
  const ends = clients.map(async (client) => Promise.resolve(client.read()).catch(() => undefined))
  assert.deepEqual(
    await Promise.all(ends),
    Array.from({ length: 100 }, () => undefined),
  )
  for (const client of clients) client.close()
  stop()
})
