/** What tests of partitions on one bus need: the bus in memory, and how to wait for it and to judge its errors. */
import assert from 'node:assert/strict'
import { Bus } from '../src/agent/index.ts'
import { Broker, CarrierListener, DialledCarrier, Endpoint, MuxCarrier } from '../src/bus/index.ts'
import { BusbarError, type ErrorCode } from '../src/errors/index.ts'
import { type ByteLink, memoryPair } from '../src/link/index.ts'
import { nodeEnv, RingAllocator, RingMedium } from '../src/transport/index.ts'

const env = nodeEnv()
/** `rings-objects.test.ts` runs tests of others once more, with channels that go over to rings. */
const rings = process.env['BUSBAR_TEST_RINGS'] === 'on' ? await RingAllocator.load() : undefined

/** A partition of a bus in memory. */
export interface Partition {
  readonly bus: Bus
  /** As when it is killed: nothing is said. */
  die(): void
}

/** A bus whose partitions are links in memory. */
export class MemoryBus {
  readonly #broker: Broker

  /** `allowed` decides who may open what another partition offers; by default everybody may. */
  constructor(allowed: (from: string, to: string) => boolean = () => true) {
    this.#broker = new Broker({
      env,
      policy: {
        decide: ({ caller, target }) => ({ allowed: allowed(caller, target), rule: 'test' }),
        sees: () => true,
      },
      rings,
    })
  }

  /** Attaches a partition, or one that died anew. */
  async partition(name: string): Promise<Partition> {
    if (rings !== undefined) return this.#partitionOnRings(name)
    const [near, far] = memoryPair()
    this.#broker.attach(name, new MuxCarrier(far, { side: 'bus', env }))
    const bus = new Bus(await Endpoint.attach(new MuxCarrier(near, { side: 'partition', env }), { env }), env)
    return { bus, die: () => far.close() }
  }

  /** The same with a link for each channel, as a process has it. */
  async #partitionOnRings(name: string): Promise<Partition> {
    const links: ByteLink[] = []
    const listener = new CarrierListener({
      env,
      onCarrier: (carrier) => void this.#broker.attach(name, carrier, { here: true }),
    })
    const dial = async (): Promise<ByteLink> => {
      const [near, far] = memoryPair()
      links.push(far)
      listener.accept(far)
      return near
    }
    const endpoint = await Endpoint.attach(new DialledCarrier(await dial(), dial), {
      env,
      rings: await RingMedium.load(),
    })
    const die = (): void => {
      for (const link of links) link.close(new BusbarError('LINK_LOST', 'the partition died'))
    }
    return { bus: new Bus(endpoint, env), die }
  }

  /** What carries the channels that are joined now. */
  get media(): string[] {
    return (this.#broker.inspect() as { pipes: { medium: string }[] }).pipes.map(({ medium }) => medium)
  }

  close(): void {
    this.#broker.close()
  }
}

/** Waits until something holds, turn by turn: the test's own time-out is the only clock. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise<void>((resolve) => setImmediate(resolve))
}

/** For `assert.rejects`: an error of Busbar's with this code. */
export function code(expected: ErrorCode): (thrown: unknown) => boolean {
  return (thrown) => {
    assert.ok(thrown instanceof BusbarError, String(thrown))
    assert.equal(thrown.code, expected, thrown.message)
    return true
  }
}
