import { constants } from 'node:fs'
import { type FileHandle, open, readlink, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { BusbarError } from '../../errors/index.ts'

/** Longest path that is looked at, UTF-16 units. Fixed by Linux (`PATH_MAX`). */
const MAX_PATH = 4096

/**
 * Opens what a caller named below `root`, for reading, and never anything else: the text is parsed once into plain parts,
 * links at the end are refused, and what was opened is asked where it really is, so that a link that was put in the way
 * meanwhile is found out too. The handle passes to the caller.
 */
export async function openBeneath(root: string, path: string): Promise<FileHandle> {
  const parts = parsePath(path)
  // Without O_NONBLOCK, opening a FIFO would wait for a writer.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const handle = await open(join(root, ...parts), flags).catch((thrown: NodeJS.ErrnoException) => {
    // The system's message names the path on this machine, which is nobody else's business.
    const code = thrown.code ?? 'EIO'
    throw Object.assign(new Error(`cannot be opened: ${code}`), { code })
  })
  try {
    const [inside, real] = await Promise.all([realpath(root), readlink(`/proc/self/fd/${handle.fd}`)])
    if (real !== inside && !real.startsWith(inside.endsWith(sep) ? inside : inside + sep)) throw outside()
    return handle
  } catch (thrown) {
    await handle.close()
    throw thrown
  }
}

function parsePath(path: string): string[] {
  if (!path.startsWith('/') || path.length > MAX_PATH || path.includes('\0')) throw outside()
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) throw outside()
  return parts
}

function outside(): BusbarError {
  return new BusbarError('DENIED', 'that path leads out of what is shared', {
    hints: ['paths begin with / and have no ..'],
  })
}
