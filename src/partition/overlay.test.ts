import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BusbarError } from '../errors/index.ts'
import { makeOverlay, type OverlayOptions } from './overlay.ts'

interface Unpacked {
  readonly mode: number
  readonly text: string
}

/** Reads the archive as the kernel does: header, name, data, each padded to four. */
function unpack(bytes: Buffer): Map<string, Unpacked> {
  const found = new Map<string, Unpacked>()
  for (let at = 0; ; ) {
    const field = (index: number): number =>
      Number.parseInt(bytes.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16)
    assert.equal(bytes.toString('latin1', at, at + 6), '070701')
    const [mode, size, nameSize] = [field(1), field(6), field(11)]
    const name = bytes.toString('utf8', at + 110, at + 110 + nameSize - 1)
    if (name === 'TRAILER!!!') return found
    const data = at + Math.ceil((110 + nameSize) / 4) * 4
    found.set(name, { mode, text: bytes.toString('utf8', data, data + size) })
    at = data + Math.ceil(size / 4) * 4
  }
}

const overlay = async (options: Partial<OverlayOptions>): Promise<Map<string, Unpacked>> =>
  unpack(Buffer.from(await makeOverlay({ name: 'alpha', ...options })))

const refused =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof BusbarError && error.code === code

describe('the overlay of a partition', () => {
  it('tells the agent who it is and what to run', async () => {
    const programs = [{ name: 'server', command: '/srv/server.js', args: ['--fast'] }]
    const files = await overlay({ programs, settings: { x: 1 }, disks: [{ path: '/host/d.img', target: '/srv/data' }] })
    assert.deepEqual(JSON.parse(files.get('etc/busbar/guest.json')?.text ?? ''), {
      partition: 'alpha',
      port: '/dev/virtio-ports/org.busbar.0',
      socket: '/run/busbar/agent.sock',
      user: { name: 'program', uid: 1000, gid: 1000, home: '/home/program' },
      programs,
      mounts: [{ target: '/srv/data', readOnly: true }],
      regions: 0,
      settings: { x: 1 },
    })
    assert.equal(files.get('etc/hostname')?.text, 'alpha\n')
    assert.equal(files.get('etc/busbar/entry')?.text, '/usr/lib/busbar/dist/agent/guest-main.js\n')
    assert.equal(files.get('etc/busbar/mounts')?.text, 'busbar-0 /srv/data ext4 ro,nosuid,nodev\n')
  })

  it('brings files with their modes, and the directories they need', async () => {
    const files = await overlay({
      files: [
        { from: Buffer.from('one'), to: '/srv/a/b/one.js' },
        { from: Buffer.from('two'), to: '/root/two', mode: 0o600 },
      ],
    })
    assert.deepEqual(files.get('srv/a/b/one.js'), { mode: 0o100644, text: 'one' })
    assert.deepEqual(files.get('root/two'), { mode: 0o100600, text: 'two' })
    assert.equal(files.get('root')?.mode, 0o040700)
    const names = [...files.keys()]
    assert.ok(
      names.indexOf('srv/a') < names.indexOf('srv/a/b') && names.indexOf('srv/a/b') < names.indexOf('srv/a/b/one.js'),
    )
  })

  it('refuses paths that the guest would lose or leave', async () => {
    for (const to of ['relative', '/', '/srv/../etc/passwd', '/srv/', '/usr/bin/node', '/tmp/x', '/lib', '/a\nb']) {
      await assert.rejects(overlay({ files: [{ from: Buffer.alloc(0), to }] }), refused('INVALID_ARGUMENT'), to)
    }
    await assert.rejects(overlay({ disks: [{ path: '/d', target: '/srv/a b' }] }), refused('INVALID_ARGUMENT'))
    await assert.rejects(
      overlay({ disks: [{ path: '/d', target: '/srv', type: 'ext4 rw' }] }),
      refused('INVALID_ARGUMENT'),
    )
    await assert.rejects(overlay({ entry: 'main.js' }), refused('INVALID_ARGUMENT'))
  })

  it('refuses files that cannot be read, and more than fits', async () => {
    await assert.rejects(overlay({ files: [{ from: '/no/such/file', to: '/srv/x' }] }), refused('LAUNCH_FAILED'))
    const large = new Uint8Array(64 * 1024 * 1024 + 1)
    await assert.rejects(overlay({ files: [{ from: large, to: '/srv/x' }] }), refused('LIMIT'))
  })
})
