/** Channels between a program of a machine and whatever shares no memory with it, over rings that end in the bus. */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import type { Channel, PlaceGrant, RaisableLink, RingMedium, RingSignals } from '../bus/index.ts'
import { BusbarError } from '../errors/index.ts'
import type { Awaitable, ByteLink, MessageLink } from '../link/index.ts'
import { Pipe } from '../pipe/index.ts'
import { flowing, type LinkPair, linkSuite, messageSuite } from '../testing/index.ts'
import type { Libc, PlaceMedium } from '../transport/index.ts'
import { exchange, type How, libc, PAIR, scribbling, settled, shown, until, type World, world } from './harness.test.ts'
import { SharedRegions } from './shared-regions.ts'

/** Each machine shares memory with the bus, and none with the other. */
function busOnly(from: Libc | BusbarError = libc, bytes?: number): SharedRegions {
  return new SharedRegions({ direct: [], withBus: PAIR }, from, bytes)
}

/** What there is at the two ends of a pipe. */
const ENDS = {
  'from a machine to a process': { processes: ['server'], direct: false },
  'from a process to a machine': { processes: ['client'], direct: false },
  'between machines that share none with each other': { direct: false },
} as const

/** A pipe whose machines have gone over to rings with the bus. */
async function onRings(how: How = {}): Promise<World> {
  const all = await world({ memory: busOnly(), ...how })
  await carried(all, how)
  return all
}

/** When the bus and the programs of machines write to rings. */
async function carried({ broker, a, b }: Pick<World, 'broker' | 'a' | 'b'>, { processes = [] }: How): Promise<void> {
  const ofMachines = [...(processes.includes('client') ? [] : [a]), ...(processes.includes('server') ? [] : [b])]
  const media = (): unknown[] => [...(broker.inspect() as Report).pipes, ...ofMachines].map(({ medium }) => medium)
  await until(() => media().every((medium) => medium === 'ring'))
}

interface Report {
  readonly pipes: readonly { readonly medium: string }[]
}

async function pipePair(mode: 'byte' | 'message', how: How): Promise<LinkPair<Pipe & MessageLink>> {
  const { a, b, dispose } = await onRings({ ...how, mode })
  const pipeOf = (channel: Channel) => Object.assign(new Pipe(channel), { maxMessage: 65_528 })
  return { a: pipeOf(a), b: pipeOf(b), dispose }
}

for (const [what, how] of Object.entries<How>(ENDS)) {
  linkSuite(`channel ${what}`, () => onRings(how))
  linkSuite(`channel ${what} that goes over to rings meanwhile`, () => world({ memory: busOnly(), ...how }))
  const messages = { queuesReads: true, maxChunk: 65_528 }
  messageSuite(`pipe ${what} in message mode`, () => pipePair('message', how), messages)
}
const [TO_PROCESS, FROM_PROCESS] = [ENDS['from a machine to a process'], ENDS['from a process to a machine']]
linkSuite('channel to the bus without polling', () => onRings({ ...TO_PROCESS, window: 0 }))
linkSuite('channel from the bus read through flow', async () => flowing(await onRings(FROM_PROCESS)))
linkSuite('pipe to the bus in byte mode', () => pipePair('byte', TO_PROCESS), { queuesReads: true })

interface Places {
  readonly machine: string
  readonly places: number
  readonly free: number
  readonly inUse: number
}

function inUse(memory: SharedRegions): number[] {
  return (memory.inspect().withBus as Places[]).map((region) => region.inUse)
}

describe('the medium of a pipe between a machine and the bus', { timeout: 60_000 }, () => {
  test('is a ring, and the bus knows what passed', async () => {
    const all = await onRings(TO_PROCESS)
    const { bytesToService } = shown(all.broker) as { bytesToService: number }
    await exchange(all, 7)
    assert.deepEqual(shown(all.broker), {
      caller: 'client',
      pipe: 'server/it',
      medium: 'ring',
      notDirect: undefined,
      bytesToService: bytesToService + 1,
      bytesToCaller: bytesToService + 1,
    })
    assert.deepEqual([all.a.medium, all.b.medium, inUse(all.memory)], ['ring', 'stream', [1, 0]])
    await all.dispose()
  })

  test('is two rings between machines, each with the bus, though a rule says `direct`: they have none of their own', async () => {
    const all = await onRings({ direct: true })
    assert.deepEqual(inUse(all.memory), [1, 1])
    assert.match(String(shown(all.broker)['notDirect']), /^UNAVAILABLE: "client" and "server" did not share memory/)
    await all.dispose()
  })

  test('is a ring past the bus where two machines share memory and may', async () => {
    const memory = new SharedRegions({ direct: [PAIR], withBus: PAIR }, libc)
    const all = await world({ memory })
    await settled(all, ({ medium }) => medium === 'ring')
    assert.deepEqual(shown(all.broker), { caller: 'client', pipe: 'server/it', medium: 'ring' })
    assert.deepEqual(inUse(memory), [0, 0])
    await all.dispose()
  })

  test('is a ring while somebody captures, who hears all of it', async () => {
    const heard: number[][] = [[], []]
    const tap = {
      bytes: (fromCaller: boolean, chunk: Uint8Array) => void heard[fromCaller ? 0 : 1]?.push(...chunk),
      ended: () => {},
      closed: () => {},
    }
    const memory = new SharedRegions({ direct: [PAIR], withBus: PAIR }, libc)
    const all = await onRings({ memory, prepare: (broker) => void broker.follow(() => tap) })
    for (let round = 0; round < 20; round++) await exchange(all, round)
    const rounds = Array.from({ length: 20 }, (_, index) => index)
    assert.deepEqual(heard, [rounds, rounds])
    assert.deepEqual(inUse(memory), [1, 1])
    await all.dispose()
  })

  const never: readonly [string, RegExp | undefined, () => How][] = [
    ['the host has no rings', undefined, () => ({ memory: busOnly(new BusbarError('UNAVAILABLE', 'on purpose')) })],
    ['the machine has no such device', undefined, () => ({ places: [] })],
    ['the program has no rings', /^UNAVAILABLE: the program has no rings/, () => ({ medium: () => undefined })],
    [
      'the machine is another',
      /^UNAVAILABLE: "server" shared no memory with the bus when it started/,
      () => {
        return { memory: new SharedRegions({ direct: [], withBus: ['client'] }, libc) }
      },
    ],
    ['the region is too small', /^BUSY: all 0 places/, () => ({ memory: busOnly(libc, 65_536) })],
    [
      'the bus cannot map it',
      /^UNAVAILABLE: mmap failed/,
      () => {
        const map: Libc['map'] = (fd, length, offset) => {
          if (offset === undefined) return libc.map(fd, length)
          throw new BusbarError('UNAVAILABLE', 'mmap failed')
        }
        return { memory: busOnly({ ...libc, map }) }
      },
    ],
    ['the program cannot map it', /^MALFORMED: /, () => scribbling(busOnly(), () => ({ length: 8192 }))],
    [
      'another wrote over it',
      /^STALE_EPOCH: /,
      () => {
        return scribbling(busOnly(), (head) => head.setUint8(20, head.getUint8(20) ^ 1))
      },
    ],
  ]
  for (const [what, why, how] of never) {
    test(`is a stream where ${what}, and no place is in use`, async () => {
      const all = await world({ memory: busOnly(), ...FROM_PROCESS, ...how() })
      let rounds = 0
      await settled(all, ({ noRings }) => ++rounds >= 50 && (why === undefined || why.test(String(noRings))))
      assert.deepEqual([shown(all.broker)['medium'], all.a.medium, all.b.medium], ['stream', 'stream', 'stream'])
      if (why === undefined) assert.equal(shown(all.broker)['noRings'], undefined)
      await until(() => inUse(all.memory).every((count) => count === 0))
      await all.dispose()
    })
  }

  test('is a stream when all places are in use, and the next channel finds one that came free', async () => {
    const all = await onRings(FROM_PROCESS)
    const { allocate } = all.memory.withBus(undefined as never) ?? assert.fail()
    const taken = Array.from({ length: 30 }, () => allocate('server'))
    const second = await all.another()
    await until(() => (all.broker.inspect() as { pipes: { noRings?: string }[] }).pipes[1]?.noRings !== undefined)
    await exchange(second, 1)
    assert.equal(second.b.medium, 'stream')
    for (const side of [0, 1] as const) taken[0]?.released(side)
    const third = await all.another()
    await until(() => third.b.medium === 'ring')
    await exchange(third, 2)
    await all.dispose()
  })
})

describe('a place in memory that a machine shares with the bus', { timeout: 60_000 }, () => {
  test('is free when both ends have closed', async () => {
    const all = await onRings(TO_PROCESS)
    await exchange(all, 7)
    await Promise.all([all.a.end(), all.b.end()])
    assert.equal(await all.a.read(), undefined)
    assert.equal(await all.b.read(), undefined)
    await until(() => inUse(all.memory)[0] === 0)
    await all.dispose()
  })

  for (const victim of PAIR) {
    test(`is free when the program of the ${victim} was killed, and the other hears why its channel broke`, async () => {
      for (const ends of [TO_PROCESS, FROM_PROCESS]) {
        const all = await onRings(ends)
        all.killProgram(victim)
        assert.equal((await (victim === 'client' ? all.b : all.a).closed)?.code, 'PEER_DIED')
        await until(() => inUse(all.memory).every((count) => count === 0))
        await all.dispose()
      }
    })
  }

  test('is not given to others while a machine without a link may still write there, only when that has stopped', async () => {
    const all = await onRings(FROM_PROCESS)
    all.cut('server')
    assert.equal((await all.a.closed)?.code, 'PEER_DIED')
    for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate)
    assert.deepEqual(inUse(all.memory), [0, 1])
    all.memory.stopped('server')
    assert.deepEqual(inUse(all.memory), [0, 0])
    await all.dispose()
  })

  test('is given back by the bus when that closes, and by the machine when that has stopped', async () => {
    const all = await onRings(FROM_PROCESS)
    all.broker.close()
    await all.a.closed
    all.memory.stopped('server')
    await until(() => inUse(all.memory)[1] === 0)
    await all.dispose()
  })
})

/** Where the rings are in a place: its first page says what it is; the bus writes the first ring, the machine the second. */
const PAGE = 4096
const RING = PAGE + 262_144
const [FROM_BUS, FROM_MACHINE] = [PAGE, PAGE + RING]
const [WRITE_INDEX, READ_INDEX] = [0, 4]

describe('a machine that writes nonsense', { timeout: 60_000 }, () => {
  // A channel that broke waits for the other end to say why, by a timer that keeps nobody.
  const keepAlive = setInterval(() => {}, 1000)
  after(() => clearInterval(keepAlive))
  const lies: readonly [string, (place: DataView) => void][] = [
    ['an index inside of a unit', (place) => place.setUint32(FROM_MACHINE + WRITE_INDEX, 4, true)],
    ['an index behind the end', (place) => place.setUint32(FROM_MACHINE + WRITE_INDEX, 0x7fff_fff8, true)],
    ['that it has read what was not written', (place) => place.setUint32(FROM_BUS + READ_INDEX, 131_072, true)],
    ['that it has read behind the end', (place) => place.setUint32(FROM_BUS + READ_INDEX, 0xffff_fff8, true)],
    [
      'packets that are none',
      (place) => {
        for (let at = 0; at < 262_144; at += 4) place.setUint32(FROM_MACHINE + PAGE + at, 0xffff_ffff, true)
        place.setUint32(FROM_MACHINE + WRITE_INDEX, place.getUint32(FROM_MACHINE + WRITE_INDEX, true) ^ 4096, true)
      },
    ],
    [
      'all over its place',
      (place) => {
        for (let at = 0; at < place.byteLength; at += 4) place.setUint32(at, 0xa5a5_a5a5, true)
      },
    ],
  ]
  for (const [what, lie] of lies) {
    test(`(${what}) loses that channel, and no other`, async () => {
      let liar: Liar | undefined
      const medium = (_machine: string, real: PlaceMedium): RingMedium => ({
        maps: 'places',
        wrap: (stream) => (liar === undefined ? (liar = new Liar(stream)) : real.wrap(stream)),
      })
      const memory = busOnly()
      const all = await world({ ...FROM_PROCESS, memory, medium, glances: true })
      await until(() => shown(all.broker)['medium'] === 'ring')
      const second = await all.another()
      await until(() => second.b.medium === 'ring')
      await exchange(second, 1)
      const [region] = memory.of('server')
      const { bytes } = libc.map(region?.fd ?? -1, region?.bytes ?? 0)
      const { offset = 0, length = 0 } = liar?.grant ?? {}
      lie(new DataView(bytes.buffer, offset, length))
      // More than fits, so that the bus must know what was read.
      for (let sent = 0; sent < 10; sent++) Promise.resolve(all.a.write(new Uint8Array(65_536))).catch(() => {})
      assert.equal((await all.a.closed)?.code, 'MALFORMED')
      await exchange(second, 2)
      await until(() => inUse(memory)[1] === 1)
      await all.dispose()
    })
  }
})

/** The end of a machine that has the memory, and no rings. */
class Liar implements RaisableLink {
  readonly medium = 'stream'
  readonly #below: ByteLink
  grant: PlaceGrant | undefined

  constructor(below: ByteLink) {
    this.#below = below
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#below.closed
  }
  take(grant: Parameters<RaisableLink['take']>[0], { released }: RingSignals): void {
    if ('region' in grant) this.grant = grant
    void this.closed.then(released)
  }
  raise(): void {}
  abandon(): void {}
  read(): Awaitable<Uint8Array | undefined> {
    return this.#below.read()
  }
  write(chunk: Uint8Array): Awaitable<void> {
    return this.#below.write(chunk)
  }
  end(): Awaitable<void> {
    return this.#below.end()
  }
  close(reason?: BusbarError): void {
    this.#below.close(reason)
  }
}
