import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { after, before, describe, it } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { BusbarError } from '../errors/index.ts'
import {
  AcceleratorProbe,
  buildImage,
  checkRequirements,
  type GuestImage,
  installCommand,
  launchQemu,
  type QemuPartition,
} from './index.ts'
import { makeDisk } from './image/disk.ts'

/** Sends back in capitals what comes on the bus port, and tells what the guest looks like. */
const ENTRY = `
const fs = require('node:fs')
const config = JSON.parse(fs.readFileSync('/etc/busbar/guest.json', 'utf8'))
const port = fs.openSync(config.port, 'r+')
const facts = {
  partition: config.partition,
  network: fs.readdirSync('/sys/class/net'),
  note: fs.readFileSync('/srv/note.txt', 'utf8'),
  settings: config.settings,
  node: process.version,
  greeting: fs.readFileSync('/usr/lib/busbar/dist/greeting.txt', 'utf8'),
  writable: (() => { try { fs.writeFileSync('/usr/x', ''); return true } catch { return false } })(),
}
fs.writeSync(port, JSON.stringify(facts) + '\\n')
const buffer = Buffer.alloc(4096)
const turn = () => fs.read(port, buffer, 0, buffer.length, null, (error, count) => {
  if (error) throw error
  if (count === 0) return setTimeout(turn, 50)
  const text = buffer.toString('utf8', 0, count)
  if (text === 'panic\\n') return fs.writeFileSync('/proc/sysrq-trigger', 'c')
  fs.writeSync(port, text.toUpperCase())
  turn()
})
turn()
// The read that waits in a thread would hold up an ordinary exit.
process.on('SIGTERM', () => process.kill(process.pid, 'SIGKILL'))
`

const missing = (await checkRequirements()).filter(({ found }) => found === undefined)
// Locally a machine without QEMU says so; where everything is meant to be there, its absence is a failure.
const skip = missing.length > 0 && process.env['CI'] === undefined ? `needs ${installCommand(missing)}` : false

/** Lines that arrive on the bus port. */
async function* linesOf(socket: Readable): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of socket.setEncoding('utf8') as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe('a virtual machine under QEMU', { skip, timeout: 180_000 }, () => {
  let directory: string
  let image: GuestImage
  const probe = new AcceleratorProbe()

  before(async () => {
    assert.deepEqual(missing, [], 'CI must have everything that partitions of kind qemu need')
    directory = await mkdtemp(join(tmpdir(), 'busbar-test-'))
    const packageDir = join(directory, 'package')
    await mkdir(join(packageDir, 'dist'), { recursive: true })
    await writeFile(join(packageDir, 'package.json'), '{"name":"busbar","version":"0.0.0"}')
    await writeFile(join(packageDir, 'dist', 'greeting.txt'), 'from the package')
    // The kernel is shared with other runs; the image of this package is the test's own.
    image = await buildImage({ packageDir })
  })

  after(async () => {
    await rm(directory, { recursive: true, force: true })
    await rm(image.directory, { recursive: true, force: true })
  })

  const launch = (name: string): Promise<QemuPartition> =>
    launchQemu({
      name,
      image,
      probe,
      memoryMiB: 256,
      runDir: join(directory, 'run'),
      entry: '/srv/entry.cjs',
      settings: { colour: 'blue' },
      files: [
        { from: Buffer.from(ENTRY), to: '/srv/entry.cjs' },
        { from: Buffer.from('hello'), to: '/srv/note.txt', mode: 0o600 },
      ],
    })

  const boot = async (
    machine: QemuPartition,
  ): Promise<{ socket: Socket; lines: AsyncGenerator<string>; first: string }> => {
    const socket = connect(machine.portPath)
    socket.on('error', () => undefined)
    const lines = linesOf(socket)
    const first = await lines.next()
    if (first.done === true) {
      throw new Error(
        `The guest said nothing:\n${await readFile(machine.consolePath, 'utf8').catch(() => 'no console')}`,
      )
    }
    return { socket, lines, first: first.value }
  }

  it('boots, carries bytes both ways, has no network, and stops when asked', async (t) => {
    const begun = performance.now()
    const machine = await launch('alpha')
    try {
      const { socket, lines, first } = await boot(machine)
      t.diagnostic(
        `${machine.accel.name} (${machine.accel.reason}): the guest spoke after ${Math.round(performance.now() - begun)} ms`,
      )
      assert.deepEqual(JSON.parse(first), {
        partition: 'alpha',
        network: ['lo'],
        note: 'hello',
        settings: { colour: 'blue' },
        node: process.version,
        greeting: 'from the package',
        writable: false,
      })
      socket.write('ping\n')
      assert.equal((await lines.next()).value, 'PING')
      assert.match(await readFile(machine.consolePath, 'utf8'), /busbar: starting \/srv\/entry\.cjs/)
      const exit = await machine.stop({ graceMs: 20_000 })
      assert.deepEqual(exit, { code: 0, signal: null, reason: 'guest-shutdown' })
      socket.destroy()
    } finally {
      await machine.stop({ graceMs: 0 })
    }
    assert.equal(alive(machine.pid), false)
    assert.deepEqual(await readdir(join(directory, 'run')), [])
  })

  it('leaves nothing when QEMU is killed', async () => {
    const machine = await launch('beta')
    const { socket, lines } = await boot(machine)
    const closed = lines.next()
    process.kill(machine.pid, 'SIGKILL')
    assert.equal((await closed).done, true)
    assert.deepEqual(await machine.exited, { code: null, signal: 'SIGKILL', reason: undefined })
    assert.equal(existsSync(machine.portPath), false)
    await machine.stop()
    socket.destroy()
    assert.equal(alive(machine.pid), false)
    assert.deepEqual(await readdir(join(directory, 'run')), [])
  })

  it('ends when the kernel of the guest panics, and says so', async () => {
    const machine = await launch('gamma')
    try {
      const { socket } = await boot(machine)
      socket.write('panic\n')
      assert.deepEqual(await machine.exited, { code: 0, signal: null, reason: 'guest-reset' })
      socket.destroy()
    } finally {
      await machine.stop({ graceMs: 0 })
    }
  })

  it('does not outlive a parent that is killed', async () => {
    const runDir = join(directory, 'orphans')
    const module = new URL('./index.ts', import.meta.url).href
    const parent = join(directory, 'parent.mts')
    const options = { name: 'epsilon', image, accel: 'tcg', runDir, entry: '/srv/none.cjs' }
    await writeFile(
      parent,
      `import { launchQemu } from ${JSON.stringify(module)}
const machine = await launchQemu(${JSON.stringify(options)})
console.log(machine.portPath)`,
    )
    const child = spawn(process.execPath, ['--import', 'tsx', parent], { stdio: ['ignore', 'pipe', 'inherit'] })
    const path = (await linesOf(child.stdout).next()).value as string
    const socket = connect(path)
    await once(socket, 'connect')
    // A QEMU that dies before it has accepted leaves a reset, which is as good an end as any.
    const closed = new Promise((resolve) =>
      socket
        .resume()
        .on('error', () => {})
        .once('close', resolve),
    )
    child.kill('SIGKILL')
    await closed
    // The guard removes the directory right after it killed QEMU.
    const deadline = performance.now() + 5000
    while ((await readdir(runDir)).length > 0 && performance.now() < deadline) await nextTurn()
    assert.deepEqual(await readdir(runDir), [])
  })

  it('boots two at once, with a disk of their own', async (t) => {
    const disk = join(directory, 'disk.ext4')
    await writeFile(join(directory, 'package', 'dist', 'on-disk.txt'), 'on a disk')
    await makeDisk(disk, [{ from: join(directory, 'package', 'dist', 'on-disk.txt'), to: 'a/b.txt' }], {
      temporary: directory,
    })
    const script = `const fs = require('node:fs'); const config = JSON.parse(fs.readFileSync('/etc/busbar/guest.json', 'utf8'))
const text = config.partition + ' ' + fs.readFileSync('/data/in/a/b.txt', 'utf8') + '\\n'
const port = fs.openSync(config.port, 'r+'); fs.writeSync(port, text); setInterval(() => undefined, 1000)`
    const files = [{ from: Buffer.from(script), to: '/srv/main.cjs' }]
    const disks = [{ path: disk, target: '/data/in' }]
    const begun = performance.now()
    const one = async (name: string): Promise<string> => {
      const machine = await launchQemu({
        name,
        image,
        probe,
        runDir: join(directory, 'run'),
        entry: '/srv/main.cjs',
        files,
        disks,
      })
      try {
        const { socket, first } = await boot(machine)
        socket.destroy()
        return first
      } finally {
        await machine.stop({ graceMs: 0 })
      }
    }
    assert.deepEqual(await Promise.all([one('left'), one('right')]), ['left on a disk', 'right on a disk'])
    t.diagnostic(`both spoke and were ended within ${Math.round(performance.now() - begun)} ms`)
  })

  it('reports what QEMU said when the machine cannot be built', async () => {
    const broken = { ...image, disk: join(directory, 'no-such-disk') }
    await assert.rejects(
      launchQemu({ name: 'delta', image: broken, accel: 'tcg', runDir: join(directory, 'run') }),
      (error: unknown) =>
        error instanceof BusbarError && error.code === 'LAUNCH_FAILED' && /no-such-disk/.test(String(error.cause)),
    )
    assert.deepEqual(await readdir(join(directory, 'run')), [])
  })
})
