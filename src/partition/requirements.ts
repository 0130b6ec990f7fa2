import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { delimiter, join } from 'node:path'

/** A program that partitions of kind `qemu` need. */
export interface Requirement {
  readonly name: string
  /** Its path, or `undefined` when it is missing. */
  readonly found: string | undefined
  /** What to install on Debian. */
  readonly debianPackage: string
}

/** Busybox is not here: the image builder fetches it when it is missing. */
const NEEDED: readonly (readonly [string, string])[] = [
  ['qemu-system-x86_64', 'qemu-system-x86'],
  ['mke2fs', 'e2fsprogs'],
  ['dpkg', 'dpkg'],
  ['apt-get', 'apt'],
  ['ldd', 'libc-bin'],
]

/** mke2fs stands where ordinary users do not look. */
const ALSO_SEARCHED = ['/usr/sbin', '/sbin']

/** What kind `qemu` needs, found or not. Kind `process` needs nothing but Node. */
export async function checkRequirements(path: string = process.env['PATH'] ?? ''): Promise<Requirement[]> {
  const directories = [...path.split(delimiter).filter((part) => part !== ''), ...ALSO_SEARCHED]
  return Promise.all(
    NEEDED.map(async ([name, debianPackage]) => ({ name, found: await findProgram(name, directories), debianPackage })),
  )
}

/** One line that installs what is missing, or `undefined` when nothing is. */
export function installCommand(requirements: readonly Requirement[]): string | undefined {
  const packages = requirements.filter(({ found }) => found === undefined).map(({ debianPackage }) => debianPackage)
  return packages.length === 0 ? undefined : `apt-get install --yes ${[...new Set(packages)].join(' ')}`
}

async function findProgram(name: string, directories: readonly string[]): Promise<string | undefined> {
  for (const directory of directories) {
    const path = join(directory, name)
    const usable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (usable) return path
  }
  return undefined
}
