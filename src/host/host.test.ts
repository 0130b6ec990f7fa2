import assert from 'node:assert/strict'
import { getEventListeners, once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseBusConfig } from '../policy/index.ts'
import { BusHost } from './host.ts'

test('a partition that is being started when the bus closes does not outlive it', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'busbar-host-'))
  const run = JSON.stringify(['node', '-e', 'setInterval(() => {}, 1000)'])
  const config = parseBusConfig(`partitions: { a: { kind: process, run: ${run} } }`, 'busbar.yaml')
  const policy = { decide: () => ({ allowed: true, rule: '' }), sees: () => true }
  const options = { config, policy, directory, logDirectory: directory, packageDirectory: directory, rings: false }
  const host = await BusHost.open(options)
  const starting = assert.rejects(host.start('a'), { code: 'CLOSED' })
  await host.close()
  await starting
  await assert.rejects(host.start('a'), { code: 'CLOSED' })
  // If it still ran, this file would not end.
  await rm(directory, { recursive: true })
})

test('whoever has waited for a partition leaves nothing on his signal', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'busbar-host-'))
  const config = parseBusConfig("partitions: { a: { kind: process, run: [node, -e, ''] } }", 'busbar.yaml')
  const policy = { decide: () => ({ allowed: true, rule: '' }), sees: () => true }
  await using host = await BusHost.open({
    config,
    policy,
    directory,
    logDirectory: directory,
    packageDirectory: directory,
    rings: false,
  })
  const stop = new AbortController()
  const { signal } = stop
  await assert.rejects(host.attached('a', signal), { code: 'NOT_READY' })
  await host.start('a')
  const waiting = host.attached('a', signal)
  assert.equal(getEventListeners(signal, 'abort').length, 1)
  await assert.rejects(waiting, { code: 'PARTITION_EXITED' })
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  await rm(directory, { recursive: true })
})

/** A bus whose partition `a` is a process that does nothing, or at the socket of somebody else. */
async function withOne(external?: string) {
  const directory = await mkdtemp(join(tmpdir(), 'busbar-host-'))
  const a =
    external === undefined
      ? `{ kind: process, run: ${JSON.stringify(['node', '-e', 'setInterval(() => {}, 1000)'])} }`
      : `{ kind: external, medium: vsock, socket: ${external}, port: 5 }`
  const policy = { decide: () => ({ allowed: true, rule: '' }), sees: () => true }
  const begun: string[] = []
  const host = await BusHost.open({
    config: parseBusConfig(`partitions: { a: ${a} }`, 'busbar.yaml'),
    policy,
    directory,
    logDirectory: directory,
    packageDirectory: directory,
    rings: false,
    observe: (event) => event.kind === 'starting' && begun.push(event.partition),
  })
  const dispose = async (): Promise<void> => {
    await host.close()
    await rm(directory, { recursive: true })
  }
  return { host, begun, dispose }
}

test('of those who start one partition at once, one does, and the others are told', async () => {
  const { host, begun, dispose } = await withOne()
  const started = await Promise.allSettled([host.start('a'), host.start('a'), host.start('a')])
  assert.deepEqual(
    started.map((each) => (each.status === 'fulfilled' ? 'runs' : (each.reason as { code: string }).code)),
    ['runs', 'BUSY', 'BUSY'],
  )
  await assert.rejects(host.start('a'), { code: 'BUSY', message: /runs already/ })
  assert.deepEqual(begun, ['a'])
  await dispose()
})

test('a partition that is stopped while it is being started does not run, and can be started again', async () => {
  const { host, dispose } = await withOne()
  const starting = host.start('a')
  const refused = assert.rejects(starting, { code: 'CANCELLED' })
  const stopping = [host.stop('a'), host.stop('a')]
  await assert.rejects(host.start('a'), { code: 'BUSY', message: /being started/ })
  await Promise.all(stopping)
  await refused
  const { partitions } = host.inspect() as { partitions: { running: unknown }[] }
  assert.equal(partitions[0]?.running, undefined)
  await assert.rejects(host.attached('a'), { code: 'NOT_READY' })
  const { running } = await host.start('a')
  await host.stop('a')
  assert.equal((await running?.exited)?.signal, 'SIGTERM')
  // If the first one still ran, this file would not end.
  await dispose()
})

test('a partition that somebody else runs is not waited for when it is stopped, or the bus closes', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'busbar-host-'))
  const sockets: Socket[] = []
  // It takes a connection, and never says whether there is somebody at that port.
  const server = createServer((socket) => sockets.push(socket.on('error', () => {}).resume()))
  server.listen(join(folder, 'vsock'))
  await once(server, 'listening')
  const { host, dispose } = await withOne(join(folder, 'vsock'))
  for (const end of [() => host.stop('a'), () => host.close()]) {
    const starting = assert.rejects(host.start('a'), { code: sockets.length === 0 ? 'CANCELLED' : 'CLOSED' })
    await once(server, 'connection')
    await end()
    await starting
  }
  await dispose()
  server.close()
  for (const socket of sockets) socket.destroy()
  await once(server, 'close')
  await rm(folder, { recursive: true })
})
