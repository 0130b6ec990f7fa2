/** Channels between programs of two machines, over real memory: all of it but the machines, each of which is a system object here. */
import assert from 'node:assert/strict'
import { closeSync, ftruncateSync, openSync } from 'node:fs'
import { after, describe, test } from 'node:test'
import {
  Broker,
  CarrierListener,
  type Channel,
  DialledCarrier,
  Endpoint,
  MuxCarrier,
  PlaceBridge,
  type RingMedium,
  SystemObject,
} from '../bus/index.ts'
import { BusbarError } from '../errors/index.ts'
import { type ByteLink, type Env, memoryPair, type MessageLink } from '../link/index.ts'
import { Pipe } from '../pipe/index.ts'
import { flowing, type LinkPair, linkSuite, messageSuite } from '../testing/index.ts'
import { loadLibc, nodeEnv, PlaceMedium, RingPoller } from '../transport/index.ts'
import { DirectMemory } from './direct-memory.ts'

const env: Env = nodeEnv()
const libc = await loadLibc()

interface How {
  readonly mode?: 'byte' | 'message'
  /** How long programs look for more, `ms`. */
  readonly window?: number
  /** Whether the rule that allows the channel says `direct`. */
  readonly direct?: boolean
  /** What shares memory at all. */
  readonly memory?: DirectMemory
  /** Machines that have the devices. */
  readonly places?: readonly string[]
  /** What the programs of a machine have. */
  readonly medium?: (machine: string, real: PlaceMedium) => RingMedium | undefined
  readonly prepare?: (broker: Broker) => void
}

interface World {
  readonly a: Channel
  readonly b: Channel
  readonly broker: Broker
  readonly memory: DirectMemory
  /** Ends the link of a machine to the bus; its programs live on. */
  cut(machine: string): void
  /** Ends a program of a machine as a kill does: its sockets close, and nothing else happens. */
  killProgram(machine: string): void
  dispose(): Promise<void>
}

const PAIR = ['client', 'server'] as const

/** A broker, two machines with a program each, and a channel between the programs. */
async function world(how: How = {}): Promise<World> {
  const memory = how.memory ?? new DirectMemory([PAIR], libc)
  const allowed = { allowed: true, rule: 'test', direct: how.direct ?? true }
  const broker = new Broker({ env, policy: { decide: () => allowed, sees: () => true }, places: memory })
  how.prepare?.(broker)
  const links = new Map<string, ByteLink>()
  const sockets = new Map<string, ByteLink[]>()
  const join = async (name: string): Promise<Endpoint> => {
    const regions = memory.of(name)
    const places = (how.places ?? PAIR).includes(name)
    const [near, far] = memoryPair()
    links.set(name, far)
    broker.attach(name, new MuxCarrier(far, { side: 'bus', env }), { places })
    const bridge = places ? new PlaceBridge() : undefined
    const machine = await Endpoint.attach(new MuxCarrier(near, { side: 'partition', env }), { env, rings: bridge })
    const system = new SystemObject(machine, env, {}, bridge)
    const listener = new CarrierListener({ env, onCarrier: (carrier) => void system.attach(carrier) })
    const dial = async (): Promise<ByteLink> => {
      const [own, other] = memoryPair()
      sockets.set(name, [...(sockets.get(name) ?? []), own])
      listener.accept(other)
      return own
    }
    const pathOf = (region: number): string => `/proc/self/fd/${regions[region]?.fd}`
    const real = new PlaceMedium(libc, new RingPoller(how.window), pathOf)
    const rings = how.medium === undefined ? real : how.medium(name, real)
    return Endpoint.attach(new DialledCarrier(await dial(), dial), { env, rings })
  }
  const server = await join('server')
  const client = await join('client')
  const { mode = 'byte' } = how
  const accepted = new Promise<Channel>((resolve, reject) => {
    server
      .offer('it', { mode, decide: (opening, caller) => void opening.accept(caller).then(resolve, reject) })
      .then(() => client.open('server/it', { mode }).then((channel) => opened(channel), reject), reject)
  })
  let opened: (channel: Channel) => void = () => {}
  const opening = new Promise<Channel>((resolve) => {
    opened = resolve
  })
  const [a, b] = await Promise.all([opening, accepted])
  return {
    a,
    b,
    broker,
    memory,
    cut: (machine) => links.get(machine)?.close(new BusbarError('LINK_LOST', 'on purpose')),
    killProgram: (machine) => {
      for (const socket of sockets.get(machine) ?? []) socket.close(new BusbarError('RESET', 'on purpose'))
    },
    dispose: async () => {
      broker.close()
      memory.close()
    },
  }
}

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

function shown(broker: Broker): Record<string, unknown> {
  const { pipes } = broker.inspect() as { pipes: Record<string, unknown>[] }
  assert.equal(pipes.length, 1)
  return pipes[0] as Record<string, unknown>
}

function places(memory: DirectMemory): { places: number; free: number; inUse: number } {
  const [pair] = memory.inspect() as [{ places: number; free: number; inUse: number }]
  return pair
}

/** One byte each way. */
async function exchange({ a, b }: World, value: number): Promise<void> {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    await from.write(new Uint8Array([value]))
    assert.deepEqual(new Uint8Array((await to.read()) ?? []), new Uint8Array([value & 255]))
  }
}

/** Sends both ways until the bus has said what became of the rings. */
async function settled(all: World, over: (pipe: Record<string, unknown>) => boolean): Promise<void> {
  for (let round = 0; ; round++) {
    await exchange(all, round)
    if (over(shown(all.broker))) return
    await new Promise(setImmediate)
  }
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(setImmediate)
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
      () => ({ memory: new DirectMemory([['client', 'other']], libc) }),
    ],
    [
      'the host can make no memory',
      'UNAVAILABLE: on purpose',
      () => ({ memory: new DirectMemory([PAIR], new BusbarError('UNAVAILABLE', 'on purpose')) }),
    ],
    [
      'making it fails',
      'UNAVAILABLE: memfd_create failed',
      () => {
        const fails = (): never => {
          throw new BusbarError('UNAVAILABLE', 'memfd_create failed')
        }
        return { memory: new DirectMemory([PAIR], { ...libc, memory: fails }) }
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

  /** Lets a machine write into the memory before its peer maps the place. */
  const scribbling = (write: (head: DataView, grant: { offset: number; length: number }) => object | void): How => {
    const memory = new DirectMemory([PAIR], libc)
    const [shared] = memory.of('client')
    const { bytes } = libc.map(shared?.fd ?? -1, shared?.bytes ?? 0)
    const medium = (machine: string, real: PlaceMedium): RingMedium => ({
      maps: 'places',
      wrap: (stream) => {
        const wrapped = real.wrap(stream)
        const { take } = wrapped
        wrapped.take = (grant, signals) => {
          const changed = machine === 'server' ? write(new DataView(bytes.buffer, grant.offset), grant) : {}
          take.call(wrapped, { ...grant, ...changed }, signals)
        }
        return wrapped
      },
    })
    return { memory, medium }
  }
  const bad: readonly [string, RegExp, () => How][] = [
    ['is no region', /^MALFORMED: this memory is no region/, () => scribbling((head) => head.setUint32(0, 7))],
    ['is of a foreign version', /^VERSION: /, () => scribbling((head) => head.setUint32(4, 2, true))],
    [
      'was made for another channel',
      /^STALE_EPOCH: /,
      () => scribbling((head) => head.setUint8(20, head.getUint8(20) ^ 1)),
    ],
    ['claims to be larger', /^MALFORMED: a region of/, () => scribbling((head) => head.setUint32(8, 524_288, true))],
    [
      'claims to have no end',
      /^MALFORMED: a region with rings of/,
      () => scribbling((head) => head.setUint32(8, 2 ** 31, true)),
    ],
    ['is too small for two rings', /^MALFORMED: a region of 8192 bytes/, () => scribbling(() => ({ length: 8192 }))],
    ['lies behind the end', /^MALFORMED: \d+ bytes at 16777216/, () => scribbling(() => ({ offset: 16_777_216 }))],
    ['lies across the end', /^MALFORMED: /, () => scribbling(() => ({ offset: 16_777_216 - 4096 }))],
    ['begins in a page', /^MALFORMED: /, () => scribbling((_head, { offset }) => ({ offset: offset + 8 }))],
    ['is of a region that is not there', /^UNAVAILABLE: /, () => scribbling(() => ({ region: 9 }))],
    ['is for a third side', /^MALFORMED: side 2/, () => scribbling(() => ({ side: 2 }))],
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
    const memory = new DirectMemory([PAIR], libc)
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
  const memory = new DirectMemory(
    [
      ['a', 'b'],
      ['a', 'c'],
    ],
    libc,
  )
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
