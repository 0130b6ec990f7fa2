/**
 * The fuzzer of RPC: `npm run fuzz -- [--seconds 60] [--seed NAME] [--target NAME]`. Stops at the first input that breaks a
 * rule, shortens it, and writes it to fuzz/crashes; `--repro FILE` runs such a file again. `--inputs N` instead of
 * `--seconds` gives the same run each time. Exit status 1 when a rule broke. An input that never comes back is written there as well, and
 * ends the process.
 */
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { failureOf, fuzz, loadCrash, saveCrash } from '../fuzz/engine.ts'
import { allTargets } from '../fuzz/targets.ts'
import { Watchdog } from '../fuzz/watchdog.ts'

const CRASHES = resolve(fileURLToPath(new URL('../fuzz/crashes', import.meta.url)))

/** Milliseconds after which an input is said never to come back (our choice: thousands of times what the slowest takes). */
const PATIENCE = 60_000

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    inputs: { type: 'string' },
    seed: { type: 'string', default: '1' },
    target: { type: 'string' },
    repro: { type: 'string' },
  },
})

function number(name: 'seconds' | 'inputs', text: string): number {
  const value = Number(text)
  if (value > 0) return value
  console.error(`--${name} takes a number above 0, not "${text}"`)
  process.exit(2)
}

const all = await allTargets()

async function repro(path: string): Promise<boolean> {
  const crash = loadCrash(path)
  const target = all.find(({ name }) => name === crash.target)
  if (target === undefined) throw new Error(`${path} is of the target "${crash.target}", which there is not`)
  watchdog.begins(crash)
  const error = await failureOf(target, crash.input)
  console.log(error ?? `${path}: every rule holds now; it failed with\n${crash.error}`)
  return error === undefined
}

async function run(): Promise<boolean> {
  const targets = all.filter(({ name }) => values.target === undefined || name === values.target)
  if (targets.length === 0) {
    console.error(`--target takes one of ${all.map(({ name }) => name).join(', ')}, not "${values.target}"`)
    process.exit(2)
  }
  const { seed, inputs } = values
  const until =
    inputs === undefined ? { seconds: number('seconds', values.seconds) } : { inputs: number('inputs', inputs) }
  const started = performance.now()
  let said = started
  const result = await fuzz({
    targets,
    seed,
    ...until,
    begins: watchdog.begins,
    progress: (done) => {
      if (performance.now() - said < 5_000) return
      said = performance.now()
      console.log(`${done} inputs`)
    },
  })
  const { crash } = result
  const counts = Object.entries(result.inputs).map(([name, count]) => `${name} ${count}`)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`seed ${seed}: ${counts.join(', ')} inputs in ${seconds} s, digest ${result.digest}`)
  if (crash === undefined) return true
  const path = saveCrash(CRASHES, crash)
  console.log(`✖ ${crash.target} input ${crash.index}: ${crash.error}\n  replay: npm run fuzz -- --repro ${path}`)
  return false
}

const watchdog = new Watchdog(CRASHES, PATIENCE)
try {
  process.exitCode = (await (values.repro === undefined ? run() : repro(values.repro))) ? 0 : 1
} finally {
  await watchdog.stop()
}
