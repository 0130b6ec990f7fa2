import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { type Crash, failureOf, fuzz, loadCrash, saveCrash } from '../fuzz/engine.ts'
import { check, type Target } from '../fuzz/target.ts'
import { allTargets } from '../fuzz/targets.ts'
import { Watchdog } from '../fuzz/watchdog.ts'

/** Every commit runs this seed for so long; findings become tests beside the code that they are about. */
const SEED = '20261123'
const SECONDS = 20
/** Inputs of each target that are run twice. */
const TWICE = 256

const CRASHES = fileURLToPath(new URL('../fuzz/crashes', import.meta.url))
/** Milliseconds after which an input is said never to come back (our choice: far more than a busy machine takes for one). */
const PATIENCE = 300_000

function crashed(crash: Crash): never {
  const path = saveCrash(CRASHES, crash)
  assert.fail(`${crash.target} input ${crash.index}: ${crash.error}\nreplay: npm run fuzz -- --repro ${path}`)
}

test('inputs of one seed happen twice in the same way', async () => {
  const options = { seed: `${SEED} twice`, inputs: TWICE }
  const [first, second] = [
    await fuzz({ targets: await allTargets(), ...options }),
    await fuzz({ targets: await allTargets(), ...options }),
  ]
  if (first.crash !== undefined) crashed(first.crash)
  assert.deepEqual(first, second)
})

test('no input breaks a rule', async (t) => {
  const watchdog = new Watchdog(CRASHES, PATIENCE)
  t.after(() => watchdog.stop())
  const { inputs, crash } = await fuzz({
    targets: await allTargets(),
    seed: SEED,
    seconds: SECONDS,
    begins: watchdog.begins,
  })
  if (crash !== undefined) crashed(crash)
  t.diagnostic(
    Object.entries(inputs)
      .map(([name, count]) => `${name} ${count}`)
      .join(', '),
  )
})

test('a rule that breaks is found, kept with the shortest input, and replayed', async () => {
  const target: Target = {
    name: 'planted',
    draw: (random) => random.fill(new Uint8Array(30)),
    run: async (input) => {
      check(!input.includes(42), () => `input of ${input.length} bytes`)
      return ''
    },
  }
  const folder = mkdtempSync(join(tmpdir(), 'busbar-fuzz-'))
  try {
    const { crash } = await fuzz({ targets: [target], seed: SEED, inputs: 1_000 })
    assert.ok(crash !== undefined)
    assert.deepEqual([...crash.input], [42])
    const kept = loadCrash(saveCrash(folder, crash))
    assert.deepEqual(kept, crash)
    assert.ok(await failureOf(target, kept.input))
    assert.equal(await failureOf(target, Uint8Array.of(41)), undefined)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

const ROOT = fileURLToPath(new URL('..', import.meta.url))

function tsx(...args: string[]): ReturnType<typeof spawnSync> {
  return spawnSync(process.execPath, ['--import', 'tsx', ...args], { cwd: ROOT, encoding: 'utf8', timeout: PATIENCE })
}

for (const [way, run] of [
  ['runs for ever', 'for (;;);'],
  ['waits for what never comes', 'return new Promise(() => {})'],
] as const) {
  test(`an input that ${way} is kept, and ends the fuzzer`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'busbar-fuzz-'))
    const script = `
      const { fuzz } = await import('./fuzz/engine.ts')
      const { Watchdog } = await import('./fuzz/watchdog.ts')
      const run = (input) => { ${run} }
      const target = { name: 'planted', draw: () => Uint8Array.of(1, 2, 3), run }
      const { begins } = new Watchdog(process.argv[1], 500)
      await fuzz({ targets: [target], seed: 'hangs', inputs: 1, begins })`
    try {
      const { signal, stderr } = tsx('--input-type=module', '--eval', script, folder)
      assert.equal(signal, 'SIGKILL', String(stderr))
      assert.match(String(stderr), /does not come back/)
      const [file, ...others] = readdirSync(folder)
      assert.deepEqual(others, [])
      const { target, seed, index, input } = loadCrash(join(folder, String(file)))
      assert.deepEqual([target, seed, index, [...input]], ['planted', 'hangs', 0, [1, 2, 3]])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
}

test('a crash file is replayed by the command', () => {
  const folder = mkdtempSync(join(tmpdir(), 'busbar-fuzz-'))
  const crash = { target: 'pdu', seed: SEED, index: 0, error: 'it was wrong', input: Uint8Array.of(0, 1, 2) }
  try {
    const mended = tsx('scripts/fuzz.ts', '--repro', saveCrash(folder, crash))
    assert.match(String(mended.stdout), /every rule holds now; it failed with\nit was wrong/)
    assert.equal(mended.status, 0)
    const unknown = tsx('scripts/fuzz.ts', '--repro', saveCrash(folder, { ...crash, target: 'gone' }))
    assert.match(String(unknown.stderr), /target "gone", which there is not/)
    assert.equal(unknown.status, 1)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
