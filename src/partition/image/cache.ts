import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { BusbarError } from '../../errors/index.ts'

/** `$XDG_CACHE_HOME/busbar/images`, or `~/.cache/busbar/images`. */
export function defaultCacheDir(): string {
  const base = process.env['XDG_CACHE_HOME']
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'busbar', 'images')
}

/**
 * Makes `directory` appear whole or not at all: `fill` works in a temporary directory beside it, which is then renamed. When
 * somebody else finishes first, theirs is kept and ours thrown away. Nothing is done when it exists.
 */
export async function fillOnce(directory: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  if (existsSync(directory)) return
  await mkdir(dirname(directory), { recursive: true })
  const temporary = await mkdtemp(`${directory}.part-`)
  try {
    await fill(temporary)
    await rename(temporary, directory).catch((cause: NodeJS.ErrnoException) => {
      if (!existsSync(directory)) throw cause
    })
  } catch (thrown) {
    throw BusbarError.from(thrown, 'IMAGE_FAILED')
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}
