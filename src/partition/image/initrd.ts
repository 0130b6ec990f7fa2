import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { INIT_SCRIPT } from '../guest/init-script.ts'
import type { Busybox } from './busybox.ts'
import type { CpioEntry } from './cpio.ts'
import type { Kernel } from './kernel.ts'

/** Programs of the guest run as this user: not root, and no other number means anything there. */
export const PROGRAM_USER: Readonly<{ name: string; uid: number; gid: number; home: string }> = {
  name: 'program',
  uid: 1000,
  gid: 1000,
  home: '/home/program',
}

const DIRECTORIES = [
  'bin',
  'dev',
  'etc',
  'etc/busbar',
  'home',
  'modules',
  'node_modules',
  'proc',
  'root',
  'run',
  'srv',
  'sys',
  'tmp',
  'usr',
]
/** `/usr` is the disk; `/lib` and `/lib64` point into it, as on Debian. */
const SYMLINKS: readonly (readonly [string, string])[] = [
  ['lib', 'usr/lib'],
  ['lib32', 'usr/lib32'],
  ['lib64', 'usr/lib64'],
  ['sbin', 'bin'],
  // So that `import 'busbar'` works from any directory of the guest.
  ['node_modules/busbar', '/usr/lib/busbar'],
]

/** The part of the initial file system that all guests share: busybox, modules, `/init`. A few megabytes, without Node. */
export async function initrdEntries(kernel: Kernel, busybox: Busybox): Promise<CpioEntry[]> {
  const { name, uid, gid, home } = PROGRAM_USER
  const text = (path: string, lines: string, mode = 0o644): CpioEntry => ({
    kind: 'file',
    path,
    mode,
    data: Buffer.from(lines),
  })
  const modules = await Promise.all(
    kernel.modules.map(async (path): Promise<CpioEntry> => {
      return { kind: 'file', path: `modules/${basename(path)}`, mode: 0o644, data: await readFile(path) }
    }),
  )
  return [
    ...DIRECTORIES.map((path): CpioEntry => ({ kind: 'directory', path, mode: path === 'root' ? 0o700 : 0o755 })),
    ...SYMLINKS.map(([path, target]): CpioEntry => ({ kind: 'symlink', path, target })),
    // The kernel opens it for process 1 before anything is mounted.
    { kind: 'character', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
    { kind: 'file', path: 'bin/busybox', mode: 0o755, data: busybox.binary },
    ...busybox.applets.map((applet): CpioEntry => ({ kind: 'symlink', path: `bin/${applet}`, target: 'busybox' })),
    ...modules,
    text('modules/order', kernel.modules.map((path) => `${basename(path)}\n`).join('')),
    text('etc/passwd', `root:x:0:0:root:/root:/bin/sh\n${name}:x:${uid}:${gid}:program:${home}:/bin/sh\n`),
    text('etc/group', `root:x:0:\n${name}:x:${gid}:\n`),
    text('init', INIT_SCRIPT, 0o755),
  ]
}
