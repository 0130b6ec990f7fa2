/**
 * The walls that neither the compiler nor the linter can express: doors between layers, skipped layers, packages and Node
 * modules per layer, names of files, and marks in tests. `tsx scripts/check-layers.ts [ROOT]`; exit status 1 when broken.
 */
import { existsSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, normalize, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { filesUnder, type Layer, readLayers } from './layers.ts'

/** Pure layers have no dependencies, with one exception: `policy` reads YAML with a parser that is pure JavaScript itself. */
const PURE_LAYER_PACKAGES: ReadonlyMap<string, ReadonlySet<string>> = new Map([['policy', new Set(['yaml'])]])

/** Layers that are pure but for these files, which stand between them and Node; the compiler knows no such thing. */
const ADAPTERS: ReadonlyMap<string, readonly string[]> = new Map([
  ['pipe', ['duplex.ts', 'stream-adapters.ts', 'web-streams.ts']],
])

/** Names that say nothing about what a file provides. */
const EMPTY_NAMES = /^(utils?|common|base|helpers?|misc|shared|stuff)$/

/**
 * Doors that the tests of every layer may use: a production `Env` and memory for their worlds. A test is in no build, so
 * nothing points upwards because of it.
 */
const TEST_DOORS = new Set(['testing', 'transport'])
/** Layers that are programs: nobody imports them as a library, so they have no door. */
const PROGRAMS = new Set(['cli'])

interface Import {
  readonly specifier: string
  readonly line: number
}

/**
 * The imports of a formatted source file. Static ones start a line (the formatter sees to that); dynamic ones are found
 * anywhere outside a comment line.
 */
function importsOf(text: string): Import[] {
  const lineAt = (index: number): number => text.slice(0, index).split('\n').length
  const found: Import[] = []
  for (const match of text.matchAll(/^(?:import|export)\b(?:[^'"`;=()]*?\bfrom)?\s*['"]([^'"\n]+)['"]/gm)) {
    found.push({ specifier: match[1] ?? '', line: lineAt(match.index) })
  }
  for (const match of text.matchAll(/^(?!\s*(?:\/\/|\*|\/\*)).*?\bimport\(\s*(['"]?)([^'"\n)]*)/gm)) {
    found.push({ specifier: match[1] === '' ? '(computed)' : (match[2] ?? ''), line: lineAt(match.index) })
  }
  return found
}

function isNodeModule(specifier: string): boolean {
  return specifier.startsWith('node:') || builtinModules.includes(specifier.split('/')[0] ?? '')
}

function packageOf(specifier: string): string {
  const parts = specifier.split('/')
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '')
}

/** Why a file has no Node APIs and no dependencies, as the beginning of a sentence; `undefined` when it may have them. */
function purity(path: string, layer: Layer | undefined): string | undefined {
  if (layer?.pure) return `layer ${layer.name} has no`
  const adapters = layer === undefined ? undefined : ADAPTERS.get(layer.name)
  if (layer === undefined || adapters === undefined || adapters.includes(path.split('/').slice(2).join('/'))) return
  return `layer ${layer.name}, but for its adapters, has no`
}

/** What is wrong with one import of one file in `src`; `undefined` when it is allowed. */
function importFault(
  path: string,
  specifier: string,
  layers: ReadonlyMap<string, Layer>,
  dependencies: ReadonlySet<string>,
): string | undefined {
  const test = path.endsWith('.test.ts')
  const layer = layers.get(path.split('/')[1] ?? '')
  if (specifier.startsWith('.')) {
    const target = normalize(join(dirname(path), specifier))
    if (!target.startsWith('src/')) return `${specifier} is outside src`
    const [, folder = '', ...rest] = target.split('/')
    if (folder === layer?.name) return undefined
    if (!layers.has(folder)) return `${specifier} is outside every layer`
    // The door of the package (src/index.ts) is in no layer and opens onto all of them.
    if (layer !== undefined && !layer.mayImport.has(folder) && !(test && TEST_DOORS.has(folder))) {
      return `layer ${layer.name} may not import layer ${folder} (see the references in src/${layer.name}/tsconfig.json)`
    }
    return rest.join('/') === 'index.ts' ? undefined : `reaches past the door: import src/${folder}/index.ts`
  }
  if (test) return undefined
  const pure = purity(path, layer)
  if (isNodeModule(specifier)) {
    return pure === undefined ? undefined : `${pure} Node APIs, so it may not import ${specifier}`
  }
  if (pure !== undefined) {
    const allowed = PURE_LAYER_PACKAGES.get(layer?.name ?? '')?.has(packageOf(specifier))
    return allowed ? undefined : `${pure} dependencies, so it may not import ${specifier}`
  }
  if (specifier === '(computed)') return undefined
  return dependencies.has(packageOf(specifier)) ? undefined : `${specifier} is not in dependencies of package.json`
}

/** Tests, benchmarks and scripts use the layers as everyone does: through their doors. */
function outsideFault(path: string, specifier: string): string | undefined {
  // The fuzzer reaches decoders that no door shows; this one file is the list of them.
  if (path === 'fuzz/inside.ts') return undefined
  if (!specifier.startsWith('.')) return undefined
  const target = normalize(join(dirname(path), specifier))
  if (!target.startsWith('src/')) return undefined
  if (PROGRAMS.has(target.split('/')[1] ?? '')) return undefined
  return /^src\/([^/]+\/)?index\.ts$/.test(target) ? undefined : `${specifier} reaches past the door of its layer`
}

function nameFaults(path: string): string[] {
  const words = path.replace(/\.(test|integration\.test|d)?\.?ts$/, '').split('/')
  return words
    .filter((word) => EMPTY_NAMES.test(word))
    .map((word) => `the name "${word}" does not say what it provides`)
}

function textFaults(path: string, text: string, layer: Layer | undefined): string[] {
  const faults: string[] = []
  if (/^export \* from/m.test(text)) faults.push('`export *` hides what the door lets through: name each export')
  if (purity(path, layer) !== undefined && !path.endsWith('.test.ts') && /\bnew Date\(\)/.test(text)) {
    faults.push('`new Date()` reads the clock: it comes in through Env')
  }
  if (
    path.endsWith('.test.ts') &&
    /\b(?:test|it|describe|suite)\.(?:skip|todo|only)\b|\b(?:skip|only): true/.test(text)
  ) {
    faults.push('a test is skipped, marked todo or run alone')
  }
  return faults
}

/** The lint rules for pure layers must name exactly the pure layers. */
function lintConfigFaults(root: string, layers: ReadonlyMap<string, Layer>): string[] {
  const text = readFileSync(join(root, '.oxlintrc.json'), 'utf8').replace(/^\s*\/\/.*$/gm, '')
  const config = JSON.parse(text) as {
    overrides: { files: string[]; excludeFiles?: string[]; rules: Record<string, unknown> }[]
  }
  const overrides = config.overrides.filter(({ rules }) => Array.isArray(rules['no-restricted-globals']))
  const faults: string[] = []
  const compare = (what: string, listed: readonly string[], expected: readonly string[]): void => {
    if (listed.toSorted().join() === expected.toSorted().join()) return
    faults.push(`.oxlintrc.json: the override for pure layers ${what} ${listed.join(' ')}, not ${expected.join(' ')}`)
  }
  const pure = [...layers.values()].filter((layer) => layer.pure || ADAPTERS.has(layer.name))
  compare(
    'lists',
    overrides.flatMap(({ files }) => files),
    pure.map((layer) => `src/${layer.name}/**`),
  )
  compare(
    'leaves out',
    overrides.flatMap(({ excludeFiles }) => excludeFiles ?? []),
    [...ADAPTERS].flatMap(([layer, files]) => files.map((file) => `src/${layer}/${file}`)),
  )
  return faults
}

/** Every broken wall, as `path:line: what is wrong`. */
export function checkLayers(root: string): string[] {
  const layers = readLayers(root)
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, object | undefined>
  const dependencies = new Set(
    ['dependencies', 'optionalDependencies', 'peerDependencies'].flatMap((key) => Object.keys(manifest[key] ?? {})),
  )
  const faults = lintConfigFaults(root, layers)
  for (const folder of ['src', 'test', 'bench', 'scripts', 'fuzz']) {
    for (const path of filesUnder(root, folder).filter((file) => file.endsWith('.ts'))) {
      const text = readFileSync(join(root, path), 'utf8')
      const layer = folder === 'src' ? layers.get(path.split('/')[1] ?? '') : undefined
      for (const { specifier, line } of importsOf(text)) {
        const fault =
          folder === 'src' ? importFault(path, specifier, layers, dependencies) : outsideFault(path, specifier)
        if (fault !== undefined) faults.push(`${path}:${line}: ${fault}`)
      }
      for (const fault of [...nameFaults(path), ...textFaults(path, text, layer)]) faults.push(`${path}: ${fault}`)
    }
  }
  for (const { name } of layers.values()) {
    const sources = filesUnder(root, `src/${name}`).filter((file) => file.endsWith('.ts'))
    if (sources.length > 0 && !PROGRAMS.has(name) && !existsSync(join(root, 'src', name, 'index.ts'))) {
      faults.push(`src/${name}: the layer has no door (index.ts)`)
    }
  }
  return faults
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const faults = checkLayers(resolve(process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url))))
  for (const fault of faults) console.error(fault)
  process.exitCode = faults.length === 0 ? 0 : 1
}
