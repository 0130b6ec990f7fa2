import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { StillEnv } from '../../testing/index.ts'
import { Leases } from './leases.ts'
import { type DcomLimits, dcomLimits } from './limits.ts'

const PERIOD = 10
const PATIENCE = 3 * PERIOD

/** Leases, and a table of objects that runs down what they say. */
function world(limits: Partial<DcomLimits> = {}) {
  const env = new StillEnv()
  const held = new Set<bigint>()
  const down: bigint[] = []
  let idle = 0
  const leases: Leases = new Leases({
    env,
    limits: dcomLimits({ pingPeriod: PERIOD, ...limits }),
    holds: (oid) => held.has(oid),
    runDown: (oid) => {
      assert.ok(held.delete(oid), `object ${oid} is run down once`)
      down.push(oid)
      leases.gone(oid)
    },
    idle: () => idle++,
  })
  const give = (connection: object, oid: bigint): void => {
    held.add(oid)
    leases.used(connection, oid)
  }
  return { env, leases, held, down, give, idle: () => idle }
}

describe('leases', () => {
  test('the last connection that held an object takes it along at once', () => {
    const { leases, down, give, idle } = world()
    const [first, second, other] = [{}, {}, {}]
    for (const connection of [first, second, other]) leases.opened(connection)
    give(first, 1n)
    leases.used(second, 1n)
    give(first, 2n)
    leases.closed(first)
    assert.deepEqual(down, [2n])
    leases.closed(second)
    assert.deepEqual(down, [2n, 1n])
    assert.equal(idle(), 0)
    leases.closed(other)
    assert.equal(idle(), 1)
  })

  test('what is given over a connection that is gone is run down at once', () => {
    const { leases, down, give } = world()
    give({}, 1n)
    assert.deepEqual(down, [1n])
    assert.equal(leases.objects, 0)
  })

  test('a ping set holds what is in it without any connection, for three periods', () => {
    const { env, leases, down, give, idle } = world()
    const connection = {}
    leases.opened(connection)
    give(connection, 1n)
    give(connection, 2n)
    const id = leases.change(0n, [1n], [])
    leases.closed(connection)
    assert.deepEqual(down, [2n])
    env.advance(PATIENCE - 1)
    assert.ok(leases.ping(id as bigint))
    env.advance(PATIENCE - 1)
    assert.deepEqual(down, [2n])
    env.advance(1)
    assert.deepEqual(down, [2n, 1n])
    assert.equal(leases.ping(id as bigint), false)
    assert.equal(env.timers, 0)
    assert.equal(idle(), 1)
  })

  test('an open connection alone does not hold what was pinged once', () => {
    const { env, leases, down, give } = world()
    const connection = {}
    leases.opened(connection)
    give(connection, 1n)
    give(connection, 2n)
    leases.change(0n, [1n], [])
    env.advance(PATIENCE)
    assert.deepEqual(down, [1n])
    env.advance(100 * PATIENCE)
    assert.deepEqual(down, [1n])
  })

  test('what was called in the last period is not run down yet', () => {
    const { env, leases, down, give } = world()
    const connection = {}
    leases.opened(connection)
    give(connection, 1n)
    give(connection, 2n)
    leases.change(0n, [1n, 2n], [])
    env.advance(PATIENCE - 1)
    leases.used(connection, 1n)
    env.advance(1)
    assert.deepEqual(down, [2n])
    env.advance(PERIOD - 2)
    assert.deepEqual(down, [2n])
    env.advance(1)
    assert.deepEqual(down, [2n, 1n])
  })

  test('two sets hold an object until both let go', () => {
    const { env, leases, down, give } = world()
    const connection = {}
    leases.opened(connection)
    give(connection, 1n)
    const first = leases.change(0n, [1n], []) as bigint
    const second = leases.change(0n, [1n], []) as bigint
    assert.notEqual(first, second)
    leases.closed(connection)
    assert.equal(leases.change(first, [], [1n]), first)
    env.advance(PERIOD)
    leases.ping(second)
    env.advance(PATIENCE - 1)
    assert.deepEqual(down, [])
    leases.change(second, [], [1n])
    assert.deepEqual(down, [1n])
  })

  test('objects that are not held are passed over, sets that are not there are refused, and there are only so many', () => {
    const { env, leases, down } = world({ sets: 2 })
    const id = leases.change(0n, [7n, 8n], [9n]) as bigint
    assert.ok(id > 0n && id <= 0xffffn)
    assert.equal(leases.objects, 0)
    assert.equal(leases.change(id + 1n, [], []), undefined)
    assert.equal(leases.ping(0n), false)
    assert.notEqual(leases.change(0n, [], []), 'full')
    assert.equal(leases.change(0n, [], []), 'full')
    env.advance(PATIENCE)
    assert.equal(leases.sets, 0)
    assert.deepEqual(down, [])
  })

  test('by default three periods of two minutes', () => {
    const { pingPeriod, pingPeriods } = dcomLimits()
    assert.equal(pingPeriod * pingPeriods, 360_000)
    assert.throws(() => dcomLimits({ pingPeriod: 0 }), { code: 'INVALID_ARGUMENT' })
    assert.throws(() => dcomLimits({ sets: 0x4001 }), { code: 'INVALID_ARGUMENT' })
  })

  test('whatever happens: when everything closed and nobody pings, nothing is left', () => {
    const connections = [{}, {}, {}]
    const oid = fc.bigInt({ min: 1n, max: 6n })
    const step = fc.oneof(
      fc.record({ do: fc.constant('open' as const), which: fc.nat(2) }),
      fc.record({ do: fc.constant('close' as const), which: fc.nat(2) }),
      fc.record({ do: fc.constant('use' as const), which: fc.nat(2), oid }),
      fc.record({ do: fc.constant('release' as const), oid }),
      fc.record({ do: fc.constant('change' as const), set: fc.nat(4), add: fc.array(oid), remove: fc.array(oid) }),
      fc.record({ do: fc.constant('wait' as const), for: fc.nat(2 * PATIENCE) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { env, leases, held, give } = world({ sets: 3 })
        const ids: bigint[] = [0n]
        const open = new Set<object>()
        for (const each of steps) {
          const connection = 'which' in each ? (connections[each.which] as object) : {}
          if (each.do === 'open' && !open.has(connection)) {
            open.add(connection)
            leases.opened(connection)
          } else if (each.do === 'close') {
            open.delete(connection)
            leases.closed(connection)
          } else if (each.do === 'use') give(connection, each.oid)
          else if (each.do === 'release' && held.delete(each.oid)) leases.gone(each.oid)
          else if (each.do === 'change') {
            const id = leases.change(ids[each.set] ?? 0n, each.add, each.remove)
            if (typeof id === 'bigint') ids.push(id)
          } else if (each.do === 'wait') env.advance(each.for)
          assert.equal(leases.objects, held.size)
          assert.ok(leases.sets <= 3)
        }
        for (const connection of open) leases.closed(connection)
        env.advance(2 * PATIENCE)
        env.advance(2 * PATIENCE)
        assert.deepEqual([leases.objects, leases.sets, leases.connections, held.size, env.timers], [0, 0, 0, 0, 0])
      }),
      { numRuns: 500, seed: 1 },
    )
  })
})
