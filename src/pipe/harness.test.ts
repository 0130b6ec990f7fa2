/** A bus in memory for the tests of pipes; `rings.test.ts` runs them once more, with channels that go over to rings. */
import { Broker, type BusLimits, CarrierListener, DialledCarrier, Endpoint, MuxCarrier } from '../bus/index.ts'
import { type ByteLink, type Env, memoryPair } from '../link/index.ts'
import { RingPairs } from '../testing/index.ts'
import { type MappedStream, RingAllocator, RingMedium } from '../transport/index.ts'

const ON_RINGS = process.env['BUSBAR_TEST_RINGS'] === 'on'
const allocator = ON_RINGS ? await RingAllocator.load() : undefined
const medium = ON_RINGS ? await RingMedium.load() : undefined
const pairs = new RingPairs()
let raised = 0

/** Ends of channels that went over to rings so far. */
export function ringEnds(): number {
  return raised
}

/** Two ends of a link, as the tests have them. */
export function linkPair(): ReturnType<RingPairs['pair']> {
  return ON_RINGS ? pairs.pair() : memoryPair()
}

export function newBroker(env: Env): Broker {
  const everyone = { allowed: true, rule: 'test' }
  const policy = { decide: () => everyone, sees: () => true }
  // Nothing is asked of ends that a test keeps still, and timers are counted.
  return new Broker({ env, policy, rings: allocator, limits: { keepAliveInterval: 0 } })
}

/** A partition of that bus. */
export async function attach(
  broker: Broker,
  partition: string,
  env: Env,
  limits: Partial<BusLimits> = {},
): Promise<Endpoint> {
  if (medium === undefined) {
    const [near, far] = memoryPair()
    broker.attach(partition, new MuxCarrier(far, { side: 'bus', env }))
    return Endpoint.attach(new MuxCarrier(near, { side: 'partition', env }), { env, limits })
  }
  const listener = new CarrierListener({
    env,
    onCarrier: (carrier) => void broker.attach(partition, carrier, { here: true }),
  })
  const dial = async (): Promise<ByteLink> => {
    const [near, far] = memoryPair()
    listener.accept(far)
    return near
  }
  const rings = { wrap: (stream: ByteLink): MappedStream => counted(medium.wrap(stream)) }
  return Endpoint.attach(new DialledCarrier(await dial(), dial), { env, limits, rings })
}

function counted(stream: MappedStream): MappedStream {
  const { raise } = stream
  stream.raise = () => {
    raised++
    raise.call(stream)
  }
  return stream
}
