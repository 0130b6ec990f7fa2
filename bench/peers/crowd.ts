/** Many partitions in one process, with channels between them that do nothing. */
import { Bus } from 'busbar/agent'
import { DialledCarrier, Endpoint } from 'busbar/bus'
import { connectUnix, nodeEnv, RingMedium, RingPoller } from 'busbar/transport'
import { serve } from './serve.ts'

/** Channels that are opened at once: the bus makes rings for 64 at a time. */
const AT_ONCE = 32

const env = nodeEnv()
const poller = new RingPoller()

/** Attaches so many partitions, `p0` on, and opens so many channels from each to the next. */
async function crowd({ path, partitions, channels }: { path: string; partitions: number; channels: number }) {
  const buses: Bus[] = []
  for (let i = 0; i < partitions; i++) {
    const dial = () => connectUnix(path)
    const rings = await RingMedium.load(poller)
    const bus = new Bus(await Endpoint.attach(new DialledCarrier(await dial(), dial), { env, rings }), env)
    await bus.offer('sink', (pipe) => void pipe.on('error', () => {}).resume())
    buses.push(bus)
  }
  for (let opened = 0; opened < partitions * channels; opened += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, partitions * channels - opened) }, async (_, index) => {
      const from = (opened + index) % partitions
      const pipe = await (buses[from] as Bus).openPipe(`p${(from + 1) % partitions}/sink`, { wait: true })
      await pipe.write(new Uint8Array(1))
    })
    await Promise.all(some)
  }
}

serve((request: Parameters<typeof crowd>[0]) => crowd(request))
