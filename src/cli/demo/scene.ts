import { execFile } from 'node:child_process'
import { createCipheriv, createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { BusbarError } from '../../errors/index.ts'

export type Kind = 'qemu' | 'process'

/** Size of the file that is streamed, `bytes`. */
const FILE_BYTES = 64 * 1024 ** 2
const BLOCK = 1024 ** 2
/** Room for the file and the file system around it. */
const DISK_SIZE = '96M'

/** What the demo runs on: a folder with a disk or the files, and the configuration. Disposing of it removes all of it. */
export interface Scene extends AsyncDisposable {
  /** Path of the `busbar.yaml`. */
  readonly config: string
  readonly logs: string
  readonly file: { readonly path: string; readonly size: number; readonly sha256: string }
}

/** Makes the files, the disk when machines are to have one, and the configuration; leaves nothing of it when `signal` aborts. */
export async function makeScene(kind: Kind, signal: AbortSignal): Promise<Scene> {
  const directory = await mkdtemp(join(tmpdir(), 'busbar-demo-'))
  // A second Ctrl-C ends the process where it stands.
  const removeAtExit = (): void => rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
  process.once('exit', removeAtExit)
  const remove = async (): Promise<void> => {
    await rm(directory, { recursive: true, force: true })
    process.removeListener('exit', removeAtExit)
  }
  try {
    const files = join(directory, 'files')
    await mkdir(files)
    await writeFile(join(files, 'README.txt'), 'This disk belongs to the partition "storage".\n')
    const sha256 = await writeFileOf(join(files, 'report.bin'), FILE_BYTES, signal)
    const disk = join(directory, 'disk.img')
    if (kind === 'qemu') {
      await makeDisk(files, disk, signal)
      // From here on the disk has the only copy.
      await rm(files, { recursive: true })
    }
    const config = join(directory, 'busbar.yaml')
    await writeFile(config, kind === 'qemu' ? machines(disk) : processes(files))
    return {
      config,
      logs: join(directory, 'logs'),
      file: { path: '/report.bin', size: FILE_BYTES, sha256 },
      [Symbol.asyncDispose]: remove,
    }
  } catch (thrown) {
    await remove()
    throw thrown
  }
}

/** What machines say to each other goes through memory that only those two share. */
const policy = (how: string): string => `
policy:
  - { allow: web, to: storage, service: [busbar.FileStore, demo.Patience]${how} }
`

function machines(disk: string): string {
  const program = (name: string): string => `[node, /usr/lib/busbar/dist/cli/demo/${name}.js]`
  return `partitions:
  storage:
    kind: qemu
    disks: [{ image: ${disk}, mount: /srv, filesystem: ext4, readonly: true }]
    run: ${program('storage')}
  web:
    kind: qemu
    run: ${program('web')}
${policy(', direct: true')}`
}

function processes(files: string): string {
  const program = (name: string): string => `[node, ${fileURLToPath(new URL(`./${name}.js`, import.meta.url))}]`
  return `partitions:
  storage:
    kind: process
    env: { DEMO_FILES: ${files} }
    run: ${program('storage')}
  web:
    kind: process
    run: ${program('web')}
${policy('')}`
}

/** Fills a file with bytes that do not compress and are the same each time; gives their SHA-256. */
async function writeFileOf(path: string, size: number, signal: AbortSignal): Promise<string> {
  const noise = createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), Buffer.alloc(16))
  const zeros = Buffer.alloc(BLOCK)
  const hash = createHash('sha256')
  await using file = await open(path, 'w')
  for (let done = 0; done < size; done += BLOCK) {
    signal.throwIfAborted()
    const block = noise.update(zeros)
    hash.update(block)
    await file.write(block)
  }
  return hash.digest('hex')
}

async function makeDisk(files: string, disk: string, signal: AbortSignal): Promise<void> {
  // Not on the PATH of ordinary users, who may run it all the same.
  const found = await stat('/usr/sbin/mke2fs').catch(() => undefined)
  const program = found === undefined ? 'mke2fs' : '/usr/sbin/mke2fs'
  try {
    await promisify(execFile)(program, ['-q', '-t', 'ext4', '-d', files, disk, DISK_SIZE], { signal })
  } catch (cause) {
    throw new BusbarError('UNAVAILABLE', 'the disk image could not be made', {
      stage: 'mke2fs',
      cause,
      hints: ['as root: apt-get install e2fsprogs'],
    })
  }
}
