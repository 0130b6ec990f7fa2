/**
 * Proves that the walls hold: plants one broken rule at a time in a temporary copy of the sources and expects the named
 * check to refuse it, by name. The copy without a plant must pass every check.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = resolve(fileURLToPath(new URL('..', import.meta.url)))

type Check = 'compiler' | 'linter' | 'check-layers'

interface Plant {
  readonly wall: string
  readonly path: string
  readonly text: string
  readonly refusedBy: Check
  /** What the refusal must say, so that no other failure passes for it. */
  readonly says: RegExp
}

const PLANTS: readonly Plant[] = [
  {
    wall: 'an upward import does not compile',
    path: 'src/bytes/planted.ts',
    text: "export { memoryPair as planted } from '../link/index.ts'\n",
    refusedBy: 'compiler',
    says: /planted\.ts.*TS6307|TS6307[\s\S]*planted\.ts/,
  },
  {
    wall: 'an upward import is refused by name',
    path: 'src/bytes/planted.ts',
    text: "export { memoryPair as planted } from '../link/index.ts'\n",
    refusedBy: 'check-layers',
    says: /planted\.ts:1: layer bytes may not import layer link/,
  },
  {
    wall: 'an upward import of types only is refused',
    path: 'src/errors/planted.ts',
    text: "import type { Env } from '../link/index.ts'\n\nexport type Planted = Env\n",
    refusedBy: 'check-layers',
    says: /planted\.ts:1: layer errors may not import layer link/,
  },
  {
    wall: 'a dynamic upward import is refused',
    path: 'src/errors/planted.ts',
    text: "export const planted = async (): Promise<unknown> => import('../link/index.ts')\n",
    refusedBy: 'check-layers',
    says: /planted\.ts:1: layer errors may not import layer link/,
  },
  {
    wall: 'a skipped layer is refused (policy knows errors only)',
    path: 'src/policy/planted.ts',
    text: "export { Reader as Planted } from '../bytes/index.ts'\n",
    refusedBy: 'check-layers',
    says: /planted\.ts:1: layer policy may not import layer bytes/,
  },
  {
    // The compiler lets this one through: it accepts what is referenced by way of another layer.
    wall: 'a skipped layer is refused where a layer between them knows it',
    path: 'src/component/planted.ts',
    text: "export { memoryPair as planted } from '../link/index.ts'\n",
    refusedBy: 'check-layers',
    says: /planted\.ts:1: layer component may not import layer link/,
  },
  {
    wall: 'layers are imported through their doors',
    path: 'src/link/planted.ts',
    text: "export { Reader as Planted } from '../bytes/reader.ts'\n",
    refusedBy: 'check-layers',
    says: /planted\.ts:1: reaches past the door/,
  },
  {
    wall: 'tests across layers use the doors too',
    path: 'test/planted.test.ts',
    text: "export { Reader as Planted } from '../src/bytes/reader.ts'\n",
    refusedBy: 'check-layers',
    says: /planted\.test\.ts:1: .* reaches past the door/,
  },
  {
    wall: 'a pure layer does not compile with a Node module',
    path: 'src/bytes/planted.ts',
    text: "import { hostname } from 'node:os'\n\nexport const planted: () => string = hostname\n",
    refusedBy: 'compiler',
    says: /planted\.ts.*TS2(307|591|580)/,
  },
  {
    wall: 'a Node module in a pure layer is refused by name',
    path: 'src/bytes/planted.ts',
    text: "import { hostname } from 'node:os'\n\nexport const planted: () => string = hostname\n",
    refusedBy: 'check-layers',
    says: /planted\.ts:1: layer bytes has no Node APIs/,
  },
  {
    wall: 'a pure layer has no dependencies',
    path: 'src/bytes/planted.ts',
    text: "export { parse as planted } from 'yaml'\n",
    refusedBy: 'check-layers',
    says: /planted\.ts:1: layer bytes has no dependencies/,
  },
  {
    wall: 'no ambient randomness in a pure layer',
    path: 'src/bytes/planted.ts',
    text: 'export const planted = (): number => Math.random()\n',
    refusedBy: 'linter',
    says: /Randomness comes in through Env/,
  },
  {
    wall: 'no ambient clock in a pure layer',
    path: 'src/bytes/planted.ts',
    text: 'export const planted = (): number => Date.now()\n',
    refusedBy: 'linter',
    says: /The clock comes in through Env/,
  },
  {
    wall: 'no ambient timer in a pure layer',
    path: 'src/bytes/planted.ts',
    text: 'export const planted = (): unknown => setTimeout(() => undefined, 1)\n',
    refusedBy: 'linter',
    says: /no-restricted-globals[\s\S]*setTimeout/,
  },
  {
    wall: 'a floating promise is refused',
    path: 'src/transport/planted.ts',
    text: 'const later = async (): Promise<void> => undefined\n\nexport function planted(): void {\n  later()\n}\n',
    refusedBy: 'linter',
    says: /no-floating-promises/,
  },
  {
    wall: 'a floating promise is refused in tests too',
    path: 'src/transport/planted.test.ts',
    text: "import { readFile } from 'node:fs/promises'\n\nexport function planted(): void {\n  readFile('x')\n}\n",
    refusedBy: 'linter',
    says: /no-floating-promises/,
  },
  {
    wall: 'a file over 500 lines is refused',
    path: 'src/bytes/planted.ts',
    text: Array.from({ length: 501 }, (_, line) => `export const planted${line} = ${line}\n`).join(''),
    refusedBy: 'linter',
    says: /max-lines/,
  },
  {
    wall: 'no file is called utils.ts',
    path: 'src/bytes/utils.ts',
    text: 'export const planted = 1\n',
    refusedBy: 'check-layers',
    says: /src\/bytes\/utils\.ts: the name "utils"/,
  },
  {
    wall: 'no default export',
    path: 'src/bytes/planted.ts',
    text: 'const planted = 1\n\nexport default planted\n',
    refusedBy: 'linter',
    says: /no-default-export/,
  },
  {
    wall: 'a test beside the source imports what its layer may',
    path: 'src/bytes/planted.test.ts',
    text: "export { Broker as Planted } from '../bus/index.ts'\n",
    refusedBy: 'check-layers',
    says: /planted\.test\.ts:1: layer bytes may not import layer bus/,
  },
  {
    wall: 'a test beside the source uses the doors of testing and transport too',
    path: 'src/bytes/planted.test.ts',
    text: "export { nodeEnv as planted } from '../transport/env.ts'\n",
    refusedBy: 'check-layers',
    says: /planted\.test\.ts:1: reaches past the door/,
  },
  {
    wall: 'a file of pipe that is no adapter has no Node APIs',
    path: 'src/pipe/planted.ts',
    text: "import { Duplex } from 'node:stream'\n\nexport const planted: unknown = Duplex\n",
    refusedBy: 'check-layers',
    says: /planted\.ts:1: layer pipe, but for its adapters, has no Node APIs/,
  },
  {
    wall: 'a file of pipe that is no adapter has no ambient clock',
    path: 'src/pipe/planted.ts',
    text: 'export const planted = (): number => Date.now()\n',
    refusedBy: 'linter',
    says: /The clock comes in through Env/,
  },
  {
    wall: 'a file of pipe that is no adapter has no Buffer',
    path: 'src/pipe/planted.ts',
    text: 'export const planted = (): unknown => Buffer.alloc(1)\n',
    refusedBy: 'linter',
    says: /no-restricted-globals[\s\S]*Buffer/,
  },
  {
    wall: 'doors name their exports',
    path: 'src/bytes/planted.ts',
    text: "export * from './reader.ts'\n",
    refusedBy: 'check-layers',
    says: /planted\.ts: `export \*`/,
  },
  {
    wall: 'no test is skipped',
    path: 'src/bytes/planted.test.ts',
    text: "import { test } from 'node:test'\n\ntest.skip('planted', () => undefined)\n",
    refusedBy: 'check-layers',
    says: /planted\.test\.ts: a test is skipped/,
  },
]

/** The projects in which compiler errors are planted; the build step of `npm run ok` compiles the rest. */
const COMPILED = ['src/bytes']

function node(args: readonly string[], copy: string): { status: number; output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: copy, encoding: 'utf8' })
  return { status: status ?? 1, output: `${stdout}${stderr}` }
}

const run: Record<Check, (copy: string, path?: string) => { status: number; output: string }> = {
  compiler: (copy, path) => {
    const projects = path === undefined ? COMPILED : [dirname(path)]
    return node([join(root, 'node_modules/typescript/bin/tsc'), '-b', '--pretty', 'false', ...projects], copy)
  },
  linter: (copy, path) =>
    node(
      [join(root, 'node_modules/oxlint/bin/oxlint'), '--type-aware', ...(path === undefined ? ['src'] : [path])],
      copy,
    ),
  'check-layers': (copy) => node(['--import', 'tsx', join(root, 'scripts/check-layers.ts'), copy], root),
}

const copy = mkdtempSync(join(tmpdir(), 'busbar-layers-'))
const broken: string[] = []

function expect(holds: boolean, what: string, output: string): void {
  if (holds) return
  broken.push(what)
  console.error(`wall is broken: ${what}\n${output.replace(/^/gm, '  | ')}`)
}

try {
  for (const path of [
    'src',
    'package.json',
    '.oxlintrc.json',
    'tsconfig.json',
    'tsconfig.layer.json',
    'tsconfig.tests.json',
  ]) {
    cpSync(join(root, path), join(copy, path), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  mkdirSync(join(copy, 'test'))
  for (const check of Object.keys(run) as Check[]) {
    const { status, output } = run[check](copy)
    expect(status === 0, `the sources themselves do not pass the ${check}`, output)
  }
  for (const { wall, path, text, refusedBy, says } of PLANTS) {
    const file = join(copy, path)
    writeFileSync(file, text, { flag: 'wx' })
    const { status, output } = run[refusedBy](copy, path)
    expect(status !== 0 && says.test(output), `${wall} (${refusedBy}, exit status ${status})`, output)
    rmSync(file)
  }
} finally {
  rmSync(copy, { recursive: true, force: true })
}

console.log(`${PLANTS.length} broken rules planted; failures: ${broken.length}`)
process.exitCode = broken.length === 0 ? 0 : 1
