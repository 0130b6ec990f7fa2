import { existsSync } from 'node:fs'
import { copyFile, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { BusbarError } from '../../errors/index.ts'
import { runCommand } from '../run-command.ts'
import { fillOnce } from './cache.ts'
import { moduleName, readModuleInfo } from './modinfo.ts'
import { moduleOrder } from './module-order.ts'
import type { OnProgress } from './progress.ts'

/** A kernel in the cache. */
export interface Kernel {
  /** Debian package with its version, such as `linux-image-6.1.0-56-cloud-amd64_6.1.192-2`. */
  readonly version: string
  /** Path of the compressed kernel that QEMU boots. */
  readonly vmlinuz: string
  /** Paths of the modules the guest loads, in loading order. */
  readonly modules: readonly string[]
}

export interface KernelOptions {
  /** Directory of kernels in the cache. */
  readonly directory: string
  /** Ask apt for the newest kernel even when the cache has one. */
  readonly refresh?: boolean
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: OnProgress | undefined
}

/** Depends on the newest kernel made for virtual machines: small, virtio as modules, ext4 built in. */
const META_PACKAGE = 'linux-image-cloud-amd64'
/** The bus port, the disks, and what they sit on. */
const WANTED_MODULES = ['virtio_pci', 'virtio_blk', 'virtio_console'] as const
/** Part of the cache key: raise it when what is kept of a kernel changes. */
const LAYOUT = 1
/** How often the size of a growing download is looked at, `ms`. */
const DOWNLOAD_POLL = 200

/** One package as apt would download it. */
interface PackageFile {
  readonly fileName: string
  readonly size: number
}

/**
 * The Debian kernel for guests, from the cache or from apt; root is not needed.
 *
 * @throws BusbarError `UNAVAILABLE` without apt or dpkg, `IMAGE_FAILED` when the package cannot be had or is not as expected.
 */
export async function provideKernel(options: KernelOptions): Promise<Kernel> {
  const cached = options.refresh === true ? undefined : await newestCached(options.directory)
  if (cached !== undefined) return cached
  const packageName = await resolveMetaPackage(options.signal)
  const file = await describePackage(packageName, options.signal)
  const version = file.fileName.replace(/_[^_]*\.deb$/, '')
  const directory = join(options.directory, `${version}.${LAYOUT}`)
  await fillOnce(directory, async (temporary) => {
    await downloadPackage(packageName, file, temporary, options)
    const unpacked = join(temporary, 'unpacked')
    options.onProgress?.({ step: 'unpacking the kernel', done: 0, total: 0, unit: 'steps' })
    await runCommand('dpkg', ['-x', join(temporary, file.fileName), unpacked], {
      signal: options.signal,
      stage: 'kernel',
    })
    await keepNeeded(unpacked, temporary)
    await rm(unpacked, { recursive: true })
    await rm(join(temporary, file.fileName))
  })
  return readKernel(directory)
}

async function newestCached(directory: string): Promise<Kernel | undefined> {
  const names = await readdir(directory).catch(() => [])
  const kernels = names
    .filter((name) => name.endsWith(`.${LAYOUT}`))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
  const newest = kernels.at(-1)
  return newest === undefined ? undefined : readKernel(join(directory, newest))
}

async function readKernel(directory: string): Promise<Kernel> {
  const order = (await readFile(join(directory, 'modules', 'order'), 'utf8')).split('\n').filter((line) => line !== '')
  return {
    version: basename(directory).replace(/\.\d+$/, ''),
    vmlinuz: join(directory, 'vmlinuz'),
    modules: order.map((name) => join(directory, 'modules', name)),
  }
}

async function resolveMetaPackage(signal: AbortSignal | undefined): Promise<string> {
  const ask = async (): Promise<string | undefined> => {
    const answer = await runCommand('apt-cache', ['depends', META_PACKAGE], { signal, stage: 'kernel' }).catch(
      (thrown) => {
        // An unknown package is an answer ("the lists are empty"); a missing apt is not.
        if (thrown instanceof BusbarError && thrown.code === 'IMAGE_FAILED') return ''
        throw thrown
      },
    )
    return /Depends: (linux-image-\S+)/.exec(answer)?.[1]
  }
  const found = await ask()
  if (found !== undefined) return found
  if (process.getuid?.() === 0) {
    await runCommand('apt-get', ['update', '-q'], { signal, stage: 'kernel' })
    const afterUpdate = await ask()
    if (afterUpdate !== undefined) return afterUpdate
  }
  throw new BusbarError(
    'IMAGE_FAILED',
    `apt does not know the package ${META_PACKAGE}, which names the guest's kernel.`,
    {
      stage: 'kernel',
      hints: ['Run `apt-get update` as root.', 'The guest image needs Debian 12 or later on x86-64.'],
    },
  )
}

async function describePackage(name: string, signal: AbortSignal | undefined): Promise<PackageFile> {
  const answer = await runCommand('apt-get', ['download', '--print-uris', name], { signal, stage: 'kernel' })
  const match = /^'[^']+' (\S+\.deb) (\d+)/m.exec(answer)
  if (match === null) throw new BusbarError('IMAGE_FAILED', `apt does not say where ${name} is.`, { stage: 'kernel' })
  return { fileName: match[1] as string, size: Number(match[2]) }
}

async function downloadPackage(name: string, file: PackageFile, into: string, options: KernelOptions): Promise<void> {
  const step = 'downloading the kernel'
  const tell = (done: number): void => options.onProgress?.({ step, done, total: file.size, unit: 'bytes' })
  tell(0)
  const path = join(into, file.fileName)
  const timer = setInterval(() => {
    stat(path).then(
      ({ size }) => tell(size),
      () => undefined,
    )
  }, DOWNLOAD_POLL)
  timer.unref()
  try {
    await runCommand('apt-get', ['download', '-q', name], { cwd: into, signal: options.signal, stage: 'kernel' })
  } finally {
    clearInterval(timer)
  }
  tell(file.size)
}

/** Copies the kernel, and the modules with what they need, out of the unpacked package. */
async function keepNeeded(unpacked: string, into: string): Promise<void> {
  const boot = await readdir(join(unpacked, 'boot'))
  const vmlinuz = boot.find((name) => name.startsWith('vmlinuz-'))
  if (vmlinuz === undefined)
    throw new BusbarError('IMAGE_FAILED', 'The kernel package holds no vmlinuz.', { stage: 'kernel' })
  await copyFile(join(unpacked, 'boot', vmlinuz), join(into, 'vmlinuz'))

  const tree = await modulesDirectory(unpacked, vmlinuz.slice('vmlinuz-'.length))
  const lines = async (name: string): Promise<string[]> => (await readFile(join(tree, name), 'utf8')).split('\n')
  const paths = new Map((await lines('modules.order')).map((path) => [moduleName(path), join(tree, path)]))
  const depends = new Map<string, readonly string[]>()
  const learn = async (name: string): Promise<void> => {
    const path = paths.get(name)
    if (path === undefined || depends.has(name)) return
    const info = readModuleInfo(path, await readFile(path))
    depends.set(name, info.depends)
    for (const other of info.depends) await learn(other)
  }
  for (const name of WANTED_MODULES) await learn(name)

  const builtin = new Set((await lines('modules.builtin')).map(moduleName))
  const order = moduleOrder(WANTED_MODULES, { builtin, depends: (name) => depends.get(name) })
  await mkdir(join(into, 'modules'))
  for (const name of order) await copyFile(paths.get(name) as string, join(into, 'modules', `${name}.ko`))
  await writeFile(join(into, 'modules', 'order'), order.map((name) => `${name}.ko\n`).join(''))
}

async function modulesDirectory(unpacked: string, release: string): Promise<string> {
  const found = [join(unpacked, 'lib/modules', release), join(unpacked, 'usr/lib/modules', release)].find(existsSync)
  if (found !== undefined) return found
  throw new BusbarError('IMAGE_FAILED', `The kernel package holds no modules for ${release}.`, { stage: 'kernel' })
}
