import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Broker } from '../bus/index.ts'
import { BusbarError } from '../errors/index.ts'
import { AcceleratorProbe } from '../partition/index.ts'
import type { QemuPartitionConfig } from '../policy/index.ts'
import { BusyPoller, nodeEnv } from '../transport/index.ts'
import { launch } from './launched.ts'
import { SharedRegions } from './shared-regions.ts'

/** Stands in for QEMU: its machine runs, and its port cannot be connected to. */
const WITHOUT_PORT = `#!/bin/sh
echo $$ > "$PIDS"
echo '{"QMP":{}}' >&4; read -r asked <&4; echo '{"return":{}}' >&4
read -r line <&3
`

test('a machine whose port cannot be reached is ended, and leaves nothing', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'busbar-launched-'))
  const initrd = join(directory, 'initrd')
  await writeFile(initrd, 'shared')
  await writeFile(join(directory, 'qemu-system-x86_64'), WITHOUT_PORT, { mode: 0o755 })
  const pids = join(directory, 'pids')
  const { PATH, XDG_RUNTIME_DIR } = process.env
  Object.assign(process.env, { PATH: `${directory}:${PATH}`, PIDS: pids, XDG_RUNTIME_DIR: directory })
  try {
    const env = nodeEnv()
    const config: QemuPartitionConfig = {
      kind: 'qemu',
      run: undefined,
      env: new Map(),
      disks: [],
      files: [],
      memory: 256 * 1024 ** 2,
      cpus: 1,
    }
    const launching = launch('a', config, {
      env,
      broker: new Broker({ env, policy: { decide: () => ({ allowed: true, rule: '' }), sees: () => true } }),
      poller: new BusyPoller(),
      directory,
      logDirectory: directory,
      probe: new AcceleratorProbe(),
      rings: false,
      regions: new SharedRegions({ direct: [], withBus: [] }, new BusbarError('UNAVAILABLE', 'none')),
      image: async () => ({
        key: 'k',
        directory,
        kernel: join(directory, 'vmlinuz'),
        initrd,
        disk: join(directory, 'usr.ext4'),
      }),
      channels: () => assert.fail('no program of this host'),
      signal: undefined,
      observe: () => {},
    })
    await assert.rejects(launching, { code: 'NOT_READY' })
    const pid = Number(await readFile(pids, 'utf8'))
    assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
    assert.deepEqual(await readdir(join(directory, 'busbar')), [])
  } finally {
    Object.assign(process.env, { PATH })
    delete process.env['PIDS']
    if (XDG_RUNTIME_DIR === undefined) delete process.env['XDG_RUNTIME_DIR']
    else process.env['XDG_RUNTIME_DIR'] = XDG_RUNTIME_DIR
    await rm(directory, { recursive: true })
  }
})
