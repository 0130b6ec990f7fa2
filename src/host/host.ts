import { mkdir } from 'node:fs/promises'
import { Bus } from '../agent/index.ts'
import {
  type AccessPolicy,
  Broker,
  type BusLimits,
  CarrierListener,
  Endpoint,
  MuxCarrier,
  SystemObject,
} from '../bus/index.ts'
import type { CaptureFilter } from '../capture/index.ts'
import { BusbarError } from '../errors/index.ts'
import { type Env, memoryPair } from '../link/index.ts'
import { AcceleratorProbe, buildImage, type GuestImage } from '../partition/index.ts'
import { type BusConfig, type Decision, directPairs, type PartitionConfig, type Question } from '../policy/index.ts'
import { HOST_PARTITION, Operator } from '../services/index.ts'
import {
  BUS_WINDOW,
  BusyPoller,
  DozingPoller,
  type Libc,
  listenUnix,
  nodeEnv,
  pollWindow,
  RingAllocator,
  type UnixListener,
} from '../transport/index.ts'
import { whoMayOpen } from './access.ts'
import { Attachment, untilAttached } from './attachment.ts'
import type { AuditLog } from './audit-log.ts'
import { type BusCaptureFile, BusCapture, captureService, startCapture } from './capture.ts'
import type { HostEvent } from './host-events.ts'
import { type Launched, launch } from './launched.ts'
import { ProcessChannels } from './process-channels.ts'
import { checkSwitches, libcOrWhyNot, sharingWithBus } from './ring-switches.ts'
import { SharedRegions } from './shared-regions.ts'
import { Starting } from './starting.ts'

export interface BusHostOptions {
  config: BusConfig
  policy: AccessPolicy
  /** The policy's answer without a record, for those who look; without it nobody is told who may call what. */
  ask?(question: Question): Decision
  /** Folder that relative paths of the configuration start at. */
  directory: string
  /** Where consoles and logs of the partitions are kept; created when missing. */
  logDirectory: string
  /** Directory of the built package, which guests get a copy of. */
  packageDirectory: string
  /** Where programs of this host attach; none when absent. */
  socket?: string
  /** Whether channels between programs of this host, and between machines, may go over to shared memory. Default: unless `BUSBAR_RINGS` is `off`. */
  rings?: boolean
  /** What a partition may make the bus hold, and how long it may not answer. */
  limits?: Partial<BusLimits>
  /** Records each decision; the host takes it. */
  auditLog?: AuditLog
  /** Stops building an image and connecting to partitions. */
  signal?: AbortSignal
  observe?(event: HostEvent): void
}

interface Entry {
  /** While it is being started. */
  starting: Starting | undefined
  launched: Launched | undefined
  attached: Attachment
}

/** A bus on this host: the broker, the partitions of a configuration, and the socket for the host's own programs. */
export class BusHost implements AsyncDisposable {
  readonly #options: BusHostOptions
  readonly #env: Env
  readonly #broker: Broker
  readonly #partitions = new Map<string, Entry>()
  readonly #probe = new AcceleratorProbe()
  readonly #poller = new BusyPoller()
  /** What makes memory to share, or why there is none. */
  readonly #libc: Libc | BusbarError
  readonly #regions: SharedRegions
  /** The one that looks at all rings of this process: those that machines share with the bus. */
  readonly #ringPoller = new DozingPoller(pollWindow(process.env['BUSBAR_POLL']) ?? BUS_WINDOW)
  /** Partitions that run: settle when each has ended and its files are gone. */
  readonly #ending = new Set<Promise<void>>()
  #image: Promise<GuestImage> | undefined
  #listener: UnixListener | undefined
  #channels: Promise<ProcessChannels> | undefined
  #bus: Bus | undefined
  #closed = false

  private constructor(options: BusHostOptions, libc: Libc | BusbarError) {
    this.#options = options
    this.#libc = libc
    if (!(libc instanceof BusbarError)) this.#ringPoller.use(libc)
    this.#regions = new SharedRegions(
      { direct: directPairs(options.config), withBus: sharingWithBus(options.config) },
      libc,
    )
    this.#env = nodeEnv()
    this.#broker = new Broker({
      env: this.#env,
      policy: options.policy,
      limits: options.limits ?? {},
      rings: libc instanceof BusbarError ? undefined : new RingAllocator(libc),
      places: this.#regions,
      ownPlaces: this.#regions.withBus(this.#ringPoller),
      observe: (event) => {
        if (event.kind === 'attached') this.#partitions.get(event.partition)?.attached.resolve(event.epoch)
        this.#observe(event)
      },
    })
    for (const name of options.config.partitions.keys()) {
      this.#broker.declare(name)
      this.#partitions.set(name, { starting: undefined, launched: undefined, attached: new Attachment() })
    }
  }

  /**
   * A bus without any partition started yet. Rejects when the socket cannot be listened on, and with `INVALID_ARGUMENT` when `BUSBAR_RINGS` or `BUSBAR_POLL` in
   * the environment, or in that of a partition, says nothing that can be meant.
   */
  static async open(options: BusHostOptions): Promise<BusHost> {
    let host: BusHost
    try {
      checkSwitches(options.config)
      host = new BusHost(options, await libcOrWhyNot(options.rings))
    } catch (thrown) {
      options.auditLog?.close()
      throw thrown
    }
    try {
      await mkdir(options.logDirectory, { recursive: true, mode: 0o700 })
      await host.#attachSelf()
      return host
    } catch (thrown) {
      await host.close()
      throw thrown
    }
  }

  /** The host's own end of its bus. */
  get bus(): Bus {
    if (this.#bus === undefined) throw new BusbarError('CLOSED', 'the bus is closed')
    return this.#bus
  }

  /** The partitions of the configuration. */
  get names(): string[] {
    return [...this.#partitions.keys()]
  }

  /** Where decisions are recorded; `undefined`: nowhere. */
  get auditLog(): string | undefined {
    return this.#options.auditLog?.path
  }

  /** Whether somebody else starts the partition, and the bus connects to it. */
  isExternal(name: string): boolean {
    return this.#options.config.partitions.get(name)?.kind === 'external'
  }

  /**
   * Starts a partition; settles when it runs, before it has attached. Rejects with `BUSY` when it runs already or is being started, with `CANCELLED` when it
   * is stopped meanwhile, and with `CLOSED` when the bus closes.
   */
  async start(name: string): Promise<Launched> {
    this.#checkOpen(name)
    const config = this.#options.config.partitions.get(name)
    if (config === undefined) throw new BusbarError('NO_SUCH_PARTITION', `the configuration has no partition "${name}"`)
    const entry = this.#entry(name)
    if (entry.launched !== undefined) throw new BusbarError('BUSY', `partition "${name}" runs already`)
    if (entry.starting !== undefined) throw new BusbarError('BUSY', `partition "${name}" is being started already`)
    const starting = new Starting(this.#options.signal)
    entry.starting = starting
    entry.attached = new Attachment()
    try {
      const launched = await this.#launch(name, config, starting)
      this.#launched(name, entry, launched)
      return launched
    } catch (thrown) {
      if (starting.reason === undefined) throw thrown
      // It may have attached before it was called off.
      entry.attached = new Attachment()
      throw starting.reason
    } finally {
      entry.starting = undefined
      starting.end()
    }
  }

  /** Nothing of it is left when it was called off. */
  async #launch(name: string, config: PartitionConfig, starting: Starting): Promise<Launched> {
    const launched = await launch(name, config, {
      env: this.#env,
      broker: this.#broker,
      directory: this.#options.directory,
      logDirectory: this.#options.logDirectory,
      probe: this.#probe,
      poller: this.#poller,
      rings: !(this.#libc instanceof BusbarError),
      regions: this.#regions,
      image: () => starting.unlessCalledOff(this.image()),
      channels: () => {
        this.#checkOpen(name)
        this.#channels ??= ProcessChannels.open(this.#env, this.#poller)
        return starting.unlessCalledOff(this.#channels)
      },
      observe: (event) => this.#observe(event),
      signal: starting.signal,
    })
    if (starting.reason === undefined) return launched
    launched.detach()
    await launched.running?.stop()
    throw starting.reason
  }

  #launched(name: string, entry: Entry, launched: Launched): void {
    entry.launched = launched
    const over = (): void => {
      launched.detach()
      if (entry.launched === launched) entry.launched = undefined
    }
    void launched.lost?.then(over)
    const { running } = launched
    if (running === undefined) return
    const ending = running.exited.then(async (exit) => {
      over()
      this.#observe({ kind: 'exited', partition: name, exit })
      // However it ended, its files go.
      await running.stop()
    })
    this.#ending.add(ending)
    void ending.then(() => this.#ending.delete(ending))
  }

  /** Settles with the epoch when a started partition has attached; rejects when it stops or its link is lost before, or `signal` aborts. */
  async attached(name: string, signal?: AbortSignal): Promise<number> {
    const { launched, attached } = this.#entry(name)
    return untilAttached(name, launched, attached.promise, signal)
  }

  /** Ends a partition at once, as a crash would. Settles when it is gone. */
  async kill(name: string): Promise<void> {
    const { launched } = this.#entry(name)
    launched?.running?.kill('SIGKILL')
    await launched?.running?.exited
  }

  /** Asks a partition to end, then ends it; one that is being started is not started. */
  async stop(name: string): Promise<void> {
    return this.#stop(name, new BusbarError('CANCELLED', `"${name}" was stopped while it was being started`))
  }

  async #stop(name: string, reason: BusbarError): Promise<void> {
    const entry = this.#entry(name)
    entry.starting?.callOff(reason)
    await entry.starting?.over
    const { launched } = entry
    await launched?.running?.stop()
    launched?.detach()
    // Another one may have been started since it ended.
    if (entry.launched === launched) entry.launched = undefined
  }

  /** Writes down what crosses the bus from now on; the caller reads it. */
  capture(filter: CaptureFilter = {}): BusCaptureFile {
    return startCapture(this.#broker, filter)
  }

  /** The guest image, built once for all partitions. */
  image(): Promise<GuestImage> {
    const { packageDirectory, signal } = this.#options
    this.#image ??= buildImage({
      packageDir: packageDirectory,
      ...(signal === undefined ? {} : { signal }),
      onProgress: (progress) => this.#observe({ kind: 'image', progress }),
    })
    return this.#image
  }

  inspect(): unknown {
    return {
      bus: this.#broker.inspect(),
      rings: this.#libc instanceof BusbarError ? `${this.#libc.code}: ${this.#libc.message}` : 'available',
      ...this.#regions.inspect(),
      poller: this.#ringPoller.inspect(),
      partitions: [...this.#partitions].map(([name, { launched }]) => ({
        name,
        kind: this.#options.config.partitions.get(name)?.kind,
        running: launched?.running?.inspect(),
        log: launched?.log,
      })),
      access: whoMayOpen(this.#broker, this.names, this.#options.ask),
      audit: this.#options.auditLog?.inspect(),
    }
  }

  /** Stops every partition, also those that are being started, then the bus. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#listener?.[Symbol.asyncDispose]()
    this.#listener = undefined
    await Promise.all([...this.#partitions.keys()].map((name) => this.#stop(name, startedTooLate(name))))
    await Promise.all(this.#ending)
    this.#broker.close()
    this.#regions.close()
    this.#options.auditLog?.close()
    this.#bus = undefined
    const channels = this.#channels
    this.#channels = undefined
    await (await channels?.catch(() => undefined))?.[Symbol.asyncDispose]()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** The host is a partition like any other: its programs attach to a system object, and this process is one of them. */
  async #attachSelf(): Promise<void> {
    const env = this.#env
    const [near, far] = memoryPair()
    this.#broker.attach(HOST_PARTITION, new MuxCarrier(far, { side: 'bus', env }))
    const endpoint = await Endpoint.attach(new MuxCarrier(near, { side: 'partition', env }), { env })
    this.#bus = new Bus(endpoint, env)
    await this.#bus.offer(Operator, { inspect: () => JSON.stringify(this.inspect()) })
    await this.#bus.offer(BusCapture, captureService(this.#broker))
    const { socket } = this.#options
    if (socket === undefined) return
    const system = new SystemObject(endpoint, env, this.#options.limits)
    const carriers = new CarrierListener({ env, onCarrier: (carrier) => void system.attach(carrier) })
    this.#listener = await listenUnix(socket, { onLink: (link) => carriers.accept(link) })
  }

  #checkOpen(name: string): void {
    if (this.#closed) throw startedTooLate(name)
  }

  #entry(name: string): Entry {
    const entry = this.#partitions.get(name)
    if (entry === undefined) throw new BusbarError('NO_SUCH_PARTITION', `the configuration has no partition "${name}"`)
    return entry
  }

  #observe(event: HostEvent): void {
    this.#options.observe?.(event)
  }
}

function startedTooLate(name: string): BusbarError {
  return new BusbarError('CLOSED', `"${name}" was to be started on a bus that is closed`)
}
