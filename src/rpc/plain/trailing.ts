import type { Reader } from '../../bytes/index.ts'
import { BusbarError } from '../../errors/index.ts'

/** Padding is shorter than the widest alignment of NDR, `bytes`, and reaches this multiple at least (C706 14.2.2). */
const [WIDEST, ALIGNMENT] = [8, 4] as const
/** What a verification trailer begins with, and it is aligned to 4 (MS-RPCE 2.2.2.13.1). */
const SIGNATURE: readonly number[] = [0x8a, 0xe3, 0x13, 0x71, 0x02, 0xf4, 0x36, 0x71]
/** The longest trailer, `bytes` (samba dcerpc.idl). */
const MAX_TRAILER = 1_024
/** In front of what a command says: what it is, and how many bytes it has, `bytes`. */
const COMMAND_BYTES = 4
/** Flags of a command: it is the last, and nobody may pass it over (MS-RPCE 2.2.2.13). */
const [LAST, MUST] = [0x4000, 0x8000] as const
/** Features of the client, the context and the header of the request (MS-RPCE 2.2.2.13.2 to 2.2.2.13.4). */
const COMMANDS: readonly number[] = [1, 2, 3]

/**
 * Reads what is behind the arguments of a request that nobody here wrote: nothing, padding, or a verification trailer, in which a client
 * repeats what its headers said. That proves something only where the stub is protected and they are not, so what it says is not
 * compared here. `MALFORMED` for everything else.
 */
export function readTrailing(reader: Reader, what: string): void {
  const { at, left } = reader
  if (left === 0) return
  const rest = reader.bytes(left)
  if (left < WIDEST && (at + left) % ALIGNMENT === 0) return
  if (!isTrailer(rest.subarray(-at & (ALIGNMENT - 1)))) {
    throw new BusbarError('MALFORMED', `${what}: ${left} bytes behind the arguments are neither padding nor a trailer`)
  }
}

/** Whether that is a whole trailer, to its last command and no byte more. Little-endian, whatever the stub is. */
function isTrailer(bytes: Uint8Array): boolean {
  if (bytes.length > MAX_TRAILER || SIGNATURE.some((byte, i) => bytes[i] !== byte)) return false
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = SIGNATURE.length
  while (at + COMMAND_BYTES <= bytes.length) {
    const command = view.getUint16(at, true)
    if ((command & MUST) !== 0 && !COMMANDS.includes(command & ~(MUST | LAST))) return false
    at += COMMAND_BYTES + view.getUint16(at + 2, true)
    if ((command & LAST) !== 0) return at === bytes.length
  }
  return false
}
