import { join, resolve } from 'node:path'
import { type Broker, MuxCarrier } from '../bus/index.ts'
import { BusbarError } from '../errors/index.ts'
import type { Env } from '../link/index.ts'
import {
  type AcceleratorProbe,
  type GuestImage,
  launchProcess,
  launchQemu,
  type ProcessPartition,
  type QemuPartition,
} from '../partition/index.ts'
import type {
  ExternalPartitionConfig,
  PartitionConfig,
  ProcessPartitionConfig,
  QemuPartitionConfig,
} from '../policy/index.ts'
import {
  type BusyPoller,
  connectHybridVsock,
  connectUnix,
  type SerialPort,
  serialHost,
  socketLink,
} from '../transport/index.ts'
import type { HostEvent } from './host-events.ts'
import type { ProcessChannels } from './process-channels.ts'
import type { SharedRegions } from './shared-regions.ts'

/** What launching needs of the host around it. */
export interface Surroundings {
  readonly env: Env
  readonly broker: Broker
  /** The one poller of this process. */
  readonly poller: BusyPoller
  /** Folder that relative paths of the configuration start at. */
  readonly directory: string
  /** Where consoles and logs of the partitions are kept. */
  readonly logDirectory: string
  readonly probe: AcceleratorProbe
  /** Whether programs of this host may have rings. */
  readonly rings: boolean
  /** The memory that machines share. */
  readonly regions: SharedRegions
  image(): Promise<GuestImage>
  /** Where programs of this host dial their channels; opened when the first one starts. */
  channels(): Promise<ProcessChannels>
  /** Gives up connecting to what somebody else runs. */
  readonly signal: AbortSignal | undefined
  observe(event: HostEvent): void
}

/** A partition that runs, by whatever means. */
export interface Launched {
  /** What runs it here; `undefined` for one that somebody else runs. */
  readonly running: QemuPartition | ProcessPartition | undefined
  /** Where to look when it does not do what it should. */
  readonly log: string | undefined
  /** For one that somebody else runs: settles with the reason when its link is over, which then can be launched again. */
  readonly lost: Promise<BusbarError> | undefined
  /** Lets go of its link. */
  detach(): void
}

/** Starts a partition, or finds it, and attaches it to the broker; each new session of its link is a new epoch. */
export function launch(name: string, config: PartitionConfig, around: Surroundings): Promise<Launched> {
  switch (config.kind) {
    case 'qemu':
      return launchMachine(name, config, around)
    case 'process':
      return launchProgram(name, config, around)
    case 'external':
      return attachExternal(name, config, around)
    default:
      return config satisfies never
  }
}

async function launchMachine(name: string, config: QemuPartitionConfig, around: Surroundings): Promise<Launched> {
  const { directory, probe, observe } = around
  const image = await around.image()
  const accel = await probe.detect(image.kernel)
  const log = join(around.logDirectory, `${name}.console.log`)
  observe({ kind: 'starting', partition: name, how: `QEMU with ${accel.name.toUpperCase()}`, log })
  const [command, ...args] = config.run ?? []
  const programs = command === undefined ? [] : [{ name, command, args, env: Object.fromEntries(config.env) }]
  const regions = around.regions.of(name)
  const disks = config.disks.map(({ image: path, mount, filesystem, readonly }) => ({
    path: resolve(directory, path),
    readOnly: readonly,
    type: filesystem,
    target: mount ?? '',
  }))
  const running = await launchQemu({
    name,
    image,
    probe,
    accel: accel.name,
    memoryMiB: Math.ceil(config.memory / 1024 ** 2),
    programs,
    regions,
    disks: disks.filter(({ target }) => target !== ''),
    files: config.files.map(({ from, to }) => ({ from: resolve(directory, from), to })),
    consolePath: log,
  })
  // Before it can be started again.
  void running.exited.then(() => around.regions.stopped(name))
  const port = await serialHost(running.portPath, { env: around.env }).catch(async (thrown: unknown) => {
    // Nobody else knows of it yet.
    running.kill('SIGKILL')
    await running.stop()
    throw thrown
  })
  const places = regions.length > 0
  const { detach } = serveSerial(name, port, around, { places })
  return { running, log, lost: undefined, detach }
}

async function launchProgram(name: string, config: ProcessPartitionConfig, around: Surroundings): Promise<Launched> {
  const { directory, broker, poller, observe } = around
  observe({ kind: 'starting', partition: name, how: 'a process of this host, without isolation' })
  const [program = '', ...args] = config.run
  const channels = await around.channels()
  const running = await launchProcess({
    name,
    // `node` is the Node that runs the bus: the one that is known to be new enough.
    command: program === 'node' ? process.execPath : program,
    args,
    env: {
      BUSBAR_RINGS: around.rings ? 'on' : 'off',
      ...Object.fromEntries(config.env),
      BUSBAR_CHANNELS: channels.path,
    },
    cwd: resolve(directory, config.cwd ?? '.'),
    onLine: (line, from) => observe({ kind: 'output', partition: name, line, from }),
  })
  const session = broker.attach(name, channels.carrier(socketLink(running.socket, {}, poller)), { here: true })
  const detach = (): void => session.close(new BusbarError('CLOSED', 'the bus let the partition go'))
  return { running, log: undefined, lost: undefined, detach }
}

async function attachExternal(name: string, config: ExternalPartitionConfig, around: Surroundings): Promise<Launched> {
  const { directory, env, broker, observe } = around
  const path = resolve(directory, config.socket)
  const options = around.signal === undefined ? { env } : { env, signal: around.signal }
  const nothing = { running: undefined, log: undefined }
  if (config.medium === 'virtio-serial') {
    const port = await serialHost(path, options)
    observe({ kind: 'starting', partition: name, how: `${config.medium} at ${path}` })
    return { ...nothing, ...serveSerial(name, port, around) }
  }
  const { medium, port = 0 } = config
  const link = medium === 'vsock' ? await connectHybridVsock(path, port, options) : await connectUnix(path, options)
  observe({ kind: 'starting', partition: name, how: `${config.medium} at ${path}` })
  const session = broker.attach(name, new MuxCarrier(link, { side: 'bus', env }))
  const lost = session.closed.then((reason) => reason ?? new BusbarError('LINK_LOST', 'the link ended'))
  return { ...nothing, lost, detach: () => session.close(new BusbarError('CLOSED', 'let go')) }
}

/** A serial port has sessions: each one that both sides agree on is a new epoch of the partition. */
function serveSerial(
  name: string,
  port: SerialPort,
  { env, broker, observe }: Surroundings,
  has: { places?: boolean } = {},
): { readonly lost: Promise<BusbarError>; detach(): void } {
  const serve = async (): Promise<never> => {
    for (;;) broker.attach(name, new MuxCarrier(await port.accept(), { side: 'bus', env }), has)
  }
  const lost = serve().catch((thrown: unknown) => {
    const reason = BusbarError.from(thrown)
    if (reason.code !== 'CLOSED') observe({ kind: 'broken', partition: name, reason })
    return reason
  })
  return { lost, detach: () => port.close(new BusbarError('CLOSED', 'the bus let the partition go')) }
}
