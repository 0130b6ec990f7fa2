import { BusbarError } from '../../errors/index.ts'
import { Block, PAGE_BYTES } from '../../ring/index.ts'
import { MAX_RING_BYTES } from './limits.ts'

/**
 * A region: one page that says what it is, then two rings. Little-endian: u32 magic, u32 version, u32 bytes of data of one ring, u32 0, 16 bytes of
 * key. The caller's end of a channel writes the first ring and reads the second.
 */
const MAGIC = 0x31_52_42_42
const VERSION = 1
const KEY_AT = 16
/** Bytes of the key that ties a region to the channel it was made for. */
export const KEY_BYTES = 16

/** Bytes of a region whose rings have so many bytes of data. */
export function regionBytes(ringBytes: number): number {
  return PAGE_BYTES + 2 * (PAGE_BYTES + ringBytes)
}

/** Makes an empty region of memory that is all zeros. */
export function formatRegion(bytes: Uint8Array, ringBytes: number, key: Uint8Array): void {
  for (const ring of [0, 1]) new Block(ringOf(bytes, ringBytes, ring)).format()
  const head = new DataView(bytes.buffer, bytes.byteOffset, PAGE_BYTES)
  head.setUint32(0, MAGIC, true)
  head.setUint32(4, VERSION, true)
  head.setUint32(8, ringBytes, true)
  bytes.set(key, KEY_AT)
}

/**
 * The two rings of a region, once. `VERSION` when it is not of version 1, `MALFORMED` when it is not what it says or too small, `STALE_EPOCH` when it
 * was made for another channel. All of it may change while this looks, so the head is copied first.
 */
export function openRegion(bytes: Uint8Array, key: Uint8Array): readonly [Block, Block] {
  if (bytes.length < regionBytes(PAGE_BYTES)) {
    throw new BusbarError('MALFORMED', `a region of ${bytes.length} bytes has no room for two rings`)
  }
  const head = bytes.slice(0, KEY_AT + KEY_BYTES)
  const fields = new DataView(head.buffer)
  const [magic, version, ringBytes] = [fields.getUint32(0, true), fields.getUint32(4, true), fields.getUint32(8, true)]
  if (magic !== MAGIC) throw new BusbarError('MALFORMED', 'this memory is no region of rings')
  if (version !== VERSION) {
    throw new BusbarError('VERSION', `a region of version ${version}, this side knows version ${VERSION}`)
  }
  if (ringBytes % PAGE_BYTES !== 0 || ringBytes === 0 || ringBytes > MAX_RING_BYTES) {
    throw new BusbarError('MALFORMED', `a region with rings of ${ringBytes} bytes`)
  }
  if (bytes.length !== regionBytes(ringBytes)) {
    throw new BusbarError('MALFORMED', `a region of ${bytes.length} bytes for two rings of ${ringBytes}`)
  }
  if (head.subarray(KEY_AT).some((byte, index) => byte !== key[index])) {
    throw new BusbarError('STALE_EPOCH', 'this region was made for another channel')
  }
  return [new Block(ringOf(bytes, ringBytes, 0)), new Block(ringOf(bytes, ringBytes, 1))]
}

function ringOf(bytes: Uint8Array, ringBytes: number, index: number): Uint8Array {
  const start = bytes.byteOffset + PAGE_BYTES + index * (PAGE_BYTES + ringBytes)
  return new Uint8Array(bytes.buffer, start, PAGE_BYTES + ringBytes)
}
