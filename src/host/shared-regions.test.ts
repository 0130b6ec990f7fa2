/** Channels between programs of two machines that share memory, which the bus sees nothing of. */
import assert from 'node:assert/strict'
import { closeSync, ftruncateSync, openSync } from 'node:fs'
import { after, describe, test } from 'node:test'
import type { Channel } from '../bus/index.ts'
import { BusbarError } from '../errors/index.ts'
import type { MessageLink } from '../link/index.ts'
import { Pipe } from '../pipe/index.ts'
import { flowing, type LinkPair, linkSuite, messageSuite } from '../testing/index.ts'
import {
  exchange,
  type How,
  libc,
  PAIR,
  pairs,
  scribbling,
  settled,
  shown,
  until,
  type World,
  world,
} from './harness.test.ts'
import type { SharedRegions } from './shared-regions.ts'

/** The same, when both ends write to rings. */
async function onRings(how: How = {}): Promise<World> {
  const all = await world(how)
  while (all.a.medium !== 'ring' || all.b.medium !== 'ring') await new Promise(setImmediate)
  return all
}

async function pipePair(mode: 'byte' | 'message'): Promise<LinkPair<Pipe & MessageLink>> {
  const { a, b, dispose } = await onRings({ mode })
  const pipeOf = (channel: Channel) => Object.assign(new Pipe(channel), { maxMessage: 65_528 })
  return { a: pipeOf(a), b: pipeOf(b), dispose }
}

linkSuite('channel between two machines', () => onRings())
linkSuite('channel between two machines without polling', () => onRings({ window: 0 }))
linkSuite('channel between two machines that goes over to rings meanwhile', () => world())
linkSuite('channel between two machines read through flow', async () => flowing(await onRings()))
linkSuite('pipe between two machines in byte mode', () => pipePair('byte'), { queuesReads: true })
messageSuite('pipe between two machines in message mode', () => pipePair('message'), {
  queuesReads: true,
  maxChunk: 65_528,
})

function places(memory: SharedRegions): { places: number; free: number; inUse: number } {
  const [pair] = memory.inspect().direct as [{ places: number; free: number; inUse: number }]
  return pair
}

describe('the medium of a pipe between two machines', { timeout: 60_000 }, () => {
  test('is a ring where the rule says so, and its bytes do not pass the bus', async () => {
    const all = await world()
    await settled(all, ({ medium }) => medium === 'ring')
    assert.deepEqual(shown(all.broker), { caller: 'client', pipe: 'server/it', medium: 'ring' })
    await all.dispose()
  })

  const never: readonly [string, string | undefined, () => How][] = [
    ['the rule does not say so', undefined, () => ({ direct: false })],
    ['somebody captures', undefined, () => ({ prepare: (broker) => void broker.follow(() => undefined) })],
    [
      'a machine has no such devices',
      'UNAVAILABLE: partition "server" has no memory to share',
      () => ({ places: ['client'] }),
    ],
    [
      'a program has no rings',
      'UNAVAILABLE: the program has no rings',
      () => ({ medium: (machine, real) => (machine === 'server' ? undefined : real) }),
    ],
    [
      'the two are no pair',
      'UNAVAILABLE: "client" and "server" did not share memory when they started',
      () => ({ memory: pairs([['client', 'other']]) }),
    ],
    [
      'the host can make no memory',
      'UNAVAILABLE: on purpose',
      () => ({ memory: pairs([PAIR], new BusbarError('UNAVAILABLE', 'on purpose')) }),
    ],
    [
      'making it fails',
      'UNAVAILABLE: memfd_create failed',
      () => {
        const fails = (): never => {
          throw new BusbarError('UNAVAILABLE', 'memfd_create failed')
        }
        return { memory: pairs([PAIR], { ...libc, memory: fails }) }
      },
    ],
  ]
  for (const [what, why, how] of never) {
    test(`is a stream where ${what}`, async () => {
      const all = await world(how())
      let rounds = 0
      await settled(all, ({ noRings }) => ++rounds >= 50 && noRings === why)
      assert.deepEqual([shown(all.broker)['medium'], all.a.medium, all.b.medium], ['stream', 'stream', 'stream'])
      await all.dispose()
    })
  }

  const scribbled = (write: Parameters<typeof scribbling>[1]): How => scribbling(pairs([PAIR]), write)
  const bad: readonly [string, RegExp, () => How][] = [
    ['is no region', /^MALFORMED: this memory is no region/, () => scribbled((head) => head.setUint32(0, 7))],
    ['is of a foreign version', /^VERSION: /, () => scribbled((head) => head.setUint32(4, 2, true))],
    [
      'was made for another channel',
      /^STALE_EPOCH: /,
      () => scribbled((head) => head.setUint8(20, head.getUint8(20) ^ 1)),
    ],
    ['claims to be larger', /^MALFORMED: a region of/, () => scribbled((head) => head.setUint32(8, 524_288, true))],
    [
      'claims to have no end',
      /^MALFORMED: a region with rings of/,
      () => scribbled((head) => head.setUint32(8, 2 ** 31, true)),
    ],
    ['is too small for two rings', /^MALFORMED: a region of 8192 bytes/, () => scribbled(() => ({ length: 8192 }))],
    ['lies behind the end', /^MALFORMED: \d+ bytes at 16777216/, () => scribbled(() => ({ offset: 16_777_216 }))],
    ['lies across the end', /^MALFORMED: /, () => scribbled(() => ({ offset: 16_777_216 - 4096 }))],
    ['begins in a page', /^MALFORMED: /, () => scribbled((_head, { offset }) => ({ offset: offset + 8 }))],
    ['is of a region that is not there', /^UNAVAILABLE: /, () => scribbled(() => ({ region: 9 }))],
    ['is for a third side', /^MALFORMED: side 2/, () => scribbled(() => ({ side: 2 }))],
  ]
  for (const [what, why, how] of bad) {
    test(`is a stream where the place ${what}, and the place is free again`, async () => {
      const all = await world(how())
      await settled(all, ({ noRings }) => why.test(String(noRings)))
      assert.deepEqual([all.a.medium, all.b.medium], ['stream', 'stream'])
      await until(() => places(all.memory).inUse === 0)
      await all.dispose()
    })
  }

  test('stays a stream when all places are in use, and the next channel finds those that came free', async () => {
    const all = await onRings()
    const { memory } = all
    const total = places(memory).places
    assert.equal(total, 31)
    const taken = Array.from({ length: total - 1 }, () => memory.allocate('server', 'client'))
    assert.throws(
      () => memory.allocate('client', 'server'),
      (error) => error instanceof BusbarError && error.code === 'BUSY',
    )
    for (const [index, place] of taken.entries()) {
      place.released(0)
      assert.equal(places(memory).free, index)
      place.released(0)
      assert.equal(places(memory).free, index)
      place.released(1)
      place.released(1)
    }
    assert.equal(places(memory).free, total - 1)
    await all.dispose()
  })
})

describe('a place in memory that machines share', { timeout: 60_000 }, () => {
  test('is free when both ends have closed', async () => {
    const all = await onRings()
    assert.equal(places(all.memory).inUse, 1)
    await exchange(all, 7)
    await Promise.all([all.a.end(), all.b.end()])
    assert.equal(await all.a.read(), undefined)
    assert.equal(await all.b.read(), undefined)
    await until(() => places(all.memory).inUse === 0)
    await all.dispose()
  })

  test('is free when the program of one machine was killed, and the other program hears why its channel broke', async () => {
    const all = await onRings()
    all.killProgram('server')
    const reason = await all.a.closed
    assert.equal(reason?.code, 'PEER_DIED')
    await until(() => places(all.memory).inUse === 0)
    await all.dispose()
  })

  test('is not given to others while a machine without a link may still write there, only when that has stopped', async () => {
    const all = await onRings()
    all.cut('server')
    assert.equal((await all.a.closed)?.code, 'PEER_DIED')
    assert.equal((await all.b.closed)?.code, 'LINK_LOST')
    for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate)
    assert.equal(places(all.memory).inUse, 1)
    all.memory.stopped('server')
    assert.equal(places(all.memory).inUse, 0)
    await all.dispose()
  })

  test('is another one than the last that was given back', () => {
    const memory = pairs([PAIR])
    memory.of('client')
    const first = memory.allocate('client', 'server')
    first.released(0)
    first.released(1)
    const second = memory.allocate('client', 'server')
    assert.notEqual(second.grants[0].offset, first.grants[0].offset)
    assert.notDeepEqual(second.grants[0].key, first.grants[0].key)
    memory.close()
  })
})

describe('memory that machines share', () => {
  const memory = pairs([
    ['a', 'b'],
    ['a', 'c'],
  ])
  after(() => memory.close())

  test('is of one pair: a third machine inherits none of it', () => {
    const of = (name: string): number[] => memory.of(name).map(({ fd }) => fd)
    const [ab, ac] = of('a')
    assert.notEqual(ab, ac)
    assert.deepEqual(of('b'), [ab])
    assert.deepEqual(of('c'), [ac])
    assert.deepEqual(of('d'), [])
    for (const [caller, service] of [
      ['b', 'c'],
      ['a', 'a'],
      ['a', 'd'],
    ] as const) {
      assert.throws(() => memory.allocate(caller, service), { code: 'UNAVAILABLE' })
    }
  })

  test('has for each machine the number that its device has there', () => {
    const { grants } = memory.allocate('c', 'a')
    assert.deepEqual(
      grants.map(({ region, side }) => [region, side]),
      [
        [0, 0],
        [1, 1],
      ],
    )
  })

  test('cannot be shortened by anybody: that would end the others', () => {
    const [region] = memory.of('b')
    const fd = openSync(`/proc/self/fd/${region?.fd}`, 'r+')
    assert.throws(() => ftruncateSync(fd, 0), { code: 'EPERM' })
    closeSync(fd)
  })
})
