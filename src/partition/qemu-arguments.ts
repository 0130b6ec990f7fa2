import { BusbarError } from '../errors/index.ts'
import { regionAddress } from '../transport/index.ts'
import type { Accelerator } from './accelerator.ts'
import { GUEST } from './guest/guest-config.ts'
import type { GuestImage } from './image/build.ts'
import { diskSerial, type GuestDisk } from './overlay.ts'

export interface QemuArguments {
  readonly accel: Accelerator['name']
  readonly image: GuestImage
  /** Initial file system with the partition's overlay. */
  readonly initrd: string
  readonly memoryMiB: number
  readonly disks: readonly GuestDisk[]
  /** Sizes of the regions that it shares with other machines, `bytes`; QEMU inherits their memory from `QEMU_FD.regions` on. */
  readonly regions: readonly number[]
  /** Unix socket on which QEMU listens for the bus. */
  readonly portPath: string
  readonly consolePath: string
}

/** File descriptors that QEMU inherits: socket pairs, so that there is no path to guess and no race to connect. */
export const QEMU_FD: Readonly<{ power: number; monitor: number; regions: number }> = {
  power: 3,
  monitor: 4,
  /** The first of them. */
  regions: 5,
}

/** Devices nobody has and self-tests nobody waits for; `panic=-1` turns a panic into a reset, on which QEMU exits. */
const KERNEL_COMMAND_LINE =
  'console=ttyS0 panic=-1 quiet random.trust_cpu=on 8250.nr_uarts=1 i8042.noaux i8042.nokbd cryptomgr.notests audit=0'
/** An emulated processor does not speculate, and its timer need not be checked. */
const EMULATED = 'mitigations=off tsc=reliable no_timer_check'

/** The kernel's command line for an accelerator. */
function kernelCommandLine(accel: Accelerator['name']): string {
  return accel === 'tcg' ? `${KERNEL_COMMAND_LINE} ${EMULATED}` : KERNEL_COMMAND_LINE
}

/** `microvm` boots 0.8 s faster under emulation, and hung in one boot of three there (QEMU 7.2). */
const MACHINE = 'q35,smbus=off,sata=off,vmport=off'

/** With one processor, QEMU need not guard its translations against a second: 5 % of the boot. */
const ACCELERATION = { kvm: 'kvm', tcg: 'tcg,thread=single' } as const
/**
 * In memory that another machine writes, order and atomic access must hold towards the host's processors. An emulator that knows of one processor
 * leaves out all barriers, so that a wake-up could be lost; one that there could be a second for does not (QEMU `accel/tcg/tcg-accel-ops-mttcg.c`:
 * what counts is `maxcpus`).
 */
const SHARING = { processors: '1,maxcpus=2', emulation: 'tcg,thread=multi' } as const
/** All that can be emulated, but page tables of five levels: one level less to walk. */
const EMULATED_CPU = 'max,la57=off'

/** QEMU separates options by commas; a comma of our own is doubled. */
function value(text: string): string {
  return text.replaceAll(',', ',,')
}

/**
 * The arguments of `qemu-system-x86_64` for one guest: no network device, no display, nothing but what is named here.
 *
 * @throws BusbarError `INVALID_ARGUMENT` for a memory size that no guest can run in.
 */
export function qemuArguments(options: QemuArguments): string[] {
  if (!Number.isInteger(options.memoryMiB) || options.memoryMiB < 192) {
    throw new BusbarError(
      'INVALID_ARGUMENT',
      `${options.memoryMiB} MiB is too little memory: a guest with Node needs 192.`,
      {
        stage: 'launch',
      },
    )
  }
  const shares = options.regions.length > 0 && options.accel === 'tcg'
  const acceleration = shares ? SHARING.emulation : ACCELERATION[options.accel]
  const processors = ['-smp', shares ? SHARING.processors : '1']
  const machine = ['-M', MACHINE, '-accel', acceleration, '-m', `${options.memoryMiB}`, ...processors]
  const cpu = ['-cpu', options.accel === 'kvm' ? 'host' : EMULATED_CPU]
  const boot = ['-kernel', options.image.kernel, '-initrd', options.initrd, '-append', kernelCommandLine(options.accel)]
  const base = diskArguments('busbar-base', options.image.disk, true)
  const disks = options.disks.map(({ path, readOnly }, index) =>
    diskArguments(diskSerial(index), path, readOnly ?? true),
  )
  const console = ['-chardev', `file,id=console,path=${value(options.consolePath)}`, '-serial', 'chardev:console']
  const monitor = ['-chardev', `socket,id=monitor,fd=${QEMU_FD.monitor}`, '-mon', 'chardev=monitor,mode=control']
  const ports = [
    ['-device', 'virtio-serial-pci,max_ports=4'],
    ['-chardev', `socket,id=bus,path=${value(options.portPath)},server=on,wait=off`],
    ['-device', `virtserialport,chardev=bus,name=${GUEST.portName}`],
    ['-chardev', `socket,id=power,fd=${QEMU_FD.power}`],
    ['-device', `virtserialport,chardev=power,name=${GUEST.powerPortName}`],
  ]
  const regions = options.regions.flatMap(regionArguments)
  const nothingElse = ['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none']
  return [nothingElse, machine, cpu, boot, console, monitor, ...ports, base, ...disks, regions].flat()
}

function diskArguments(serial: string, path: string, readOnly: boolean): string[] {
  const drive = `if=none,id=${serial},file=${value(path)},format=raw,readonly=${readOnly ? 'on' : 'off'}`
  return ['-drive', drive, '-device', `virtio-blk-pci,drive=${serial},serial=${serial}`]
}

/** The memory has no name: QEMU opens the descriptor that it inherited. Several functions share a slot. */
function regionArguments(bytes: number, region: number): string[] {
  const memory = `memory-backend-file,id=region${region},mem-path=/proc/self/fd/${QEMU_FD.regions + region},size=${bytes},share=on`
  const device = `ivshmem-plain,memdev=region${region},addr=${regionAddress(region)},multifunction=on`
  return ['-object', memory, '-device', device]
}
