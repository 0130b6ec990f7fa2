import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { type Crash, failureOf, fuzz, loadCrash, saveCrash } from '../fuzz/engine.ts'
import { check, type Target } from '../fuzz/target.ts'
import { allTargets } from '../fuzz/targets.ts'

/** Every commit runs this seed for so long; findings become tests beside the code that they are about. */
const SEED = '20261123'
const SECONDS = 20
/** Inputs of each target that are run twice. */
const TWICE = 256

function crashed(crash: Crash): never {
  const path = saveCrash(fileURLToPath(new URL('../fuzz/crashes', import.meta.url)), crash)
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
  const { inputs, crash } = await fuzz({ targets: await allTargets(), seed: SEED, seconds: SECONDS })
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
