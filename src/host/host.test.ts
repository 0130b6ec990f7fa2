import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseBusConfig } from '../policy/index.ts'
import { BusHost } from './host.ts'

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
