/** A bus that says what it likes. */
import assert from 'node:assert/strict'
import { BusbarError } from '../errors/index.ts'
import { type ByteLink, memoryPair } from '../link/index.ts'
import { MuxSession } from '../mux/index.ts'
import { Endpoint } from './endpoint.ts'
import { RawControl, TestEnv, turns } from './harness.test.ts'
import { MuxCarrier } from './mux-carrier.ts'
import type { RingMedium } from './rings.ts'

export interface RawBus {
  readonly env: TestEnv
  readonly attaching: Promise<Endpoint>
  control(): Promise<RawControl>
  /** Contact made. */
  attached(): Promise<{ endpoint: Endpoint; control: RawControl }>
  /** A stream of the bus's own. */
  open(): { id: number; link: ByteLink }
  cut(): void
  /** From now on it takes no more than the window that it gave. */
  stall(): void
}

interface How {
  signal?: AbortSignal
  /** What the other side has rings with, and what the bus grants of that. */
  rings?: RingMedium
  features?: number
}

export function rawBus({ signal, rings, features = 0 }: How = {}): RawBus {
  const env = new TestEnv()
  const [near, far] = memoryPair()
  const controls: RawControl[] = []
  const mux = new MuxSession(far, {
    role: 'server',
    env: new TestEnv(),
    onStream: (stream) => void (stream.id === 1 && controls.push(new RawControl(stream))),
  })
  const attaching = Endpoint.attach(new MuxCarrier(near, { side: 'partition', env }), { env, signal, rings })
  attaching.catch(() => {})
  const control = async (): Promise<RawControl> => {
    await turns()
    return controls[0] ?? assert.fail('no control stream was opened')
  }
  return {
    env,
    attaching,
    control,
    attached: async () => {
      const raw = await control()
      await raw.next('initiateContact')
      raw.send({
        kind: 'versionResponse',
        version: 1,
        features,
        partition: 'web',
        epoch: 3,
        token: new Uint8Array(16),
      })
      return { endpoint: await attaching, control: raw }
    },
    open: () => {
      const link = mux.open()
      return { id: link.id, link }
    },
    cut: () => far.close(new BusbarError('LINK_LOST', 'cut')),
    stall: () => far.fence(),
  }
}
