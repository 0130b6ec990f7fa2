import { BusbarError } from '../../errors/index.ts'
import type { RingReader } from '../../ring/index.ts'

/** Bytes at the begin of a ring: u64, how many went over the link before. Little-endian. */
export const PREFACE_BYTES = 8

/** Bytes of memory that nobody shares. */
export function writePreface(into: Uint8Array, sent: number): void {
  const view = new DataView(into.buffer, into.byteOffset, PREFACE_BYTES)
  view.setUint32(0, sent % 2 ** 32, true)
  view.setUint32(4, Math.floor(sent / 2 ** 32), true)
}

/** Reads the preface, which may come in pieces. */
export class Preface {
  readonly #bytes = new Uint8Array(PREFACE_BYTES)
  #have = 0
  #expected: number | undefined

  /** Bytes that come over the link before those in the ring; `undefined` while that is not known. */
  get expected(): number | undefined {
    return this.#expected
  }

  /** Whether the ring is in use. */
  get begun(): boolean {
    return this.#have > 0
  }

  /** Takes what is there; whether it is whole. `MALFORMED` for a number that cannot be. */
  read(reader: RingReader): boolean {
    this.#have += reader.readInto(this.#bytes, this.#have)
    if (this.#have < PREFACE_BYTES) return false
    const view = new DataView(this.#bytes.buffer)
    const sent = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32
    if (!Number.isSafeInteger(sent)) throw new BusbarError('MALFORMED', `a ring behind ${sent} bytes`)
    this.#expected = sent
    return true
  }
}
