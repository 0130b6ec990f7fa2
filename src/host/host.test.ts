import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
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
