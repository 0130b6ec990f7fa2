import { constants } from 'node:fs'
import { chmod, copyFile, mkdir, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { runCommand } from '../run-command.ts'
import type { OnProgress } from './progress.ts'

export interface DiskFile {
  readonly from: string
  /** Path from the root of the disk, without a leading `/`. */
  readonly to: string
  /** Permission bits; default: as on the host, readable by all. */
  readonly executable?: boolean
}

export interface DiskOptions {
  /** Directory for temporary files; the caller removes it. */
  readonly temporary: string
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: OnProgress | undefined
}

/** File system block, bytes. */
const BLOCK = 4096
/** Room for tables and directories, bytes (our choice; the disk is sparse, so it costs nothing). */
const HEADROOM = 16 * 1024 * 1024
/** Progress is told when this much more is done, bytes: small files are many. */
const PROGRESS_STEP = 4 * 1024 * 1024

/**
 * Makes an ext4 disk with these files, owned by root, without root: `mke2fs -d`.
 *
 * @throws BusbarError `IMAGE_FAILED`, `UNAVAILABLE` without e2fsprogs, `CANCELLED`.
 */
export async function makeDisk(image: string, files: readonly DiskFile[], options: DiskOptions): Promise<void> {
  const staging = join(options.temporary, 'staging')
  const step = 'copying Node and Busbar'
  const sizes = await Promise.all(files.map(async ({ from }) => (await stat(from)).size))
  const total = sizes.reduce((sum, size) => sum + size, 0)
  let done = 0
  let told = 0
  await mkdir(staging, { mode: 0o755 })
  for (const [index, file] of files.entries()) {
    options.signal?.throwIfAborted()
    if (done === 0 || done - told >= PROGRESS_STEP) {
      told = done
      options.onProgress?.({ step, done, total, unit: 'bytes' })
    }
    const to = join(staging, file.to)
    await mkdir(dirname(to), { recursive: true, mode: 0o755 })
    // A reflink where the file system can: then 100 MB cost nothing.
    await copyFile(file.from, to, constants.COPYFILE_FICLONE)
    await chmod(to, file.executable === true ? 0o755 : 0o644)
    done += sizes[index] ?? 0
  }
  options.onProgress?.({ step, done, total, unit: 'bytes' })

  const padded = sizes.reduce((sum, size) => sum + Math.ceil(size / BLOCK) * BLOCK, 0)
  const blocks = Math.ceil((padded + HEADROOM) / BLOCK)
  const nodes = files.length * 2 + 256
  options.onProgress?.({ step: 'making the disk', done: 0, total: 0, unit: 'steps' })
  const layout = ['-t', 'ext4', '-O', '^has_journal,^resize_inode', '-b', `${BLOCK}`, '-m', '0', '-N', `${nodes}`]
  const content = ['-E', 'root_owner=0:0', '-d', staging, image, `${blocks}`]
  await runCommand('mke2fs', ['-q', '-F', ...layout, ...content], {
    signal: options.signal,
    stage: 'disk',
    // Where Debian keeps it, which is not on every user's path.
    env: { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
  })
  await rm(staging, { recursive: true })
}
