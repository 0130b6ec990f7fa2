import { type ChildProcess, spawn } from 'node:child_process'
import { createReadStream, createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { BusbarError } from '../errors/index.ts'
import { type Accelerator, AcceleratorProbe } from './accelerator.ts'
import type { GuestImage } from './image/build.ts'
import { makeOverlay, type OverlayOptions } from './overlay.ts'
import { PARTITION_NAME, type RunningPartition, type StopOptions } from './partition.ts'
import { QEMU_FD, qemuArguments } from './qemu-arguments.ts'
import { watchMonitor } from './qemu-monitor.ts'
import { makeRunDirectory, socketPath } from './run-directory.ts'
import { type Supervised, supervise } from './supervise.ts'

export interface LaunchQemuOptions extends OverlayOptions {
  /** From `buildImage`. */
  readonly image: GuestImage
  /** `auto` (default) asks `probe`. */
  readonly accel?: 'auto' | 'kvm' | 'tcg'
  /** Remembers what this machine can do between launches. Default: a new one each time. */
  readonly probe?: AcceleratorProbe
  /** Memory of the guest, MiB. Default 512; touched pages only are taken from the host. */
  readonly memoryMiB?: number
  /** Memory that it shares with other machines, in the order of its regions. The descriptors stay the caller's. */
  readonly regions?: readonly MachineMemory[]
  /** Parent of the partition's run directory. Default `$XDG_RUNTIME_DIR/busbar`, else the temporary directory. */
  readonly runDir?: string
  /** Where the guest's console goes. Default: a file in the run directory, which ends with the partition's disposal. */
  readonly consolePath?: string
  /** Default `qemu-system-x86_64`. */
  readonly qemu?: string
}

/** Memory for a machine to inherit. */
export interface MachineMemory {
  readonly fd: number
  readonly bytes: number
}

/** A virtual machine under QEMU. */
export interface QemuPartition extends RunningPartition {
  readonly kind: 'qemu'
  readonly accel: Accelerator
  /** Unix socket of the bus port: connect once, reconnect after losing it. Bytes for a guest that has not opened its port wait. */
  readonly portPath: string
  /** Log of the guest's kernel, init and agent: text the guest chose. */
  readonly consolePath: string
}

const DEFAULT_MEMORY_MIB = 512
/** How much of QEMU's last words is kept, characters (our choice). */
const MAX_LAST_WORDS = 600

/**
 * Starts a virtual machine; settles when QEMU listens on the bus port, before the guest has booted. The caller owns the result.
 * The machine ends with this process, however that ends. `runDir` is left empty.
 *
 * @throws BusbarError `INVALID_ARGUMENT` for a name or path that cannot be, `UNAVAILABLE` without QEMU, `LAUNCH_FAILED` when
 * it does not start.
 */
export async function launchQemu(options: LaunchQemuOptions): Promise<QemuPartition> {
  if (!PARTITION_NAME.test(options.name)) {
    throw new BusbarError(
      'INVALID_ARGUMENT',
      `"${options.name}" is no partition name: a-z, 0-9 and "-", at most 63 of them.`,
    )
  }
  const regions = options.regions ?? []
  const overlay = await makeOverlay({ ...options, regions: regions.length })
  const accel = await chooseAccelerator(options)
  const directory = await makeRunDirectory(options.name, options.runDir)
  const removeDirectory = (): Promise<void> => rm(directory, { recursive: true, force: true })
  try {
    const portPath = socketPath(directory, 'bus.sock')
    const initrd = join(directory, 'initrd')
    const consolePath = options.consolePath ?? join(directory, 'console.log')
    await writeInitrd(initrd, options.image.initrd, overlay)
    const args = qemuArguments({
      accel: accel.name,
      image: options.image,
      initrd,
      memoryMiB: options.memoryMiB ?? DEFAULT_MEMORY_MIB,
      disks: options.disks ?? [],
      regions: regions.map(({ bytes }) => bytes),
      portPath,
      consolePath,
    })
    const inherited = regions.map(({ fd }) => fd)
    const machine = await start(options.qemu ?? 'qemu-system-x86_64', args, directory, inherited)
    // QEMU has read it.
    await rm(initrd, { force: true })
    return describe(options, machine, { accel, portPath, consolePath, removeDirectory })
  } catch (thrown) {
    await removeDirectory()
    throw BusbarError.from(thrown, 'LAUNCH_FAILED')
  }
}

interface Machine {
  readonly pid: number
  readonly supervised: Supervised
}

async function chooseAccelerator(options: LaunchQemuOptions): Promise<Accelerator> {
  const wanted = options.accel ?? 'auto'
  if (wanted !== 'auto') return { name: wanted, reason: 'Asked for.' }
  const probe = options.probe ?? new AcceleratorProbe(options.qemu === undefined ? {} : { qemu: options.qemu })
  return probe.detect(options.image.kernel)
}

/** The kernel unpacks archives that follow each other, later ones over earlier ones. */
async function writeInitrd(path: string, shared: string, overlay: Uint8Array): Promise<void> {
  const both = async function* (): AsyncGenerator<Uint8Array> {
    yield* createReadStream(shared) as AsyncIterable<Uint8Array>
    yield overlay
  }
  await pipeline(both, createWriteStream(path, { mode: 0o600 }))
}

async function start(
  qemu: string,
  args: readonly string[],
  directory: string,
  descriptors: readonly number[],
): Promise<Machine> {
  const child = spawn(qemu, args, {
    // Leads its own group, so that Ctrl-C in the terminal does not end guests before they were asked to stop.
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe', ...descriptors],
  })
  const failed = new Promise<Error>((resolve) => child.once('error', resolve))
  let lastWords = ''
  child.stderr
    ?.setEncoding('utf8')
    .on('data', (text: string) => (lastWords = (lastWords + text).slice(-MAX_LAST_WORDS)))
  const power = inherited(child, QEMU_FD.power)
  const monitor = watchMonitor(inherited(child, QEMU_FD.monitor))
  power.on('error', () => undefined)
  // Nothing is ever said on it by an honest guest, and a full buffer would only be the guest's.
  power.resume()
  const supervised = supervise({
    child,
    directory,
    askToStop: () => power.write('stop\n'),
    reason: () => monitor.endReason(),
    cleanUp: async () => {
      power.destroy()
      await monitor.closed
      await rm(join(directory, 'bus.sock'), { force: true })
    },
  })
  if (await monitor.ready) return { pid: child.pid as number, supervised }
  if (child.pid === undefined) throw cannotRun(qemu, await failed)
  const exit = await supervised.exited
  throw new BusbarError('LAUNCH_FAILED', `QEMU ended with ${exit.code ?? exit.signal} before the machine ran.`, {
    stage: 'launch',
    cause: new Error(lastWords.trim() || 'It said nothing.'),
  })
}

function inherited(child: ChildProcess, fd: number): Duplex {
  // Node makes a socket pair of each extra 'pipe', and its types say either a readable or a writable.
  return child.stdio[fd as 3] as unknown as Duplex
}

function cannotRun(qemu: string, cause: Error): BusbarError {
  if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') {
    return new BusbarError('LAUNCH_FAILED', `${qemu} cannot be started.`, { stage: 'launch', cause })
  }
  return new BusbarError('UNAVAILABLE', `${qemu} is not installed.`, {
    stage: 'launch',
    cause,
    hints: ['Run `apt-get install qemu-system-x86` as root, or use partitions of kind `process`.'],
  })
}

interface Surroundings {
  readonly accel: Accelerator
  readonly portPath: string
  readonly consolePath: string
  readonly removeDirectory: () => Promise<void>
}

function describe(options: LaunchQemuOptions, { pid, supervised }: Machine, around: Surroundings): QemuPartition {
  const { accel, portPath, consolePath, removeDirectory } = around
  const facts = {
    name: options.name,
    kind: 'qemu',
    pid,
    accel: accel.name,
    accelReason: accel.reason,
    memoryMiB: options.memoryMiB ?? DEFAULT_MEMORY_MIB,
    image: options.image.key,
    regions: options.regions?.length ?? 0,
    portPath,
    consolePath,
  }
  const stop = async (stopOptions?: StopOptions): ReturnType<RunningPartition['stop']> => {
    const exit = await supervised.stop(stopOptions)
    await removeDirectory()
    return exit
  }
  return {
    name: options.name,
    kind: 'qemu',
    accel,
    pid,
    portPath,
    consolePath,
    exited: supervised.exited,
    stop,
    kill: supervised.kill,
    inspect: () => ({ ...facts, exit: supervised.exit() }),
    [Symbol.asyncDispose]: async () => {
      await stop()
    },
  }
}
