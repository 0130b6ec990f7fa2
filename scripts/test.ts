/**
 * Runs the tests: `npm test -- [PATTERN ...]`, where a pattern is part of a path or a regular expression for it. Unit tests
 * first, one file per core; then those that start machines, many processes or thousands of seeds, one file at a time.
 * Ends with the summary lines of Node's runner. Exit status 1 when a test failed, and in CI also when one was skipped.
 */
import { availableParallelism } from 'node:os'
import { relative, resolve } from 'node:path'
import { run } from 'node:test'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { filesUnder } from './layers.ts'

const root = resolve(fileURLToPath(new URL('..', import.meta.url)))

/** Longest time in milliseconds for one file (our choice: far above what the slowest needs on two slow cores). */
const UNIT_FILE_MS = 120_000
const LONG_FILE_MS = 600_000
/** Where the runner is silent for this many milliseconds it says what it waits for (our choice). */
const SAY_AGAIN_MS = 15_000

/** Last and one at a time: they start machines and processes, or run the simulator, and measure what others would disturb. */
const LONG = /\.integration\.test\.ts$|(^|\/)simulat[^/]*\.test\.ts$/

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

async function runFiles(files: readonly string[], concurrency: number, timeout: number): Promise<void> {
  if (files.length === 0) return
  const running = new Map<string, number>()
  const waiting = setInterval(() => {
    const names = [...running].map(([file, since]) => `${file} (${Math.round((performance.now() - since) / 1000)} s)`)
    if (names.length > 0) console.log(`… waiting for ${names.join(', ')}`)
  }, SAY_AGAIN_MS)
  const named = (file: string | undefined): string => relative(root, file ?? root)
  /** The runner reports each file as a test of its own, named by its path. */
  const isFile = ({ name, file }: { name: string; file?: string | undefined }): boolean => resolve(root, name) === file

  for await (const { type, data } of run({ files: files.map((file) => resolve(root, file)), concurrency, timeout })) {
    switch (type) {
      case 'test:dequeue':
        if (isFile(data)) running.set(named(data.file), performance.now())
        break
      case 'test:complete': {
        if (!isFile(data)) break
        const passed = (data.details as { passed?: boolean }).passed === true
        console.log(`${passed ? '✔' : '✖'} ${named(data.file)} ${(data.details.duration_ms / 1000).toFixed(1)} s`)
        running.delete(named(data.file))
        waiting.refresh()
        break
      }
      case 'test:fail': {
        // A suite or a file that only reports the failure of what is in it adds nothing.
        if ((data.details.error as { failureType?: string }).failureType === 'subtestsFailed') break
        const name = isFile(data) ? 'the file as a whole' : data.name
        const failure = `✖ ${named(data.file)}: ${name}`
        console.log(`${failure}\n${describeError(data.details.error)}`)
        failures.push(failure)
        break
      }
      case 'test:stdout':
      case 'test:stderr':
        if (data.message.trim() !== '') console.log(indent(data.message))
        break
      case 'test:diagnostic': {
        const summary = /^(\w+) ([\d.]+)$/.exec(data.message)
        const key = summary?.[1] ?? ''
        if (data.file === undefined && totals.has(key)) {
          totals.set(key, (totals.get(key) ?? 0) + Number(summary?.[2]))
        } else console.log(`    ${named(data.file)}: ${data.message}`)
        break
      }
    }
  }
  clearInterval(waiting)
}

const patterns = process.argv.slice(2).map((text) => new RegExp(text.replace(/^\.\//, '')))
const files = [...filesUnder(root, 'src'), ...filesUnder(root, 'test')]
  .filter((file) => file.endsWith('.test.ts'))
  .filter((file) => patterns.length === 0 || patterns.some((pattern) => pattern.test(file)))

if (files.length === 0) {
  console.error(`no test file matches ${process.argv.slice(2).join(' ')}`)
  process.exit(1)
}

await runFiles(
  files.filter((file) => !LONG.test(file)),
  availableParallelism(),
  UNIT_FILE_MS,
)
await runFiles(
  files.filter((file) => LONG.test(file)),
  1,
  LONG_FILE_MS,
)

if (failures.length > 0) console.log(`\nfailed, with the reason further up:\n${failures.join('\n')}`)
console.log('')
for (const key of SUMMARY) {
  const total = totals.get(key) ?? 0
  console.log(`# ${key} ${key === 'duration_ms' ? total.toFixed(0) : total}`)
}
const count = (key: string): number => totals.get(key) ?? 0
const passedOver = process.env['CI'] === 'true' ? count('skipped') + count('todo') : 0
process.exitCode = failures.length + count('fail') + count('cancelled') + passedOver === 0 ? 0 : 1
