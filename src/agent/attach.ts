import { stat } from 'node:fs/promises'
import { DialledCarrier, Endpoint, MuxCarrier } from '../bus/index.ts'
import { objectLimits } from '../component/index.ts'
import { BusbarError } from '../errors/index.ts'
import {
  checkedRingLimits,
  connectUnix,
  fdLink,
  nodeEnv,
  PlaceMedium,
  pollWindow,
  type ProgramRingLimits,
  RingMedium,
  ringsSwitch,
} from '../transport/index.ts'
import { Bus } from './bus.ts'
import type { BusOptions } from './bus-hooks.ts'
import { defaultBusSocket } from './paths.ts'

export interface AttachOptions extends BusOptions {
  /** Path of the socket of a guest's agent or of a broker. */
  socket?: string
  /** Descriptor of a socket pair whose other end is the bus. */
  fd?: number
  /**
   * `false`: channels stay on sockets. Else limits of rings, where the bus has any: `window` and `spin`, how long to look for more before sleeping and
   * before the event loop has a turn (`ms`), `unread` and `turn`, how much to read ahead and to take at once (`bytes`). What is given here comes before `BUSBAR_POLL`.
   */
  rings?: false | Partial<ProgramRingLimits>
  /** Gives up with `CANCELLED` when it aborts, however long the bus leaves it unanswered. Has no effect once attached. */
  signal?: AbortSignal
}

/** Where the agent of a guest listens for the guest's programs. */
const GUEST_SOCKET = '/run/busbar/agent.sock'

/**
 * Finds the bus and attaches to it: what `options` name, else descriptor `BUSBAR_FD` (a partition of kind `process`), else the
 * socket `BUSBAR_SOCKET`, else the agent of this guest, else the broker of this user on this host.
 * Rejects with `UNAVAILABLE` when there is none, `VERSION` when it speaks no common version, `DEADLINE` when it does not answer within
 * ten seconds, `CANCELLED` when `signal` aborts, `INVALID_ARGUMENT` for one of `limits` or `rings`, or a variable of the environment, that is none.
 */
export async function attach(options: AttachOptions = {}): Promise<Bus> {
  const env = nodeEnv()
  const { signal } = options
  const limits = ringLimits(options.rings)
  objectLimits(options.limits)
  const fd = options.socket === undefined ? (options.fd ?? inheritedDescriptor()) : undefined
  if (fd !== undefined) {
    // Without a place to dial, the channels share the descriptor.
    const channels = process.env['BUSBAR_CHANNELS']
    const carrier =
      channels === undefined
        ? new MuxCarrier(fdLink(fd), { side: 'partition', env })
        : new DialledCarrier(fdLink(fd), () => connectUnix(channels))
    const rings =
      channels === undefined ? undefined : await ringsIfWanted(limits, () => RingMedium.load(undefined, limits))
    return new Bus(await Endpoint.attach(carrier, { env, rings, signal }), env, options)
  }
  const path = options.socket ?? process.env['BUSBAR_SOCKET'] ?? (await findSocket())
  const dial = () => connectUnix(path)
  const rings = await ringsIfWanted(limits, () => PlaceMedium.load(undefined, limits))
  const control = await connectUnix(path, signal === undefined ? {} : { signal })
  return new Bus(await Endpoint.attach(new DialledCarrier(control, dial), { env, rings, signal }), env, options)
}

/** The descriptor that the launcher left for this program. It can be opened once, so it is taken out of the environment. */
function inheritedDescriptor(): number | undefined {
  const text = process.env['BUSBAR_FD']
  if (text === undefined || process.env['BUSBAR_SOCKET'] !== undefined) return undefined
  const fd = Number(text)
  if (!Number.isInteger(fd) || fd < 3) {
    throw new BusbarError('INVALID_ARGUMENT', `BUSBAR_FD is "${text}", not a descriptor`, { stage: 'attach' })
  }
  delete process.env['BUSBAR_FD']
  return fd
}

/** What rings are to keep to, when the bus has them and nobody turned them off (`BUSBAR_RINGS`); `undefined`: no rings. */
function ringLimits(given: AttachOptions['rings'] = {}): Partial<ProgramRingLimits> | undefined {
  const wanted = ringsSwitch(process.env['BUSBAR_RINGS'])
  const window = pollWindow(process.env['BUSBAR_POLL'])
  if (given === false) return undefined
  const limits = checkedRingLimits({ ...(window === undefined ? {} : { window }), ...given })
  return wanted === true ? limits : undefined
}

/** Rings, if this machine lets; without them channels are sockets. */
async function ringsIfWanted<T>(limits: unknown, load: () => Promise<T>): Promise<T | undefined> {
  return limits === undefined ? undefined : load().catch(() => undefined)
}

async function findSocket(): Promise<string> {
  const tried = [GUEST_SOCKET, defaultBusSocket()]
  for (const path of tried) {
    const found = await stat(path).catch(() => undefined)
    if (found?.isSocket() === true) return path
  }
  throw new BusbarError(
    'UNAVAILABLE',
    `no bus here: neither BUSBAR_FD nor BUSBAR_SOCKET is set, and there is no ${tried.join(' or ')}`,
    {
      stage: 'attach',
      hints: [
        'start a bus with `busbar up`, or run this program in one of its partitions',
        'a program that attached already has to pass its `Bus` on: a descriptor can be attached once',
      ],
    },
  )
}
