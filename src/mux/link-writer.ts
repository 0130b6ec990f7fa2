import { BusbarError } from '../errors/index.ts'
import type { ByteLink } from '../link/index.ts'
import { DATA, encodeHeader, HEADER_BYTES } from './codec.ts'

/** Payloads up to this many `bytes` are copied behind their header (our choice: a copy costs less than a second write). */
export const COPY_BYTES = 4096
/** Memory that headers and small frames are gathered in, `bytes` (our choice: about 140 frames of 100 bytes a write). */
const SLAB_BYTES = 16_384

/** Puts frames on the link: small ones gathered into one chunk, large payloads as they are, and counts what the link has not taken. */
export class LinkWriter {
  readonly #link: ByteLink
  readonly #limit: number
  #slab = new Uint8Array(SLAB_BYTES)
  /** The slab holds frames not yet written to the link from `#from` to `#to`; what is before was handed over. */
  #from = 0
  #to = 0
  /** Sizes of the writes that the link has not taken, oldest first. */
  #waiting: number[] = []
  #unsettled = 0
  readonly #taken: () => void
  readonly #broken: (thrown: unknown) => void

  /** `room` is called when the link took something, `broken` once when it failed. */
  constructor(link: ByteLink, limit: number, room: () => void, broken: (reason: BusbarError) => void) {
    this.#link = link
    this.#limit = limit
    this.#taken = () => {
      this.#unsettled -= this.#waiting.shift() ?? 0
      room()
    }
    this.#broken = (thrown) => broken(BusbarError.from(thrown, 'LINK_LOST'))
  }

  /** `bytes` written to the link that it has not taken. */
  get unsettled(): number {
    return this.#unsettled
  }

  get hasRoom(): boolean {
    return this.#unsettled + this.#to - this.#from < this.#limit
  }

  /** A frame without payload, or the header of a payload that follows. */
  header(type: number, flags: number, id: number, length: number): void {
    this.#reserve(HEADER_BYTES)
    encodeHeader(this.#slab, this.#to, type, flags, id, length)
    this.#to += HEADER_BYTES
  }

  /** A large data frame: the payload passes to the link uncopied. */
  large(flags: number, id: number, payload: Uint8Array): void {
    this.header(DATA, flags, id, payload.length)
    this.flush()
    this.#put(payload)
  }

  /**
   * A small data frame, copied: `first` and then what `more` gives of up to so many bytes. Returns the payload `bytes`.
   */
  small(flags: number, id: number, first: Uint8Array, more: (max: number) => Uint8Array | undefined): number {
    this.#reserve(HEADER_BYTES + first.length)
    const slab = this.#slab
    const header = this.#to
    const start = header + HEADER_BYTES
    const end = Math.min(slab.length, start + COPY_BYTES)
    let at = start
    let piece: Uint8Array | undefined = first
    while (piece !== undefined) {
      slab.set(piece, at)
      at += piece.length
      piece = at < end ? more(end - at) : undefined
    }
    encodeHeader(slab, header, DATA, flags, id, at - start)
    this.#to = at
    return at - start
  }

  flush(): void {
    const length = this.#to - this.#from
    if (length === 0) return
    const chunk = new Uint8Array(this.#slab.buffer, this.#from, length)
    this.#from = this.#to
    this.#put(chunk)
  }

  #reserve(bytes: number): void {
    if (this.#to + bytes <= this.#slab.length) return
    this.flush()
    this.#slab = new Uint8Array(SLAB_BYTES)
    this.#from = 0
    this.#to = 0
  }

  #put(chunk: Uint8Array): void {
    const taken = this.#link.write(chunk)
    if (taken === undefined) return
    this.#unsettled += chunk.length
    this.#waiting.push(chunk.length)
    taken.then(this.#taken, this.#broken)
  }
}
