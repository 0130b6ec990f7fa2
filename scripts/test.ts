/**
 * Runs the tests: `npm test -- [PATTERN ...]`, where a pattern is part of a path or a regular expression for it. One file per
 * core at a time: one that starts virtual machines, and beside it the others, unit tests first. Last, alone, the simulator's
 * thousands of seeds. Ends with the summary lines of Node's runner. Exit status 1 when a test failed, and in CI also when one
 * was skipped.
 */
import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { run } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { inspect } from 'node:util'
import { filesUnder } from './layers.ts'

const root = resolve(fileURLToPath(new URL('..', import.meta.url)))

/** Longest time in milliseconds for one file (our choice: far above what the slowest needs on two slow cores that others use too). */
const FILE_MS = 600_000
/** Where the runner is silent for this many milliseconds it says what it waits for (our choice). */
const SAY_AGAIN_MS = 15_000

/** Start virtual machines, which need several cores where they are emulated: one file at a time. */
const MACHINES = /(demo|guests?|qemu|vm-[\w-]+)\.integration\.test\.ts$/
/** Start processes and other people's programs: after the unit tests, which find a fault sooner. */
const INTEGRATION = /\.integration\.test\.ts$/
/** Runs as many seeds as it can in its time, on all cores. */
const ALONE = /(^|\/)simulation\.test\.ts$/

/** The summary of Node's runner, in its order. */
const SUMMARY = ['tests', 'suites', 'pass', 'fail', 'cancelled', 'skipped', 'todo', 'duration_ms'] as const

const totals = new Map<string, number>(SUMMARY.map((key) => [key, 0]))
const failures: string[] = []

function indent(text: string): string {
  return text.trimEnd().replace(/^/gm, '    ')
}

function describeError(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  return indent(cause instanceof Error ? inspect(cause) : String(cause))
}

/** Files that run now, and since when. */
const running = new Map<string, number>()
const waiting = setInterval(() => {
  const names = [...running].map(([file, since]) => `${file} (${Math.round((performance.now() - since) / 1000)} s)`)
  if (names.length > 0) console.log(`… waiting for ${names.join(', ')}`)
}, SAY_AGAIN_MS)

/** Runs one file, and prints at its end all there is to say of it. */
async function runFile(file: string): Promise<void> {
  const path = resolve(root, file)
  const lines: string[] = []
  let outcome = `✖ ${file}`
  running.set(file, performance.now())
  for await (const { type, data } of run({ files: [path], timeout: FILE_MS })) {
    switch (type) {
      case 'test:complete': {
        // The runner reports the file as a test of its own, named by its path.
        if (resolve(root, data.name) !== path) break
        const passed = (data.details as { passed?: boolean }).passed === true
        outcome = `${passed ? '✔' : '✖'} ${file} ${(data.details.duration_ms / 1000).toFixed(1)} s`
        break
      }
      case 'test:fail': {
        // A suite or a file that only reports the failure of what is in it adds nothing.
        if ((data.details.error as { failureType?: string }).failureType === 'subtestsFailed') break
        const name = resolve(root, data.name) === path ? 'the file as a whole' : data.name
        const failure = `✖ ${relative(root, data.file ?? path)}: ${name}\n${describeError(data.details.error)}`
        lines.push(failure)
        // Once more at the end, since hundreds of lines may come between.
        failures.push(failure)
        break
      }
      case 'test:stdout':
      case 'test:stderr':
        if (data.message.trim() !== '') lines.push(indent(data.message))
        break
      case 'test:diagnostic': {
        const summary = /^(\w+) ([\d.]+)$/.exec(data.message)
        const key = summary?.[1] ?? ''
        if (data.file === undefined && totals.has(key)) {
          totals.set(key, (totals.get(key) ?? 0) + Number(summary?.[2]))
        } else lines.push(`    ${file}: ${data.message}`)
        break
      }
    }
  }
  running.delete(file)
  console.log([...lines, outcome].join('\n'))
  waiting.refresh()
}

/** Runs the files of the queues, one after the other, the first queue first. Several may share a queue. */
async function runQueues(...queues: string[][]): Promise<void> {
  for (const queue of queues) {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) await runFile(file)
  }
}

/** Compiles what the tests are made of, once for all of them, and lets their processes run that. */
function compile(): boolean {
  const output = join(root, '.cache/tests')
  const { status } = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules/typescript/bin/tsc'),
      ...['-p', join(root, 'tsconfig.tests.json'), '--noEmit', 'false', '--noCheck', '--inlineSourceMap'],
      ...['--sourceRoot', pathToFileURL(join(root, '/')).href, '--outDir', output],
      ...['--incremental', '--tsBuildInfoFile', join(output, '.tsbuildinfo')],
    ],
    { stdio: 'inherit' },
  )
  // Node's runner starts each file with these options.
  process.execArgv = ['--import', new URL('./compiled.mjs', import.meta.url).href]
  return status === 0
}

const patterns = process.argv.slice(2).map((text) => new RegExp(text.replace(/^\.\//, '')))
const files = [...filesUnder(root, 'src'), ...filesUnder(root, 'test')]
  .filter((file) => file.endsWith('.test.ts'))
  .filter((file) => patterns.length === 0 || patterns.some((pattern) => pattern.test(file)))

if (files.length === 0) {
  console.error(`no test file matches ${process.argv.slice(2).join(' ')}`)
  process.exit(1)
}

if (!compile()) process.exit(1)
waiting.refresh()
const started = performance.now()
const alone = files.filter((file) => ALONE.test(file))
const machines = files.filter((file) => MACHINES.test(file))
const others = files
  .filter((file) => !ALONE.test(file) && !MACHINES.test(file))
  .toSorted((a, b) => Number(INTEGRATION.test(a)) - Number(INTEGRATION.test(b)))
const lanes = Array.from({ length: availableParallelism() - 1 }, () => runQueues(others))
await Promise.all([runQueues(machines, others), ...lanes])
await runQueues(alone)
clearInterval(waiting)
totals.set('duration_ms', performance.now() - started)

if (failures.length > 0) console.log(`\nfailed:\n${failures.join('\n')}`)
console.log('')
for (const key of SUMMARY) {
  const total = totals.get(key) ?? 0
  console.log(`# ${key} ${key === 'duration_ms' ? total.toFixed(0) : total}`)
}
const count = (key: string): number => totals.get(key) ?? 0
const passedOver = process.env['CI'] === 'true' ? count('skipped') + count('todo') : 0
process.exitCode = failures.length + count('fail') + count('cancelled') + passedOver === 0 ? 0 : 1
