import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { AcceleratorProbe } from './accelerator.ts'
import { BusbarError } from '../errors/index.ts'
import { buildImage, type GuestImage } from './image/build.ts'
import { launchQemu } from './launch-qemu.ts'

let directory: string
let image: GuestImage

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'busbar-test-'))
  const initrd = join(directory, 'initrd')
  await writeFile(initrd, 'shared')
  image = { key: 'k', directory, kernel: join(directory, 'vmlinuz'), initrd, disk: join(directory, 'usr.ext4') }
})

afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

/** Stands in for QEMU: answers on its control connection, descriptor 4, as far as told. */
async function fakeQemu(script: string): Promise<string> {
  const path = join(directory, 'qemu')
  await writeFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  return path
}

const refused =
  (code: string, cause: RegExp) =>
  (error: unknown): boolean =>
    error instanceof BusbarError && error.code === code && cause.test(String(error.cause))

describe('launching QEMU', () => {
  it('says so when QEMU is not installed, and leaves nothing', async () => {
    const runDir = join(directory, 'run')
    const launch = launchQemu({ name: 'alpha', image, accel: 'tcg', runDir, qemu: join(directory, 'absent') })
    await assert.rejects(launch, refused('UNAVAILABLE', /ENOENT/))
    assert.deepEqual(await readdir(runDir), [])
  })

  it('reports the last words of a QEMU that ends at once', async () => {
    const runDir = join(directory, 'run')
    const qemu = await fakeQemu('echo "no such machine" >&2; exit 1')
    await assert.rejects(
      launchQemu({ name: 'alpha', image, accel: 'tcg', runDir, qemu }),
      refused('LAUNCH_FAILED', /no such machine/),
    )
    assert.deepEqual(await readdir(runDir), [])
  })

  it('asks for an orderly end on the power port, and keeps the reason', async () => {
    const runDir = join(directory, 'run')
    const answer = `echo '{"QMP":{}}' >&4; read -r asked <&4; echo '{"return":{}}' >&4`
    const end = `read -r line <&3; [ "$line" = stop ] && echo '{"event":"SHUTDOWN","data":{"reason":"guest-shutdown"}}' >&4`
    const machine = await launchQemu({
      name: 'alpha',
      image,
      accel: 'tcg',
      runDir,
      qemu: await fakeQemu(`${answer}\n${end}`),
    })
    assert.deepEqual(await machine.stop(), { code: 0, signal: null, reason: 'guest-shutdown' })
    assert.deepEqual(await machine.stop(), await machine.exited)
    assert.deepEqual(await readdir(runDir), [])
  })

  it('ends a machine that does not listen', async () => {
    const answer = `echo '{"QMP":{}}' >&4; read -r asked <&4; echo '{"return":{}}' >&4; exec sleep 1000`
    const runDir = join(directory, 'run')
    const machine = await launchQemu({ name: 'alpha', image, accel: 'tcg', runDir, qemu: await fakeQemu(answer) })
    assert.equal((await machine.stop({ graceMs: 20 })).signal, 'SIGKILL')
  })
})

describe('the accelerator', () => {
  it('is asked for once, and never KVM when a trial fails', async () => {
    const probe = new AcceleratorProbe({ qemu: await fakeQemu('exit 1') })
    const first = await probe.detect('/no/kernel')
    assert.equal(first.name, 'tcg')
    assert.match(first.reason, /^Emulated, because .*\.$/)
    assert.equal(await probe.detect('/another/kernel'), first)
  })
})

describe('building an image', () => {
  it('that is cancelled leaves nothing', async () => {
    const cacheDir = join(directory, 'cache')
    const signal = AbortSignal.abort()
    const error = await buildImage({ packageDir: directory, cacheDir, signal }).catch((thrown: unknown) => thrown)
    assert.ok(error instanceof BusbarError && ['CANCELLED', 'UNAVAILABLE'].includes(error.code))
    assert.deepEqual(await readdir(cacheDir).catch(() => []), [])
  })
})
