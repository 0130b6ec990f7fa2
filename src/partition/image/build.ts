import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { BusbarError } from '../../errors/index.ts'
import { INIT_SCRIPT } from '../guest/init-script.ts'
import { type Busybox, provideBusybox } from './busybox.ts'
import { defaultCacheDir, fillOnce } from './cache.ts'
import { encodeCpio } from './cpio.ts'
import { type DiskFile, makeDisk } from './disk.ts'
import { initrdEntries } from './initrd.ts'
import { type Kernel, provideKernel } from './kernel.ts'
import { nodeIdentity, nodeRuntime } from './node-runtime.ts'
import { packModules } from './pack-modules.ts'
import { type PackageFile, packageFiles } from './package-files.ts'
import type { OnProgress } from './progress.ts'
import { pruneCache } from './prune.ts'

/** Everything QEMU needs to boot a guest; shared, read-only, by all guests. */
export interface GuestImage {
  /** Hash over all that is inside. */
  readonly key: string
  readonly directory: string
  /** Path of the kernel. */
  readonly kernel: string
  /** Path of the initial file system without the overlay of a partition. */
  readonly initrd: string
  /** Path of the ext4 disk that the guest mounts at `/usr`. */
  readonly disk: string
}

export interface BuildImageOptions {
  /** Directory of the built Busbar package: `package.json`, `dist/`. */
  readonly packageDir: string
  /** Default `$XDG_CACHE_HOME/busbar/images`. */
  readonly cacheDir?: string
  /** Node binary for the guest. Default: the one that runs this. */
  readonly node?: string
  /** Ask apt for the newest kernel even when one is cached. */
  readonly refresh?: boolean
  readonly signal?: AbortSignal
  readonly onProgress?: OnProgress
}

/** Part of the key: raise it when the builder makes something else of the same inputs. */
const BUILDER_VERSION = 2

/** What the programs of a guest import, and the agent; and the file that all their modules are in. */
const PACKED_ROOTS = ['dist/index.js', 'dist/services/index.js', 'dist/agent/guest-main.js']
const PACKED = 'dist/packed.js'

/**
 * The guest image for this Node and this Busbar, from the cache or built: some seconds, and a download of 27 MB the first time.
 * Root is not needed. Builders that run at once do not disturb each other, and a cancelled one leaves nothing.
 *
 * @throws BusbarError `UNAVAILABLE` when a tool is missing (see `checkRequirements`), `IMAGE_FAILED` when a step fails,
 * `CANCELLED` when `signal` aborts.
 */
export async function buildImage(options: BuildImageOptions): Promise<GuestImage> {
  try {
    return await build(options)
  } catch (thrown) {
    if (options.signal?.aborted !== true) throw BusbarError.from(thrown, 'IMAGE_FAILED')
    if (thrown instanceof BusbarError && thrown.code === 'CANCELLED') throw thrown
    throw new BusbarError('CANCELLED', 'Building the guest image was cancelled.', { stage: 'image', cause: thrown })
  }
}

async function build(options: BuildImageOptions): Promise<GuestImage> {
  const { signal, onProgress } = options
  if (process.arch !== 'x64') {
    throw new BusbarError('UNAVAILABLE', `Guest images are made for x86-64 only; this machine is ${process.arch}.`, {
      stage: 'image',
    })
  }
  const node = options.node ?? process.execPath
  const cache = options.cacheDir ?? defaultCacheDir()
  const refresh = options.refresh ?? false
  const kernel = await provideKernel({ directory: join(cache, 'kernels'), refresh, signal, onProgress })
  const busybox = await provideBusybox(join(cache, 'busybox'), signal)
  const inside = await packageFiles(options.packageDir)
  const key = await imageKey(kernel, busybox, node, inside)
  const directory = join(cache, key)
  await fillOnce(directory, async (temporary) => {
    const runtime = await nodeRuntime(node, signal)
    const files: DiskFile[] = [
      ...runtime.map(({ from, to }) => ({ from, to: to.slice('/usr/'.length), executable: true })),
      ...(await packed(inside, temporary)).map(({ from, to }) => ({ from, to: `lib/busbar/${to}` })),
    ]
    await makeDisk(join(temporary, 'usr.ext4'), files, { temporary, signal, onProgress })
    await rm(join(temporary, 'packed'), { recursive: true })
    const archive = encodeCpio(await initrdEntries(kernel, busybox))
    await pipeline(Readable.from(archive), createWriteStream(join(temporary, 'initrd')), { signal })
  })
  const now = new Date()
  // Tells the next clearing of the cache that it is in use; a cache owned by someone else is no reason to fail.
  await utimes(directory, now, now).catch(() => undefined)
  await pruneCache(cache, now.getTime())
  return {
    key,
    directory,
    kernel: kernel.vmlinuz,
    initrd: join(directory, 'initrd'),
    disk: join(directory, 'usr.ext4'),
  }
}

/** The same files with the modules packed. What is new is written to `temporary`. */
async function packed(inside: readonly PackageFile[], temporary: string): Promise<PackageFile[]> {
  const ours = inside.filter(({ to }) => to.startsWith('dist/') && to.endsWith('.js'))
  const texts = await Promise.all(ours.map(async ({ from, to }) => [to, await readFile(from, 'utf8')] as const))
  const files = packModules(new Map(texts), PACKED_ROOTS, PACKED)
  const directory = join(temporary, 'packed')
  for (const [to, text] of files) {
    await mkdir(dirname(join(directory, to)), { recursive: true })
    await writeFile(join(directory, to), text)
  }
  const others = inside.filter(({ to }) => !files.has(to))
  return [...others, ...[...files.keys()].map((to) => ({ from: join(directory, to), to }))]
}

async function imageKey(
  kernel: Kernel,
  busybox: Busybox,
  node: string,
  inside: readonly PackageFile[],
): Promise<string> {
  const hash = createHash('sha256')
  // JSON keeps the parts apart: no two inputs give the same text.
  hash.update(JSON.stringify([BUILDER_VERSION, kernel.version, busybox.version, await nodeIdentity(node), INIT_SCRIPT]))
  for (const { from, to } of inside) {
    const content = await readFile(from)
    hash.update(JSON.stringify([to, content.byteLength]))
    hash.update(content)
  }
  return hash.digest('hex').slice(0, 24)
}
