/** A bus with two partitions and a channel between their programs, over real memory: all of it but the machines, each of which is a system object here. */
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
import { type ByteLink, type Env, memoryPair } from '../link/index.ts'
import { DozingPoller, type Libc, loadLibc, nodeEnv, PlaceMedium, RingPoller } from '../transport/index.ts'
import { SharedRegions } from './shared-regions.ts'

export const env: Env = nodeEnv()
export const libc: Libc = await loadLibc()

export interface How {
  readonly mode?: 'byte' | 'message'
  /** How long programs, and the bus, look for more, `ms`. */
  readonly window?: number
  /** Whether the bus glances at its rings for ever. */
  readonly glances?: boolean
  /** Whether the rule that allows the channel says `direct`. */
  readonly direct?: boolean
  /** What shares memory at all. */
  readonly memory?: SharedRegions
  /** Machines that have the devices. */
  readonly places?: readonly string[]
  /** Partitions that are no machines but processes of the host, without rings. */
  readonly processes?: readonly string[]
  /** What the programs of a machine have. */
  readonly medium?: (machine: string, real: PlaceMedium) => RingMedium | undefined
  readonly prepare?: (broker: Broker) => void
}

export interface World {
  readonly a: Channel
  readonly b: Channel
  readonly broker: Broker
  readonly memory: SharedRegions
  /** Another channel between the same programs. */
  another(): Promise<{ readonly a: Channel; readonly b: Channel }>
  /** Ends the link of a machine to the bus; its programs live on. */
  cut(machine: string): void
  /** Ends a program as a kill does: its sockets close, and nothing else happens. */
  killProgram(partition: string): void
  dispose(): Promise<void>
}

export const PAIR = ['client', 'server'] as const

/** Memory of pairs of machines, and none with the bus. */
export function pairs(direct: readonly (readonly [string, string])[], from: Libc | BusbarError = libc): SharedRegions {
  return new SharedRegions({ direct, withBus: [] }, from)
}

/** A broker, two partitions with a program each, and a channel between the programs. */
export async function world(how: How = {}): Promise<World> {
  const memory = how.memory ?? pairs([PAIR])
  const allowed = { allowed: true, rule: 'test', direct: how.direct ?? true }
  const policy = { decide: () => allowed, sees: () => true }
  const poller = how.glances === true ? new DozingPoller(0, 1e9) : new RingPoller(how.window)
  const ownPlaces = memory.withBus(poller)
  const broker = new Broker({ env, policy, places: memory, ownPlaces })
  how.prepare?.(broker)
  const links = new Map<string, ByteLink>()
  const sockets = new Map<string, ByteLink[]>()
  const machine = async (name: string): Promise<SystemObject> => {
    const places = (how.places ?? PAIR).includes(name)
    const [near, far] = memoryPair()
    links.set(name, far)
    broker.attach(name, new MuxCarrier(far, { side: 'bus', env }), { places })
    const bridge = places ? new PlaceBridge() : undefined
    const endpoint = await Endpoint.attach(new MuxCarrier(near, { side: 'partition', env }), { env, rings: bridge })
    return new SystemObject(endpoint, env, {}, bridge)
  }
  const join = async (name: string): Promise<Endpoint> => {
    const isProcess = how.processes?.includes(name) ?? false
    const system = isProcess ? undefined : await machine(name)
    const onCarrier = (carrier: Parameters<Broker['attach']>[1]): void => {
      if (system === undefined) broker.attach(name, carrier, { here: true })
      else system.attach(carrier)
    }
    const listener = new CarrierListener({ env, onCarrier })
    const dial = async (): Promise<ByteLink> => {
      const [own, other] = memoryPair()
      sockets.set(name, [...(sockets.get(name) ?? []), own])
      listener.accept(other)
      return own
    }
    const regions = memory.of(name)
    const pathOf = (region: number): string => `/proc/self/fd/${regions[region]?.fd}`
    const real = new PlaceMedium(libc, new RingPoller(how.window), pathOf)
    const rings = how.medium === undefined ? real : how.medium(name, real)
    return Endpoint.attach(new DialledCarrier(await dial(), dial), { env, rings: isProcess ? undefined : rings })
  }
  const server = await join('server')
  const client = await join('client')
  const { mode = 'byte' } = how
  let arrived: (channel: Channel) => void = () => {}
  await server.offer('it', { mode, decide: (opening, caller) => void opening.accept(caller).then(arrived) })
  const another = async (): Promise<{ a: Channel; b: Channel }> => {
    const arriving = new Promise<Channel>((resolve) => {
      arrived = resolve
    })
    const [a, b] = await Promise.all([client.open('server/it', { mode }), arriving])
    return { a, b }
  }
  const { a, b } = await another()
  return {
    a,
    b,
    broker,
    memory,
    another,
    cut: (name) => links.get(name)?.close(new BusbarError('LINK_LOST', 'on purpose')),
    killProgram: (name) => {
      for (const socket of sockets.get(name) ?? []) socket.close(new BusbarError('RESET', 'on purpose'))
    },
    dispose: async () => {
      broker.close()
      memory.close()
    },
  }
}

/** What the operator is told of the pipe. */
export function shown(broker: Broker): Record<string, unknown> {
  const { pipes } = broker.inspect() as { pipes: Record<string, unknown>[] }
  return pipes[0] as Record<string, unknown>
}

/** One byte each way. */
export async function exchange({ a, b }: Pick<World, 'a' | 'b'>, value: number): Promise<void> {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    await from.write(new Uint8Array([value]))
    const got = new Uint8Array((await to.read()) ?? [])
    if (got.length !== 1 || got[0] !== (value & 255)) throw new Error(`sent ${value & 255}, got ${got.join()}`)
  }
}

/** Sends both ways until the bus has said what became of the rings. */
export async function settled(all: World, over: (pipe: Record<string, unknown>) => boolean): Promise<void> {
  for (let round = 0; ; round++) {
    await exchange(all, round)
    if (over(shown(all.broker))) return
    await new Promise(setImmediate)
  }
}

export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(setImmediate)
}

/** Lets somebody write into the memory before the server's program maps its place there, or changes what that is told of it. */
export function scribbling(
  memory: SharedRegions,
  write: (head: DataView, grant: { offset: number; length: number }) => object | void,
): How {
  const [shared] = memory.of('server')
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
