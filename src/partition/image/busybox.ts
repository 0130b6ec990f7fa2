import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { copyFile, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { BusbarError } from '../../errors/index.ts'
import { runCommand } from '../run-command.ts'
import { fillOnce } from './cache.ts'

/** The shell and tools of the guest, in one static binary. */
export interface Busybox {
  readonly binary: Uint8Array
  /** Names it answers to: `sh`, `mount` ... */
  readonly applets: readonly string[]
  /** Hash of the binary. */
  readonly version: string
}

/** Where Debian's busybox-static and others put it. */
const INSTALLED = ['/bin/busybox', '/usr/bin/busybox', '/usr/local/bin/busybox'] as const

/**
 * Busybox from this machine if it is static, else from the Debian package, kept in `directory`.
 *
 * @throws BusbarError `UNAVAILABLE` or `IMAGE_FAILED` when there is neither.
 */
export async function provideBusybox(directory: string, signal: AbortSignal | undefined): Promise<Busybox> {
  for (const path of INSTALLED) {
    if (!existsSync(path)) continue
    const binary = await readFile(path)
    if (isStatic(binary)) return describe(path, binary)
  }
  await fillOnce(directory, async (temporary) => {
    await runCommand('apt-get', ['download', '-q', 'busybox-static'], { cwd: temporary, signal, stage: 'busybox' })
    const file = (await readdir(temporary)).find((name) => name.endsWith('.deb'))
    if (file === undefined)
      throw new BusbarError('IMAGE_FAILED', 'apt downloaded no busybox-static.', { stage: 'busybox' })
    const unpacked = join(temporary, 'unpacked')
    await runCommand('dpkg', ['-x', join(temporary, file), unpacked], { signal, stage: 'busybox' })
    const from = [join(unpacked, 'bin/busybox'), join(unpacked, 'usr/bin/busybox')].find(existsSync)
    if (from === undefined)
      throw new BusbarError('IMAGE_FAILED', 'busybox-static holds no busybox.', { stage: 'busybox' })
    await copyFile(from, join(temporary, 'busybox'))
    await rm(unpacked, { recursive: true })
    await rm(join(temporary, file))
  })
  const path = join(directory, 'busybox')
  return describe(path, await readFile(path))
}

async function describe(path: string, binary: Uint8Array): Promise<Busybox> {
  const list = await runCommand(path, ['--list'], { stage: 'busybox' })
  const version = createHash('sha256').update(binary).digest('hex')
  return { binary, applets: list.split('\n').filter((name) => /^[\w[.-]+$/.test(name) && name !== 'busybox'), version }
}

/** A program header of type PT_INTERP (3) means that a loader and libraries are needed (elf(5)). */
export function isStatic(elf: Uint8Array): boolean {
  const view = new DataView(elf.buffer, elf.byteOffset, elf.byteLength)
  if (elf.byteLength < 64 || view.getUint32(0) !== 0x7f454c46 || view.getUint8(4) !== 2) return false
  const table = Number(view.getBigUint64(0x20, true))
  const size = view.getUint16(0x36, true)
  const count = view.getUint16(0x38, true)
  if (size < 4 || table + size * count > elf.byteLength) return false
  for (let index = 0; index < count; index += 1) if (view.getUint32(table + index * size, true) === 3) return false
  return true
}
