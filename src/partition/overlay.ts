import { readFile } from 'node:fs/promises'
import { posix } from 'node:path'
import { BusbarError } from '../errors/index.ts'
import { GUEST, type GuestConfig, type GuestProgram } from './guest/guest-config.ts'
import { type CpioEntry, encodeCpio } from './image/cpio.ts'
import { PROGRAM_USER } from './image/initrd.ts'

/** A file of the host that the guest gets a copy of. */
export interface GuestFile {
  /** Path on the host; or the content itself. */
  readonly from: string | Uint8Array
  /** Absolute path in the guest; not below directories that are mounted over, such as `/usr` and `/tmp`. */
  readonly to: string
  /** Permission bits. Default 0o644. */
  readonly mode?: number
}

/** A disk image of the host that the guest mounts. */
export interface GuestDisk {
  /** Path of a raw image on the host. */
  readonly path: string
  /** Absolute path in the guest. */
  readonly target: string
  /** File system. Default `ext4`. */
  readonly type?: string
  /** Default true. */
  readonly readOnly?: boolean
}

export interface OverlayOptions {
  readonly name: string
  readonly programs?: readonly GuestProgram[]
  readonly files?: readonly GuestFile[]
  readonly disks?: readonly GuestDisk[]
  readonly settings?: Readonly<Record<string, unknown>>
  /** Script that Node runs as the agent. Default: Busbar's. */
  readonly entry?: string
}

/** Mounted over at boot, or links into what is: a file put there would be lost. */
const HIDDEN = ['/usr', '/lib', '/lib32', '/lib64', '/proc', '/sys', '/dev', '/run', '/tmp'] as const
/** The guest's `init` splits lines at blanks. */
const PLAIN_WORD = /^[A-Za-z0-9_./@+,=:-]+$/
/** All of a guest's files travel in its memory (our choice: beyond this a disk is the better way), bytes. */
const MAX_FILES_SIZE = 64 * 1024 * 1024

/**
 * What is the partition's own in the initial file system: a second cpio archive that the kernel unpacks over the shared one.
 * `regions`: how many regions of memory it shares with other machines.
 *
 * @throws BusbarError `INVALID_ARGUMENT` for paths the guest cannot have, `LIMIT` beyond 64 MiB, `LAUNCH_FAILED` when a file
 * cannot be read.
 */
export async function makeOverlay(options: OverlayOptions & { readonly regions?: number }): Promise<Uint8Array> {
  const disks = options.disks ?? []
  const entry = guestPath(options.entry ?? GUEST.agentEntry)
  const config: GuestConfig = {
    partition: options.name,
    port: `/dev/virtio-ports/${GUEST.portName}`,
    socket: GUEST.agentSocket,
    user: PROGRAM_USER,
    programs: options.programs ?? [],
    mounts: disks.map(({ target, readOnly }) => ({ target: guestPath(target), readOnly: readOnly ?? true })),
    regions: options.regions ?? 0,
    settings: options.settings ?? {},
  }
  const files = [
    textFile('/etc/busbar/guest.json', `${JSON.stringify(config, undefined, 2)}\n`),
    textFile('/etc/busbar/entry', `${entry}\n`),
    textFile('/etc/busbar/mounts', disks.map(mountLine).join('')),
    textFile('/etc/hostname', `${options.name}\n`),
    ...(await readFiles(options.files ?? [])),
  ]
  return Buffer.concat([...encodeCpio(withDirectories(files))])
}

/** The serial number by which the guest finds a disk, whatever order the kernel found them in. */
export function diskSerial(index: number): string {
  return `busbar-${index}`
}

function mountLine(disk: GuestDisk, index: number): string {
  const type = disk.type ?? 'ext4'
  for (const word of [disk.target, type]) {
    if (!PLAIN_WORD.test(word))
      throw invalid(`"${word}" cannot be used for a mount: only letters, digits and _./@+,=:- can.`)
  }
  const access = (disk.readOnly ?? true) ? 'ro' : 'rw'
  return `${diskSerial(index)} ${guestPath(disk.target)} ${type} ${access},nosuid,nodev\n`
}

function guestPath(path: string): string {
  if (posix.isAbsolute(path) && posix.normalize(path) === path && !path.endsWith('/') && !/[\0\n]/.test(path))
    return path
  throw invalid(
    `"${path}" is no path for a guest: it must be absolute, without "." and ".." and without "/" at its end.`,
  )
}

async function readFiles(files: readonly GuestFile[]): Promise<CpioEntry[]> {
  const entries: CpioEntry[] = []
  let size = 0
  for (const file of files) {
    const to = guestPath(file.to)
    const hidden = HIDDEN.find((directory) => to === directory || to.startsWith(`${directory}/`))
    if (hidden !== undefined) throw invalid(`${to} cannot be put into a guest: ${hidden} is mounted over at boot.`)
    const data = typeof file.from === 'string' ? await readHostFile(file.from) : file.from
    size += data.byteLength
    if (size > MAX_FILES_SIZE) {
      throw new BusbarError('LIMIT', `The files for the guest are larger than ${MAX_FILES_SIZE} bytes in all.`, {
        stage: 'overlay',
        hints: ['Put them on a disk image instead.'],
      })
    }
    entries.push({ kind: 'file', path: to.slice(1), mode: (file.mode ?? 0o644) & 0o7777, data })
  }
  return entries
}

async function readHostFile(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (cause) {
    throw new BusbarError('LAUNCH_FAILED', `${path}, a file for the guest, cannot be read.`, {
      stage: 'overlay',
      cause,
    })
  }
}

function textFile(path: string, text: string): CpioEntry {
  return { kind: 'file', path: path.slice(1), mode: 0o644, data: Buffer.from(text) }
}

/** Parents first; unpacking over a directory that exists changes nothing but its mode. */
function withDirectories(files: readonly CpioEntry[]): CpioEntry[] {
  const directories = new Set<string>()
  for (const { path } of files) {
    const parts = path.split('/').slice(0, -1)
    for (const [index] of parts.entries()) directories.add(parts.slice(0, index + 1).join('/'))
  }
  const modeOf = (path: string): number => (path === 'root' ? 0o700 : 0o755)
  return [
    ...[...directories].sort().map((path): CpioEntry => ({ kind: 'directory', path, mode: modeOf(path) })),
    ...files,
  ]
}

function invalid(message: string): BusbarError {
  return new BusbarError('INVALID_ARGUMENT', message, { stage: 'overlay' })
}
