import { mkdir, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BusbarError } from '../errors/index.ts'

/** Bytes of `sun_path` in a Unix socket's address, with its closing zero (fixed by Linux, unix(7)). */
const SOCKET_PATH_SIZE = 108

/**
 * A new directory for one partition's sockets and logs, for this user only, named after the partition.
 *
 * @param parent where; default `$XDG_RUNTIME_DIR/busbar`, or the system's temporary directory when that is not set.
 * @throws BusbarError `LAUNCH_FAILED` when it cannot be made.
 */
export async function makeRunDirectory(name: string, parent?: string): Promise<string> {
  const runtime = process.env['XDG_RUNTIME_DIR']
  const hasRuntime = runtime !== undefined && runtime !== ''
  const base = parent ?? (hasRuntime ? join(runtime, 'busbar') : tmpdir())
  const prefix = parent === undefined && !hasRuntime ? `busbar-${name}-` : `${name}-`
  try {
    await mkdir(base, { recursive: true, mode: 0o700 })
    // mkdtemp makes it 0700.
    return await mkdtemp(join(base, prefix))
  } catch (cause) {
    throw new BusbarError('LAUNCH_FAILED', `The directory ${base} for running partitions cannot be used.`, {
      stage: 'run directory',
      cause,
    })
  }
}

/**
 * The path, if a Unix socket can have it.
 *
 * @throws BusbarError `INVALID_ARGUMENT` when it is longer than the 107 bytes that Linux allows.
 */
export function socketPath(directory: string, name: string): string {
  const path = join(directory, name)
  const size = Buffer.byteLength(path)
  if (size < SOCKET_PATH_SIZE) return path
  throw new BusbarError(
    'INVALID_ARGUMENT',
    `${path} is ${size} bytes; a Unix socket's path has at most ${SOCKET_PATH_SIZE - 1}.`,
    {
      stage: 'run directory',
      hints: ['Choose a shorter run directory, or set XDG_RUNTIME_DIR to one.'],
    },
  )
}
