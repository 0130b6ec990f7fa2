import { BusbarError } from '../errors/index.ts'
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
  /** Unix socket on which QEMU listens for the bus. */
  readonly portPath: string
  readonly consolePath: string
}

/** File descriptors that QEMU inherits: socket pairs, so that there is no path to guess and no race to connect. */
export const QEMU_FD: Readonly<{ power: number; monitor: number }> = { power: 3, monitor: 4 }

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
  const machine = ['-M', MACHINE, '-accel', ACCELERATION[options.accel], '-m', `${options.memoryMiB}`, '-smp', '1']
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
  const nothingElse = ['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none']
  return [nothingElse, machine, cpu, boot, console, monitor, ...ports, base, ...disks].flat()
}

function diskArguments(serial: string, path: string, readOnly: boolean): string[] {
  const drive = `if=none,id=${serial},file=${value(path)},format=raw,readonly=${readOnly ? 'on' : 'off'}`
  return ['-drive', drive, '-device', `virtio-blk-pci,drive=${serial},serial=${serial}`]
}
