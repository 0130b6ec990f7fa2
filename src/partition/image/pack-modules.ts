import { posix } from 'node:path'

/** One module of the package, as far as packing it needs. */
interface Parsed {
  /** The text of a function that evaluates it: statements, without what is imported and exported. */
  readonly body: readonly string[]
  readonly imports: readonly { readonly binding: string; readonly from: string }[]
  /** What stands behind each exported name: a name of the module, or of another one. */
  readonly exports: readonly { readonly name: string; readonly local: string; readonly from: string | undefined }[]
}

/** Lines as the compiler writes them; what looks otherwise is not packed. */
const IMPORT = /^import (?:(?<one>[\w$]+)|\* as (?<all>[\w$]+)|\{ ?(?<names>[^{}]*?),? ?\}) from '(?<from>[^']+)';$/
const LIST = /^export \{ ?(?<names>[^{}]*?),? ?\}(?: from '(?<from>[^']+)')?;$/
const DECLARATION = /^export (?<rest>(?:async )?(?:function\*? |class |const )(?<name>[\w$]+)\b.*)$/
const LISTED = /^(?<local>[A-Za-z_$][\w$]*)(?: as (?<name>[A-Za-z_$][\w$]*))?$/
/** What only a module can say: of its own address, by its own path, before it is there. */
const UNPACKABLE = /\bimport\.meta\b|\bimport\((?!'[\w@][^']*'\))/
const WAITS = /^(?=\S).*\bawait\b/

/**
 * Puts all modules that `roots` need into one file, `into`. Each of them stays as a file that gives the same names from there, so whoever imports which,
 * there is one instance of everything. Modules are evaluated when they are first asked for. Returns the texts that differ, by path; a module of which is
 * not sure that it would mean the same is left as it is, and so is whatever imports it.
 *
 * For an emulated machine: to open, read and resolve a small file takes it 15 ms, and a program of the bus has 300 of them.
 */
export function packModules(
  modules: ReadonlyMap<string, string>,
  roots: readonly string[],
  into: string,
): Map<string, string> {
  const packed = new Map<string, { readonly number: number; readonly parsed: Parsed }>()
  /** Where packing one has begun, and whether it may be: one that needs itself may not. */
  const begun = new Map<string, boolean>()
  const pack = (path: string): boolean => {
    const known = begun.get(path)
    if (known !== undefined) return known
    begun.set(path, false)
    const text = modules.get(path)
    const parsed = text === undefined ? undefined : parse(path, text)
    if (parsed === undefined) return false
    const needed = [...parsed.imports, ...parsed.exports].flatMap(({ from }) => from ?? [])
    // All of them, so that what can be packed is, whether or not this can.
    const all = needed.filter((from) => !isBuiltin(from)).map((from) => pack(from))
    if (all.includes(false)) return false
    packed.set(path, { number: packed.size, parsed })
    begun.set(path, true)
    return true
  }
  for (const root of roots) pack(root)
  const load = (from: string): string => `load${packed.get(from)?.number}`
  const files = new Map<string, string>()
  const parts = ['const builtin = process.getBuiltinModule;']
  for (const [path, { parsed }] of packed) {
    parts.push(evaluation(load(path), parsed, load))
    files.set(path, standIn(load(path), relativePath(path, into), parsed))
  }
  files.set(into, `${parts.join('\n')}\n`)
  return files
}

/** `undefined` for a module that is not to be packed. */
function parse(path: string, text: string): Parsed | undefined {
  if (UNPACKABLE.test(text)) return undefined
  const body: string[] = []
  const imports: { binding: string; from: string }[] = []
  const exports: { name: string; local: string; from: string | undefined }[] = []
  let ticks = 0
  let comment = false
  for (const line of text.split('\n')) {
    const quoted = ticks % 2 === 1
    if (comment || (!quoted && /^\s*\/\*/.test(line))) {
      comment = !line.includes('*/')
      // Nothing that the compiler writes stands behind the end of a comment.
      if (!comment && !/\*\/\s*$/.test(line)) return undefined
      continue
    }
    ticks += line.split('`').length - 1
    if (WAITS.test(line)) return undefined
    if (!/^(?:import|export)\b/.test(line)) {
      body.push(line)
      continue
    }
    if (quoted) return undefined
    const declared = DECLARATION.exec(line)?.groups
    if (declared !== undefined) {
      const { name = '', rest = '' } = declared
      exports.push({ name, local: name, from: undefined })
      body.push(rest)
      continue
    }
    const statement = (IMPORT.exec(line) ?? LIST.exec(line))?.groups
    if (statement === undefined) return undefined
    const { one, all, names, from } = statement
    const listed = (names ?? '')
      .split(', ')
      .filter((name) => name !== '')
      .map((name) => LISTED.exec(name)?.groups)
    const source = from === undefined ? undefined : resolved(path, from)
    if (listed.includes(undefined) || source === null) return undefined
    const pairs = listed.map((groups) => ({
      local: groups?.['local'] ?? '',
      name: groups?.['name'] ?? groups?.['local'] ?? '',
    }))
    if (pairs.some(({ name }) => name === 'default')) return undefined
    if (line.startsWith('export')) {
      if (source !== undefined && isBuiltin(source)) return undefined
      for (const { local, name } of pairs) exports.push({ name, local, from: source })
    } else {
      // Only modules of Node have a default.
      if (source === undefined || (one !== undefined && !isBuiltin(source))) return undefined
      const renamed = pairs.map(({ local, name }) => (local === name ? local : `${local}: ${name}`))
      imports.push({ binding: one ?? all ?? `{ ${renamed.join(', ')} }`, from: source })
    }
  }
  return { body, imports, exports }
}

/** The path of another module of the package, or the name of one of Node; `null` for what belongs to somebody else. */
function resolved(path: string, from: string): string | null {
  if (isBuiltin(from)) return from
  return from.startsWith('.') ? posix.join(posix.dirname(path), from) : null
}

function isBuiltin(from: string): boolean {
  return from.startsWith('node:')
}

function relativePath(path: string, to: string): string {
  const relative = posix.relative(posix.dirname(path), to)
  return relative.startsWith('.') ? relative : `./${relative}`
}

/** A function that gives the exports of a module, and evaluates it the first time. */
function evaluation(load: string, { imports, body, exports }: Parsed, loadOf: (from: string) => string): string {
  const bindings = imports.map(({ binding, from }) => {
    return `const ${binding} = ${isBuiltin(from) ? `builtin('${from}')` : `${loadOf(from)}()`};`
  })
  const given = exports.map(
    ({ name, local, from }) => `${name}: ${from === undefined ? '' : `${loadOf(from)}().`}${local}`,
  )
  return [
    `let ${load}d;`,
    `export function ${load}() {`,
    `if (${load}d !== undefined) return ${load}d;`,
    ...bindings,
    ...body,
    `return (${load}d = { ${given.join(', ')} });`,
    '}',
  ].join('\n')
}

/** What is left at a module's own path. */
function standIn(load: string, from: string, { exports }: Parsed): string {
  const names = exports.map(({ name }) => name)
  const given = names.length === 0 ? `${load}();` : `export const { ${names.join(', ')} } = ${load}();`
  return `import { ${load} } from '${from}';\n${given}\n`
}
