import { CONFIG_LIMITS } from './limits.ts'
import { quote } from './located.ts'
import type { Position, Problems } from './problem.ts'
import {
  argument,
  byKind,
  choice,
  listOf,
  mappingOf,
  optional,
  record,
  refine,
  required,
  type Shape,
  text,
  truth,
  whole,
} from './shape.ts'

/** A disk image that a virtual machine gets as a virtio-blk device. */
export interface DiskConfig {
  /** Path on the host, as written: relative ones start at the folder of the configuration file. */
  readonly image: string
  readonly readonly: boolean
  /** Where the guest mounts it, a canonical absolute path; `undefined`: it does not. */
  readonly mount: string | undefined
  readonly filesystem: 'ext4' | 'iso9660' | 'squashfs' | 'vfat'
}

/** A file that is copied into the guest before it starts. */
export interface FileConfig {
  /** Path on the host, as written: relative ones start at the folder of the configuration file. */
  readonly from: string
  /** Canonical absolute path in the guest. */
  readonly to: string
}

/** A virtual machine that the bus starts under QEMU. */
export interface QemuPartitionConfig {
  readonly kind: 'qemu'
  /** Bytes. */
  readonly memory: number
  readonly cpus: number
  readonly disks: readonly DiskConfig[]
  readonly files: readonly FileConfig[]
  /** The program and its arguments, never a shell line; `undefined`: only the agent runs. */
  readonly run: readonly string[] | undefined
  readonly env: ReadonlyMap<string, string>
}

/** A child process of the broker, for programs that need no machine of their own. */
export interface ProcessPartitionConfig {
  readonly kind: 'process'
  readonly run: readonly string[]
  /** Folder it starts in, as written: relative ones start at the folder of the configuration file; `undefined`: that folder. */
  readonly cwd: string | undefined
  readonly env: ReadonlyMap<string, string>
}

/** A virtual machine or program that somebody else starts, and that the bus reaches at a Unix socket on the host. */
export interface ExternalPartitionConfig {
  readonly kind: 'external'
  /** Path on the host, as written: relative ones start at the folder of the configuration file. */
  readonly socket: string
  /** `vsock` is the hybrid kind of Firecracker and Cloud Hypervisor, a Unix socket that is asked to CONNECT to a port. */
  readonly medium: 'unix' | 'virtio-serial' | 'vsock'
  /** The vsock port that the agent in the guest listens on; set exactly when the medium is `vsock`. */
  readonly port: number | undefined
}

export type PartitionConfig = QemuPartitionConfig | ProcessPartitionConfig | ExternalPartitionConfig

/** Bytes by the letter after the number (IEC: powers of 1024). */
const UNITS: Readonly<Record<string, number>> = { M: 1024 ** 2, G: 1024 ** 3 }
/** Least and most memory of a guest in bytes (our choice: a Linux with Node does not start in less; one computer has no more). */
const MIN_MEMORY = 64 * 1024 ** 2
const MAX_MEMORY = 1024 * 1024 ** 3
const DEFAULT_MEMORY = 256 * 1024 ** 2
/** Most processors of a guest (our choice: far above what one guest here has use for). */
const MAX_CPUS = 64
/** Most vsock port: the port is 32 bits, and the highest number means "any" (linux/vm_sockets.h, VMADDR_PORT_ANY). */
const MAX_VSOCK_PORT = 0xffff_fffe
/** Longest path of a Unix socket in bytes, without its final NUL (unix(7), sun_path is 108). */
const MAX_SOCKET_PATH = 107

/** Paths with control characters are refused. */
const hostPath = text('a path on the host', /^[^\u0000-\u001f\u007f]+$/)

const memory: Shape<number> = refine(
  text('a size of memory such as 512M or 2G', /^[1-9][0-9]{0,6}[MG]$/),
  (size, at, problems) => {
    const bytes = Number(size.slice(0, -1)) * (UNITS[size.slice(-1)] ?? 0)
    if (bytes >= MIN_MEMORY && bytes <= MAX_MEMORY) return bytes
    problems.add(at, `found ${quote(size)}, expected a size of memory from 64M to 1024G`)
    return undefined
  },
)

const guestPath: Shape<string> = refine(
  text('an absolute path in the guest', /^\/[^\u0000-\u001f\u007f]*$/),
  canonicalGuestPath,
)

/** One form for each place, so that what is checked is what is used: no `.`, no `..`, no empty or trailing part. */
function canonicalGuestPath(path: string, at: Position, problems: Problems): string | undefined {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  if (!parts.includes('..')) return `/${parts.join('/')}`
  problems.add(at, `found the path ${quote(path)}, expected one without ".."`)
  return undefined
}

const run: Shape<readonly string[]> = refine(
  listOf(argument('an argument'), 'a program and its arguments as a list, such as [node, main.mjs]', 1),
  (words, at, problems) => {
    if (words[0] !== '') return words
    problems.add(at, 'found an empty name of a program')
    return undefined
  },
)

const env: Shape<ReadonlyMap<string, string>> = mappingOf(
  { what: 'names of environment variables (letters, digits and _)', pattern: /^[A-Za-z_][A-Za-z0-9_]*$/ },
  argument('a text'),
  CONFIG_LIMITS.entries,
)

const disk: Shape<DiskConfig> = record<DiskConfig>('a disk', {
  image: required(hostPath, 'path of the disk image on the host'),
  readonly: optional(truth(), false, 'whether the guest can only read it'),
  mount: optional(guestPath, undefined, 'where the guest mounts it'),
  filesystem: optional(choice('ext4', 'iso9660', 'squashfs', 'vfat'), 'ext4', 'the file system on it'),
})

const file: Shape<FileConfig> = record<FileConfig>('a file', {
  from: required(hostPath, 'path of the file on the host'),
  to: required(guestPath, 'absolute path of the file in the guest'),
})

const RUN_DOC = 'the program to run and its arguments, as a list'
const ENV_DOC = 'environment variables of the program'

const qemu: Shape<Omit<QemuPartitionConfig, 'kind'>> = record<Omit<QemuPartitionConfig, 'kind'>>(
  'a virtual machine started under QEMU',
  {
    memory: optional(memory, DEFAULT_MEMORY, 'memory of the machine, such as 512M or 2G'),
    cpus: optional(whole(1, MAX_CPUS), 1, 'number of processors'),
    disks: optional(listOf(disk, 'a list of disks'), [], 'disks of the machine'),
    files: optional(listOf(file, 'a list of files'), [], 'files copied into the guest'),
    run: optional(run, undefined, RUN_DOC),
    env: optional(env, new Map(), ENV_DOC),
  },
  ['kind'],
)

const process: Shape<Omit<ProcessPartitionConfig, 'kind'>> = record<Omit<ProcessPartitionConfig, 'kind'>>(
  'a process on the host',
  {
    run: required(run, RUN_DOC),
    cwd: optional(hostPath, undefined, 'the folder it starts in'),
    env: optional(env, new Map(), ENV_DOC),
  },
  ['kind'],
)

const external: Shape<Omit<ExternalPartitionConfig, 'kind'>> = refine(
  record<Omit<ExternalPartitionConfig, 'kind'>>(
    'a partition that somebody else starts',
    {
      socket: required(hostPath, 'path of the Unix socket on the host'),
      medium: required(choice('unix', 'virtio-serial', 'vsock'), 'what is behind the socket'),
      port: optional(whole(1, MAX_VSOCK_PORT), undefined, 'the vsock port of the agent in the guest'),
    },
    ['kind'],
  ),
  (config, at, problems) => {
    const { medium, port, socket } = config
    if (medium === 'vsock' && port === undefined) problems.add(at, 'the key "port" is missing: medium vsock needs it')
    else if (medium !== 'vsock' && port !== undefined) problems.add(at, `the key "port" has no meaning for ${medium}`)
    else if (socket.length > MAX_SOCKET_PATH) {
      problems.add(at, `a socket path of ${socket.length} characters, the system allows ${MAX_SOCKET_PATH}`)
    } else return config
    return undefined
  },
)

export const partitionShape: Shape<PartitionConfig> = byKind<PartitionConfig>('a partition', {
  qemu,
  process,
  external,
})
