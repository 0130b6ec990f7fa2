import type { SimRandom } from './inside.ts'

/** Integers that decoders get wrong. */
const VALUES = [0, 1, 2, 3, 7, 8, 15, 16, 23, 24, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10_000]
const WIDE = [0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff]

/** Where the numbers of PDUs are: version, type, flags, byte order, length, token, id, then what is fixed in each kind. */
const PDU_FIELDS: readonly (readonly [at: number, width: 1 | 2 | 4])[] = [
  ...([0, 1, 2, 2, 3, 3, 3, 4, 5] as const).map((at) => [at, 1] as const),
  ...([8, 8, 8, 10, 20, 22, 16, 18] as const).map((at) => [at, 2] as const),
  ...([12, 12, 16, 20, 24] as const).map((at) => [at, 4] as const),
  ...([24, 26, 28, 30] as const).map((at) => [at, 1] as const),
]

/** A PDU with a field or two changed, shortened, lengthened, or of the other byte order. Its length may lie afterwards. */
export function mutatePdu(random: SimRandom, pdu: Uint8Array): Uint8Array {
  let bytes: Uint8Array = pdu.slice()
  for (let edits = random.sized(3); edits > 0; edits--) {
    const draw = random.below(10)
    if (draw < 6) setField(random, bytes, ...random.pick(PDU_FIELDS))
    else if (draw < 7) bytes[2] = random.pick([0, 2, 3, 11, 12, 13, 14, 15, 16, 17, 18, 19])
    else if (draw < 8 && bytes.length >= 16) bytes = resized(random, bytes)
    else bytes = mutateBytes(random, bytes)
  }
  return bytes
}

/** Any bytes, changed anywhere. */
export function mutateBytes(random: SimRandom, input: Uint8Array): Uint8Array {
  const bytes = input.slice()
  if (bytes.length === 0) return bytes
  const at = random.below(bytes.length)
  switch (random.below(5)) {
    case 0:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8))
      return bytes
    case 1:
      setField(random, bytes, at, random.pick([1, 2, 4]))
      return bytes
    case 2:
      return bytes.subarray(0, at)
    case 3:
      return new Uint8Array([...bytes.subarray(0, at), ...bytes.subarray(at + random.sized(16))])
    default:
      return new Uint8Array([
        ...bytes.subarray(0, at),
        ...random.fill(new Uint8Array(random.sized(40))),
        ...bytes.subarray(at),
      ])
  }
}

function setField(random: SimRandom, bytes: Uint8Array, at: number, width: 1 | 2 | 4): void {
  if (at + width > bytes.length) return
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const little = random.chance(0.5)
  const value = random.chance(0.2) ? random.next() : random.pick(width === 4 ? [...VALUES, ...WIDE] : VALUES)
  if (width === 1) bytes[at] = value
  else if (width === 2) view.setUint16(at, value & 0xffff, little)
  else view.setUint32(at, value, little)
}

/** Shorter or longer, and its header says so. */
function resized(random: SimRandom, pdu: Uint8Array): Uint8Array {
  const length = Math.max(16, random.chance(0.5) ? random.below(pdu.length + 1) : pdu.length + random.sized(3_000))
  const bytes = new Uint8Array(length)
  bytes.set(pdu.subarray(0, length))
  new DataView(bytes.buffer).setUint16(8, length, bytes[4] === 0x10)
  return bytes
}

/** Cuts bytes into chunks, in one of the ways that media do. */
export function* chunks(random: SimRandom, bytes: Uint8Array): Generator<Uint8Array, void, void> {
  const style = random.below(4)
  for (let at = 0; at < bytes.length; ) {
    const size = style === 0 ? bytes.length : style === 1 ? 1 : style === 2 ? random.sized(40) : random.sized(5_000)
    yield bytes.subarray(at, at + size)
    at += size
  }
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
