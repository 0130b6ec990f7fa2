/**
 * The package as its users get it: what the exports map promises exists, the types resolve for ESM users, and the tarball
 * holds the library and nothing else. Needs a build in `dist`.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readLayers } from './layers.ts'

const root = resolve(fileURLToPath(new URL('..', import.meta.url)))

/** What may be in the tarball besides the three files npm always takes. */
const PACKED =
  /^(?:dist\/[a-z0-9/-]+\.(?:js|d\.ts)|dist\/[a-z0-9/-]+\.html|package\.json|README\.md|LICENSE|CHANGELOG\.md)$/
/** Doors that are for programs, not for importing: no subpath of the package. */
const INNER_LAYERS = new Set(['bytes', 'cli', 'console', 'ring'])
/** Largest tarball in bytes, packed (our choice: the library has no assets; a jump means something slipped in). */
const MAX_PACKED = 1_500_000

interface Target {
  readonly types?: string
  readonly default?: string
}

interface Manifest {
  readonly exports: Readonly<Record<string, Target | string>>
  readonly bin: Readonly<Record<string, string>>
}

const faults: string[] = []
const manifest = JSON.parse(readFileSync(resolve(root, 'package.json'), 'utf8')) as Manifest

for (const [subpath, target] of Object.entries(manifest.exports)) {
  if (typeof target === 'string') continue
  const keys = Object.keys(target)
  if (keys[0] !== 'types' || keys.at(-1) !== 'default') faults.push(`exports["${subpath}"]: types first, default last`)
  for (const file of Object.values(target) as string[]) {
    if (!existsSync(resolve(root, file))) faults.push(`exports["${subpath}"]: ${file} does not exist`)
  }
}
for (const { name } of readLayers(root).values()) {
  const door = existsSync(resolve(root, 'src', name, 'index.ts'))
  const listed = `./${name}` in manifest.exports
  if (door && !listed && !INNER_LAYERS.has(name)) faults.push(`exports: layer ${name} has a door and no subpath`)
  if (listed && INNER_LAYERS.has(name)) faults.push(`exports: layer ${name} is not for importing`)
}

const packed = JSON.parse(
  execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }),
) as [{ size: number; files: { path: string }[] }]
const [{ size, files }] = packed
for (const { path } of files) if (!PACKED.test(path)) faults.push(`npm pack: ${path} does not belong in the package`)
for (const path of Object.values(manifest.bin)) {
  const file = path.replace(/^\.\//, '')
  const source = file.replace(/^dist/, 'src').replace(/\.js$/, '.ts')
  if (existsSync(resolve(root, source)) && !files.some((entry) => entry.path === file)) {
    faults.push(`npm pack: ${file} is missing`)
  }
}
if (size > MAX_PACKED) faults.push(`npm pack: ${size} bytes, at most ${MAX_PACKED} expected`)

for (const command of [
  ['publint', '--strict'],
  ['attw', '--pack', '.', '--profile', 'esm-only', '--format', 'ascii', '--no-emoji'],
]) {
  const [name = '', ...args] = command
  const judged = spawnSync(resolve(root, 'node_modules/.bin', name), args, { cwd: root, encoding: 'utf8' })
  if (judged.status !== 0) faults.push(`${name}:\n${judged.stdout}${judged.stderr}`)
}

for (const fault of faults) console.error(fault)
console.log(`${files.length} files, ${size} bytes packed`)
process.exitCode = faults.length === 0 ? 0 : 1
