/** What tests of partitions on one bus need: the bus in memory, and how to wait for it and to judge its errors. */
import assert from 'node:assert/strict'
import { Bus } from '../src/agent/index.ts'
import { Broker, Endpoint, MuxCarrier } from '../src/bus/index.ts'
import { BusbarError, type ErrorCode } from '../src/errors/index.ts'
import { memoryPair } from '../src/link/index.ts'
import { nodeEnv } from '../src/transport/index.ts'

const env = nodeEnv()

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
    })
  }

  /** Attaches a partition, or one that died anew. */
  async partition(name: string): Promise<Partition> {
    const [near, far] = memoryPair()
    this.#broker.attach(name, new MuxCarrier(far, { side: 'bus', env }))
    const bus = new Bus(await Endpoint.attach(new MuxCarrier(near, { side: 'partition', env }), { env }), env)
    return { bus, die: () => far.close() }
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
