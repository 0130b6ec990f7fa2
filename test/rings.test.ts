/** Channels between partitions that share memory: the suites again, and everything that keeps them from it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Broker, CarrierListener, type Channel, DialledCarrier, Endpoint, type RingMedium } from '../src/bus/index.ts'
import { BusbarError } from '../src/errors/index.ts'
import { type ByteLink, type Env, memoryPair, type MessageLink } from '../src/link/index.ts'
import { Pipe } from '../src/pipe/index.ts'
import { flowing, type LinkPair, linkSuite, messageSuite } from '../src/testing/index.ts'
import { nodeEnv, RingAllocator, RingMedium as Mapped, RingPoller } from '../src/transport/index.ts'

const env: Env = nodeEnv()
const everyone = { allowed: true, rule: 'test' }
const allocator = await RingAllocator.load()
const medium = (window?: number): Promise<Mapped> => Mapped.load(new RingPoller(window))

interface World {
  readonly a: Channel
  readonly b: Channel
  readonly broker: Broker
  readonly client: Endpoint
  dispose(): Promise<void>
}

interface How {
  readonly mode?: 'byte' | 'message'
  readonly server?: RingMedium | undefined
  readonly client?: RingMedium | undefined
  readonly rings?: RingAllocator | { allocate(): never } | undefined
  /** Whether the bus takes the client for a process of its own host. */
  readonly here?: boolean
  readonly prepare?: (broker: Broker) => void
}

/** A broker, two partitions with a link for each channel, and a channel between them. */
async function world(how: How): Promise<World> {
  const broker = new Broker({ env, policy: { decide: () => everyone, sees: () => true }, rings: how.rings })
  how.prepare?.(broker)
  const join = async (name: string, rings: RingMedium | undefined, here: boolean): Promise<Endpoint> => {
    const listener = new CarrierListener({ env, onCarrier: (carrier) => void broker.attach(name, carrier, { here }) })
    const dial = async (): Promise<ByteLink> => {
      const [near, far] = memoryPair()
      listener.accept(far)
      return near
    }
    return Endpoint.attach(new DialledCarrier(await dial(), dial), { env, rings })
  }
  const server = await join('server', how.server, true)
  const client = await join('client', how.client, how.here ?? true)
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
  return { a, b, broker, client, dispose: async () => broker.close() }
}

/** The same, when both ends write to rings. */
async function onRings(mode: 'byte' | 'message', window?: number): Promise<World> {
  const all = await world({ mode, server: await medium(window), client: await medium(window), rings: allocator })
  while (all.a.medium !== 'ring' || all.b.medium !== 'ring') await new Promise(setImmediate)
  return all
}

async function pipePair(mode: 'byte' | 'message'): Promise<LinkPair<Pipe & MessageLink>> {
  const { a, b, dispose } = await onRings(mode)
  const pipeOf = (channel: Channel) => Object.assign(new Pipe(channel), { maxMessage: 65_528 })
  return { a: pipeOf(a), b: pipeOf(b), dispose }
}

linkSuite('channel on rings', () => onRings('byte'))
linkSuite('channel on rings without polling', () => onRings('byte', 0))
linkSuite('channel that goes over to rings meanwhile', async () =>
  world({ server: await medium(), client: await medium(), rings: allocator }),
)
linkSuite('channel on rings read through flow', async () => flowing(await onRings('byte')))
linkSuite('pipe on rings in byte mode', () => pipePair('byte'), { queuesReads: true })
messageSuite('pipe on rings in message mode', () => pipePair('message'), { queuesReads: true, maxChunk: 65_528 })

/** What the operator sees of the one pipe. */
function shown(broker: Broker): Record<string, unknown> {
  const { pipes } = broker.inspect() as { pipes: Record<string, unknown>[] }
  assert.equal(pipes.length, 1)
  return pipes[0] as Record<string, unknown>
}

/** Sends both ways until the bus has said what became of the rings. */
async function settled({ a, b, broker }: World, over: (pipe: Record<string, unknown>) => boolean): Promise<void> {
  for (let round = 0; ; round++) {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      await from.write(new Uint8Array([round]))
      assert.deepEqual(new Uint8Array((await to.read()) ?? []), new Uint8Array([round & 255]))
    }
    if (over(shown(broker))) return
    await new Promise(setImmediate)
  }
}

describe('the medium of a pipe', { timeout: 60_000 }, () => {
  test('is a ring where both ends can, and the bus does not pretend to know the bytes', async () => {
    const all = await world({ server: await medium(), client: await medium(), rings: allocator })
    await settled(all, ({ medium: found }) => found === 'ring')
    assert.deepEqual(shown(all.broker), { caller: 'client', pipe: 'server/it', medium: 'ring' })
    assert.deepEqual([all.a.medium, all.b.medium], ['ring', 'ring'])
    await all.dispose()
  })

  test('is a ring for all of a hundred that open at once', async () => {
    const all = await world({ server: await medium(), client: await medium(), rings: allocator })
    await Promise.all(Array.from({ length: 99 }, () => all.client.open('server/it', { mode: 'byte' })))
    const media = (): string[] =>
      (all.broker.inspect() as { pipes: { medium: string }[] }).pipes.map((pipe) => pipe.medium)
    assert.equal(media().length, 100)
    while (media().some((found) => found !== 'ring')) await new Promise(setImmediate)
    await all.dispose()
  })

  const failing = (code: 'VERSION' | 'STALE_EPOCH' | 'MALFORMED' | 'UNAVAILABLE', real: Mapped): RingMedium => ({
    wrap: (stream) => {
      const wrapped = real.wrap(stream)
      wrapped.take = () => {
        throw new BusbarError(code, 'on purpose')
      }
      return wrapped
    },
  })
  for (const code of ['VERSION', 'STALE_EPOCH', 'MALFORMED', 'UNAVAILABLE'] as const) {
    for (const side of ['client', 'server'] as const) {
      test(`is a stream where the ${side} finds ${code}, and the operator sees it`, async () => {
        const both = { server: await medium(), client: await medium(), rings: allocator }
        const all = await world({ ...both, [side]: failing(code, both[side]) })
        await settled(all, ({ noRings }) => noRings === `${code}: on purpose`)
        assert.deepEqual([all.a.medium, all.b.medium], ['stream', 'stream'])
        await all.dispose()
      })
    }
  }

  test('is a stream where the bus has no memory for rings', async () => {
    const allocate = (): never => {
      throw new BusbarError('BUSY', 'on purpose')
    }
    const all = await world({ server: await medium(), client: await medium(), rings: { allocate } })
    await settled(all, ({ noRings }) => noRings === 'BUSY: on purpose')
    await all.dispose()
  })

  const both = async (): Promise<How> => ({ server: await medium(), client: await medium(), rings: allocator })
  const never: readonly [string, RegExp | undefined, () => Promise<How>][] = [
    [
      'the caller has none',
      /^UNAVAILABLE: "client" has no rings/,
      async () => ({ ...(await both()), client: undefined }),
    ],
    [
      'the service has none',
      /^UNAVAILABLE: "server" has no rings/,
      async () => ({ ...(await both()), server: undefined }),
    ],
    ['the bus has none', undefined, async () => ({ ...(await both()), rings: undefined })],
    [
      'the bus does not know the caller for a process of its host',
      /^UNAVAILABLE: "client" has no rings/,
      async () => ({ ...(await both()), here: false }),
    ],
    [
      'somebody captures',
      /^CANCELLED: the bytes of this pipe are captured$/,
      async () => ({ ...(await both()), prepare: (broker) => void broker.follow(() => undefined) }),
    ],
  ]
  for (const [what, why, how] of never) {
    test(`is a stream where ${what}`, async () => {
      const all = await world(await how())
      let rounds = 0
      await settled(all, () => ++rounds === 50)
      const { medium: found, noRings, bytesToService } = shown(all.broker)
      assert.deepEqual([found, bytesToService], ['stream', 50])
      if (why === undefined) assert.equal(noRings, undefined)
      else assert.match(String(noRings), why)
      await all.dispose()
    })
  }

  test('stays a stream where a capture begins while the rings are being made', async () => {
    let captured: Broker | undefined
    const real = await medium()
    const late: RingMedium = {
      wrap: (stream) => {
        const wrapped = real.wrap(stream)
        const { take } = wrapped
        wrapped.take = (grant) => {
          captured?.follow(() => undefined)
          take.call(wrapped, grant)
        }
        return wrapped
      },
    }
    const all = await world({
      ...(await both()),
      client: late,
      prepare: (broker) => {
        captured = broker
      },
    })
    await settled(all, ({ noRings }) => noRings === 'CANCELLED: the bytes of this pipe are captured')
    assert.deepEqual([all.a.medium, all.b.medium], ['stream', 'stream'])
    await all.dispose()
  })
})
