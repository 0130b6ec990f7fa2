import assert from 'node:assert/strict'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { describe, it } from 'node:test'
import { BusbarError } from '../errors/index.ts'
import { type QemuArguments, qemuArguments } from './qemu-arguments.ts'
import { watchMonitor } from './qemu-monitor.ts'
import { checkRequirements, installCommand } from './requirements.ts'
import { makeRunDirectory, socketPath } from './run-directory.ts'

const options: QemuArguments = {
  accel: 'tcg',
  image: { key: 'k', directory: '/c', kernel: '/c/vmlinuz', initrd: '/c/initrd', disk: '/c/usr.ext4' },
  initrd: '/run/initrd',
  memoryMiB: 512,
  disks: [],
  regions: [],
  portPath: '/run/bus.sock',
  consolePath: '/run/console.log',
}

const refused =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof BusbarError && error.code === code

describe('the arguments of QEMU', () => {
  it('name the port, the disks and nothing that is a network', () => {
    const args = qemuArguments({ ...options, disks: [{ path: '/d/one', target: '/srv', readOnly: false }] })
    const text = args.join(' ')
    assert.match(text, /-nodefaults -no-user-config -no-reboot -display none/)
    assert.match(text, /socket,id=bus,path=\/run\/bus\.sock,server=on,wait=off/)
    assert.match(text, /virtserialport,chardev=bus,name=org\.busbar\.0/)
    assert.match(text, /id=busbar-base,file=\/c\/usr\.ext4,format=raw,readonly=on/)
    assert.match(text, /id=busbar-0,file=\/d\/one,format=raw,readonly=off/)
    assert.match(text, /-m 512 -smp 1/)
    assert.doesNotMatch(text, /-net|virtio-net|-nic/)
  })

  it('lets no path add an option of its own', () => {
    const args = qemuArguments({ ...options, disks: [{ path: '/d/a,readonly=off', target: '/srv' }] })
    assert.ok(args.includes('if=none,id=busbar-0,file=/d/a,,readonly=off,format=raw,readonly=on'))
  })

  it('skip what only a real processor needs when there is none', () => {
    const commandLine = (accel: 'kvm' | 'tcg'): string => {
      const args = qemuArguments({ ...options, accel })
      return args[args.indexOf('-append') + 1] ?? ''
    }
    assert.match(commandLine('tcg'), /mitigations=off/)
    assert.doesNotMatch(commandLine('kvm'), /mitigations/)
  })

  it('name memory that machines share by number only, and keep order in it where processors are emulated', () => {
    const text = (accel: 'kvm' | 'tcg', regions: readonly number[]): string =>
      qemuArguments({ ...options, accel, regions }).join(' ')
    const shares = text('tcg', [4096, 8192])
    assert.match(
      shares,
      /memory-backend-file,id=region0,mem-path=\/proc\/self\/fd\/5,size=4096,share=on -device ivshmem-plain,memdev=region0,addr=10\.0,/,
    )
    assert.match(shares, /id=region1,mem-path=\/proc\/self\/fd\/6,size=8192,.*memdev=region1,addr=10\.1,/)
    assert.match(shares, /-accel tcg,thread=multi .*-smp 1,maxcpus=2/)
    assert.match(text('tcg', []), /-accel tcg,thread=single .*-smp 1 /)
    assert.match(text('kvm', [4096]), /-accel kvm .*-smp 1 /)
    assert.doesNotMatch(text('tcg', []), /ivshmem|memory-backend/)
    const many = Array.from({ length: 64 }, () => 4096)
    assert.match(text('tcg', many), /memdev=region63,addr=17\.7,/)
    assert.throws(() => text('tcg', [...many, 4096]), refused('LIMIT'))
  })

  it('refuse too little memory', () => {
    assert.throws(() => qemuArguments({ ...options, memoryMiB: 64 }), refused('INVALID_ARGUMENT'))
    assert.throws(() => qemuArguments({ ...options, memoryMiB: Number.NaN }), refused('INVALID_ARGUMENT'))
  })
})

describe('the monitor of QEMU', () => {
  it('is ready when a command is answered, and keeps the reason of the end, however the bytes arrive', async () => {
    const connection = new PassThrough()
    const monitor = watchMonitor(connection)
    const said =
      '{"QMP":{}}\r\nnot JSON\n{"return":{}}\r\n{"event":"SHUTDOWN","data":{"guest":true,"reason":"guest-reset"}}\r\n'
    for (const character of said) connection.write(character)
    assert.equal(await monitor.ready, true)
    connection.destroy()
    await monitor.closed
    assert.equal(monitor.endReason(), 'guest-reset')
  })

  it('is never ready when QEMU ends first', async () => {
    const connection = new PassThrough()
    const monitor = watchMonitor(connection)
    connection.destroy()
    assert.equal(await monitor.ready, false)
  })
})

describe('the run directory', () => {
  it('is new and for this user only', async () => {
    const parent = await mkdtemp(join(tmpdir(), 'busbar-test-'))
    try {
      const one = await makeRunDirectory('alpha', join(parent, 'run'))
      const two = await makeRunDirectory('alpha', join(parent, 'run'))
      assert.notEqual(one, two)
      assert.equal((await stat(one)).mode & 0o777, 0o700)
    } finally {
      await rm(parent, { recursive: true })
    }
  })

  it('is refused when its sockets would have too long a path, counted in bytes', () => {
    assert.equal(socketPath(`/${'x'.repeat(97)}`, 'bus.sock').length, 107)
    assert.throws(() => socketPath(`/${'x'.repeat(98)}`, 'bus.sock'), refused('INVALID_ARGUMENT'))
    assert.throws(() => socketPath(`/${'é'.repeat(50)}`, 'bus.sock'), refused('INVALID_ARGUMENT'))
  })
})

describe('requirements', () => {
  it('name the packages that bring what is missing', async () => {
    const found = await checkRequirements('/nowhere')
    assert.equal(found.find(({ name }) => name === 'qemu-system-x86_64')?.found, undefined)
    assert.match(installCommand(found) ?? '', /^apt-get install --yes qemu-system-x86 /)
    assert.equal(installCommand(found.map((requirement) => ({ ...requirement, found: '/bin/x' }))), undefined)
  })
})
