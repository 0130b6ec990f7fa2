import { BusbarError } from '../../errors/index.ts'

/** One entry of an archive. Owner and group are always 0, whoever builds it. */
export type CpioEntry =
  | { readonly kind: 'directory'; readonly path: string; readonly mode: number }
  | { readonly kind: 'file'; readonly path: string; readonly mode: number; readonly data: Uint8Array }
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string }
  | {
      readonly kind: 'character'
      readonly path: string
      readonly mode: number
      readonly major: number
      readonly minor: number
    }

/** Bytes of a `newc` header: 6 of magic and 13 fields of 8 hex digits (fixed by the format, cpio(5)). */
const HEADER_SIZE = 110
/** Headers and data are padded to this many bytes (fixed by the format). */
const ALIGNMENT = 4
/** A whole archive is padded to this many bytes, so that the next one starts where the kernel looks for it. */
const ARCHIVE_ALIGNMENT = 512
/** The kernel refuses longer names (PATH_MAX, init/initramfs.c). */
const MAX_NAME = 4096

const TYPE_BITS = { directory: 0o040000, file: 0o100000, symlink: 0o120000, character: 0o020000 } as const

function header(entry: CpioEntry, inode: number, name: Uint8Array, dataSize: number): Buffer {
  const mode = TYPE_BITS[entry.kind] | (entry.kind === 'symlink' ? 0o777 : entry.mode)
  const device = entry.kind === 'character' ? entry : { major: 0, minor: 0 }
  const links = entry.kind === 'directory' ? 2 : 1
  const fields = [inode, mode, 0, 0, links, 0, dataSize, 0, 0, device.major, device.minor, name.byteLength + 1, 0]
  return Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`, 'latin1')
}

function padding(size: number, alignment: number): Uint8Array {
  return new Uint8Array((alignment - (size % alignment)) % alignment)
}

function* encodeEntry(entry: CpioEntry, inode: number): Generator<Uint8Array> {
  const name = Buffer.from(entry.path)
  if (name.byteLength === 0 || name.byteLength >= MAX_NAME || entry.path.startsWith('/') || entry.path.includes('\0')) {
    throw new BusbarError(
      'INVALID_ARGUMENT',
      `"${entry.path}" is no path for an archive: it must be relative and not empty.`,
    )
  }
  const data =
    entry.kind === 'file' ? entry.data : entry.kind === 'symlink' ? Buffer.from(entry.target) : Buffer.alloc(0)
  if (data.byteLength > 0xffff_ffff) {
    throw new BusbarError('INVALID_ARGUMENT', `${entry.path} is larger than the 4 GiB that a cpio archive can hold.`)
  }
  yield header(entry, inode, name, data.byteLength)
  yield name
  // One zero ends the name; what follows aligns the data.
  yield new Uint8Array(1 + padding(HEADER_SIZE + name.byteLength + 1, ALIGNMENT).byteLength)
  yield data
  yield padding(data.byteLength, ALIGNMENT)
}

/**
 * Encodes a whole archive in the `newc` format that Linux unpacks at boot, in chunks, padded to 512 bytes so that archives can
 * be joined end to end. Directories must come before what is in them.
 *
 * @throws BusbarError `INVALID_ARGUMENT` for a path that is empty, absolute or too long.
 */
export function* encodeCpio(entries: Iterable<CpioEntry>): Generator<Uint8Array> {
  let size = 0
  let inode = 0
  const trailer: CpioEntry = { kind: 'file', path: 'TRAILER!!!', mode: 0, data: new Uint8Array(0) }
  for (const entry of entries) {
    inode += 1
    for (const chunk of encodeEntry(entry, inode)) {
      size += chunk.byteLength
      yield chunk
    }
  }
  for (const chunk of encodeEntry(trailer, 0)) {
    size += chunk.byteLength
    yield chunk
  }
  yield padding(size, ARCHIVE_ALIGNMENT)
}
