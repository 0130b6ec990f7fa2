import { existsSync } from 'node:fs'
import { readdir, readFile, realpath } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { BusbarError } from '../../errors/index.ts'

/** A file of an npm package, and where it stands below the package's directory in the guest. */
export interface PackageFile {
  readonly from: string
  /** Relative path, such as `dist/index.js` or `node_modules/yaml/package.json`. */
  readonly to: string
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/** Not needed at run time. */
const LEFT_OUT = /(?:\.d\.[cm]?ts|\.map|\.tsbuildinfo|\.test\.js)$/

/**
 * What the guest needs of the built Busbar package: its manifest, `dist/`, and its dependencies that are installed, flat under
 * `node_modules/`. Sorted by path.
 *
 * @throws BusbarError `IMAGE_FAILED` when the directory is no built package.
 */
export async function packageFiles(packageDir: string): Promise<PackageFile[]> {
  const manifest = await readManifest(packageDir)
  if (!existsSync(join(packageDir, 'dist'))) {
    throw new BusbarError('IMAGE_FAILED', `${packageDir} holds no dist/: Busbar is not built there.`, {
      stage: 'package',
      hints: ['Run `npm run build`.'],
    })
  }
  const files: PackageFile[] = [{ from: join(packageDir, 'package.json'), to: 'package.json' }]
  await collect(join(packageDir, 'dist'), 'dist', files)
  await collectDependencies(packageDir, manifest, new Set(), files)
  return files.sort((a, b) => (a.to < b.to ? -1 : a.to > b.to ? 1 : 0))
}

async function readManifest(directory: string): Promise<Manifest> {
  try {
    return JSON.parse(await readFile(join(directory, 'package.json'), 'utf8')) as Manifest
  } catch (cause) {
    throw new BusbarError('IMAGE_FAILED', `${directory} holds no readable package.json.`, { stage: 'package', cause })
  }
}

async function collect(directory: string, to: string, files: PackageFile[]): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const from = join(directory, entry.name)
    const target = `${to}/${entry.name}`
    if (entry.isDirectory()) await collect(from, target, files)
    else if (entry.isFile() && !LEFT_OUT.test(entry.name)) files.push({ from, to: target })
  }
}

/** Each dependency once, by name: Busbar's few do not need two versions of one package. */
async function collectDependencies(
  from: string,
  manifest: Manifest,
  seen: Set<string>,
  files: PackageFile[],
): Promise<void> {
  const optional = Object.keys(manifest.optionalDependencies ?? {})
  for (const name of [...Object.keys(manifest.dependencies ?? {}), ...optional]) {
    if (seen.has(name)) continue
    seen.add(name)
    const directory = findPackage(await realpath(from), name)
    if (directory === undefined) {
      if (optional.includes(name)) continue
      throw new BusbarError('IMAGE_FAILED', `The dependency ${name} of ${from} is not installed.`, {
        stage: 'package',
        hints: ['Run `npm install`.'],
      })
    }
    await collect(directory, `node_modules/${name}`, files)
    await collectDependencies(directory, await readManifest(directory), seen, files)
  }
}

/** Looks where Node would: in `node_modules` here and in every directory above. */
function findPackage(from: string, name: string): string | undefined {
  const candidate = join(from, 'node_modules', name)
  if (existsSync(join(candidate, 'package.json'))) return candidate
  const parent = dirname(from)
  return parent === from ? undefined : findPackage(parent, name)
}
