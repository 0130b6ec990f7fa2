import { realpath, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { BusbarError } from '../../errors/index.ts'
import { runCommand } from '../run-command.ts'

/** A file of the host, and where it stands in the guest. */
export interface RuntimeFile {
  readonly from: string
  /** Absolute path in the guest, under `/usr`. */
  readonly to: string
}

/** The guest merges `/lib` and `/lib64` into `/usr`, as Debian does. */
const LIBRARY_ROOTS = /^(?:\/usr)?\/(lib(?:32|64)?)\//

/**
 * A Node binary and the libraries it is linked with, from `ldd`.
 *
 * @param node path of the binary; it stands at `/usr/bin/node` in the guest.
 * @throws BusbarError `IMAGE_FAILED` when a library is missing on the host.
 */
export async function nodeRuntime(node: string, signal: AbortSignal | undefined): Promise<RuntimeFile[]> {
  const binary = await realpath(node)
  const answer = await runCommand('ldd', [binary], { signal, stage: 'node' })
  const libraries = parseLdd(answer)
  const home = libraries.find((path) => basename(path).startsWith('libc.so'))
  const files = libraries.map((path) => ({ from: path, to: guestLibraryPath(path, home) }))
  return [{ from: binary, to: '/usr/bin/node' }, ...files]
}

/** What changes when the binary does, without reading its 100 MB. */
export async function nodeIdentity(node: string): Promise<string> {
  const binary = await realpath(node)
  const { size, mtimeMs } = await stat(binary)
  return `${binary} ${size} ${mtimeMs}`
}

/**
 * Paths of the libraries in the output of `ldd`; the kernel's own `linux-vdso` has none.
 *
 * @throws BusbarError `IMAGE_FAILED` for a library that is `not found`.
 */
export function parseLdd(output: string): string[] {
  const paths: string[] = []
  for (const line of output.split('\n')) {
    const missing = /^\s*(\S+) => not found/.exec(line)
    if (missing !== null) {
      throw new BusbarError('IMAGE_FAILED', `Node needs the library ${missing[1]}, which this machine lacks.`, {
        stage: 'node',
      })
    }
    const path = /^\s*(?:\S+ => )?(\/\S+) \(0x/.exec(line)?.[1]
    if (path !== undefined) paths.push(path)
  }
  return paths
}

/** Libraries from unusual places go beside libc, where the guest's loader looks. */
function guestLibraryPath(path: string, libc: string | undefined): string {
  if (LIBRARY_ROOTS.test(path)) return path.replace(LIBRARY_ROOTS, '/usr/$1/')
  const beside =
    libc !== undefined && LIBRARY_ROOTS.test(libc) ? dirname(libc).replace(LIBRARY_ROOTS, '/usr/$1/') : '/usr/lib'
  return join(beside.replace(/^\/(lib(?:32|64)?)$/, '/usr/$1'), basename(path))
}
