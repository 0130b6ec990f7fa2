import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

const DAY = 24 * 60 * 60 * 1000
/** An image that nobody launched for so long is thrown away, `ms` (our choice; one is about 100 MB and takes seconds to make). */
const UNUSED_IMAGE = 30 * DAY
/** No build takes so long: its builder was killed, `ms` (our choice). */
const ABANDONED = DAY
/** What `buildImage` and `fillOnce` call their directories; nothing else in the cache is touched. */
const IMAGE = /^[0-9a-f]{24}$/
const TEMPORARY = /\.part-[A-Za-z0-9]{6}$/

/**
 * Removes images that are out of use and what killed builders left behind. Failures are not the caller's concern: the next run
 * tries again.
 *
 * @param now time of day, `ms` since 1970.
 */
export async function pruneCache(cacheDir: string, now: number): Promise<void> {
  for (const directory of [cacheDir, join(cacheDir, 'kernels')]) {
    for (const name of await readdir(directory).catch(() => [])) {
      const limit = TEMPORARY.test(name) ? ABANDONED : IMAGE.test(name) ? UNUSED_IMAGE : undefined
      if (limit === undefined) continue
      const path = join(directory, name)
      const used = await stat(path).catch(() => undefined)
      if (used === undefined || now - used.mtimeMs < limit) continue
      await rm(path, { recursive: true, force: true }).catch(() => undefined)
    }
  }
}
