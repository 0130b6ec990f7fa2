/** What happens to one partition does not touch the others (I6). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BusbarError } from '../src/errors/index.ts'
import { type Plants, runApart } from '../src/testing/index.ts'

/** Each runs twice: with faults on one partition, and without. */
const SEEDS = 40

test('faults on one partition change nothing of what the others do with each other', async (context) => {
  let compared = 0
  let faults = 0
  for (let seed = 1; seed <= SEEDS; seed++) {
    const result = await runApart(seed)
    compared += result.compared
    faults += result.faults
    assert.deepEqual(result.violations, [], `seed ${seed}, faults on ${result.victim}`)
  }
  context.diagnostic(`${compared} sessions between others, beside ${faults} faults and sessions of the one`)
  assert.ok(compared > SEEDS && faults > SEEDS)
})

test('a bus that does worse once a partition has come back is found out', async () => {
  const broken = new Set<string>()
  for (let seed = 1; seed <= SEEDS && !broken.has('I6'); seed++) {
    let again = false
    const plants: Plants = {
      endpoint: (endpoint) => {
        if (endpoint.identity.epoch > 1) again = true
        return new Proxy(endpoint, {
          get(target, name) {
            if (name === 'open' && again) return () => Promise.reject(new BusbarError('BUSY', 'planted'))
            const value: unknown = Reflect.get(target, name, target)
            return typeof value === 'function' ? (value.bind(target) as unknown) : value
          },
        })
      },
    }
    for (const { invariant } of (await runApart(seed, { plants })).violations) broken.add(invariant)
  }
  assert.ok(broken.has('I6'), `${SEEDS} seeds broke only: ${[...broken].join(', ') || 'nothing'}`)
})
