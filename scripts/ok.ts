/**
 * Everything that must hold before a change is done, in the order that finds a fault soonest; stops at the first failure.
 * `npm run ok`; CI runs exactly this. The tests come last, by the README's own command.
 */
import { spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = resolve(fileURLToPath(new URL('..', import.meta.url)))

interface Step {
  readonly name: string
  readonly commands: readonly (readonly string[])[]
  /** Shown as it runs, because it says by itself what it does; the others are shown only when they fail. */
  readonly live?: boolean
}

const bin = (name: string, ...args: string[]): string[] => [resolve(root, 'node_modules/.bin', name), ...args]
const script = (name: string, ...args: string[]): string[] => [
  process.execPath,
  '--import',
  'tsx',
  `scripts/${name}`,
  ...args,
]

const STEPS: readonly Step[] = [
  { name: 'format', commands: [bin('biome', 'format', '.')] },
  { name: 'lint', commands: [bin('oxlint', '--type-aware', '--deny-warnings'), script('check-layers.ts')] },
  { name: 'build', commands: [bin('tsc', '-b', '--pretty')] },
  { name: 'layer self-test', commands: [script('layer-self-test.ts')] },
  { name: 'unused code', commands: [bin('knip', '--no-progress', '--no-config-hints')] },
  { name: 'package', commands: [script('check-package.ts')] },
  { name: 'tests', commands: [['npm', 'test']], live: true },
]

/** Runs one command; resolves to its output when it failed and to `undefined` when it succeeded. */
async function failureOf([command = '', ...args]: readonly string[], live: boolean): Promise<string | undefined> {
  return new Promise((settle) => {
    const child = spawn(command, args, { cwd: root, stdio: live ? 'inherit' : ['ignore', 'pipe', 'pipe'] })
    const output: Buffer[] = []
    child.stdout?.on('data', (chunk: Buffer) => output.push(chunk))
    child.stderr?.on('data', (chunk: Buffer) => output.push(chunk))
    child.on('error', (error) => settle(`${command}: ${error.message}`))
    child.on('close', (status, signal) => {
      settle(
        status === 0
          ? undefined
          : `${Buffer.concat(output).toString()}\n${[command, ...args].join(' ')}: ${signal ?? `exit status ${status}`}`,
      )
    })
  })
}

async function runStep({ name, commands, live = false }: Step): Promise<boolean> {
  const started = performance.now()
  // Said at the start, so that a step that takes long is never a silent wait.
  process.stdout.write(live ? `${name} ...\n` : `${name} ... `)
  for (const command of commands) {
    const failure = await failureOf(command, live)
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    if (failure === undefined) continue
    process.stdout.write(`${live ? `${name}: ` : ''}failed, ${seconds} s\n${failure}\n`)
    return false
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  // After the tests nothing more is printed: the runner's summary is the end of the output.
  if (!live) process.stdout.write(`ok, ${seconds} s\n`)
  return true
}

for (const step of STEPS) {
  if (await runStep(step)) continue
  process.exitCode = 1
  break
}
