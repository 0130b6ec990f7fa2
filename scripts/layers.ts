import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** One folder of `src`, as its own tsconfig.json describes it. */
export interface Layer {
  readonly name: string
  /** The layers it may import, through their doors. */
  readonly mayImport: ReadonlySet<string>
  /** Compiled without Node types: no Node module, no global clock, timer or randomness. */
  readonly pure: boolean
}

interface TsConfig {
  readonly compilerOptions?: { readonly types?: readonly string[] }
  readonly references?: readonly { readonly path: string }[]
}

/** The table of layers. The project references are its one source: what does not compile is what is not in it. */
export function readLayers(root: string): ReadonlyMap<string, Layer> {
  const source = join(root, 'src')
  const names = readdirSync(source).filter((name) => existsSync(join(source, name, 'tsconfig.json')))
  return new Map(
    names.map((name) => {
      const config = JSON.parse(readFileSync(join(source, name, 'tsconfig.json'), 'utf8')) as TsConfig
      const mayImport = new Set((config.references ?? []).map(({ path }) => path.replace(/^\.\.\//, '')))
      return [name, { name, mayImport, pure: !config.compilerOptions?.types?.includes('node') }]
    }),
  )
}

/** Paths of all files under a folder, relative to `root`, sorted; empty when the folder does not exist. */
export function filesUnder(root: string, folder: string): string[] {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .filter((path) => !path.split('/').includes('node_modules'))
    .toSorted()
}
