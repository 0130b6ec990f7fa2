import net from 'node:net'
import { BulkMemory } from '../bulk-memory.ts'

/** Memory for reads, `bytes`: what libuv reads at once. */
const SLAB = 65_536
/** A slab with fewer `bytes` left is not read into any more (our choice: small reads fill three quarters of it, bulk is read in long ones). */
const ROOM = 16_384

/** For all sockets of the process, which share its heap. Where somebody reads slowly, each read goes to new memory: what was read before waits to be written. */
const MEMORY = new BulkMemory()

/**
 * Reads a socket into memory of our own. Node makes a fresh 64 KiB for each read of an ordinary socket, however short: a
 * fifth of the time that a small message takes.
 */
export class SlabReader {
  /** Takes what was read; whether to go on reading. */
  take: (chunk: Uint8Array) => boolean = () => true
  /** Borrows what was read, of at most `room` bytes; whether to go on reading. */
  lend: (chunk: Uint8Array) => boolean = () => true
  room: () => number = () => 0
  /** Where the next bytes are wanted: what is read there is lent from its start. */
  place: () => Uint8Array | undefined = () => undefined
  /** Whether what was taken last is kept by nobody. */
  copies: () => boolean = () => false
  readonly socket: net.Socket
  /** What is left of the slab: where the next read goes, unless it has a place. */
  #slab: Uint8Array
  /** Where the next read goes instead. */
  #place: Uint8Array | undefined
  /** Node was told so. */
  #told = false

  /**
   * Takes over what Node has of an accepted connection below its socket. Node has `onread` for sockets that a program makes, and makes the accepted ones itself; so
   * the handle is given to a socket of ours. That is no documented way: where it is not as we know it, `undefined`.
   */
  static of(handle: unknown): SlabReader | undefined {
    if (typeof handle !== 'object' || handle === null || !('useUserBuffer' in handle)) return undefined
    return new SlabReader({ handle, readable: true, writable: true } as net.SocketConstructorOpts)
  }

  constructor(options: net.SocketConstructorOpts) {
    this.#slab = MEMORY.take(SLAB)
    // Asked behind each read; to be told the same again costs Node more than an answer that says nothing.
    const buffer = (): Uint8Array => {
      this.#place = this.place()
      if (this.#place !== undefined) {
        this.#told = false
        return this.#place
      }
      if (this.#told) return undefined as unknown as Uint8Array
      this.#told = true
      return this.#slab
    }
    const callback = (length: number): boolean => this.#arrived(length)
    // Half-close is the business of the link above. The types know `onread` only as an option of `net.connect`, which passes
    // it on to this constructor.
    const all: net.SocketConstructorOpts & net.ConnectOpts = {
      ...options,
      allowHalfOpen: true,
      onread: { buffer, callback },
    }
    this.socket = new net.Socket(all)
  }

  #arrived(length: number): boolean {
    const place = this.#place
    if (place !== undefined) return this.lend(length === place.length ? place : place.subarray(0, length))
    const slab = this.#slab
    let at = 0
    let goOn = true
    for (let room = this.room(); room > 0; room = this.room()) {
      const end = Math.min(length, at + room)
      goOn = this.lend(slab.subarray(at, end))
      at = end
      if (at < length) continue
      // A read that filled it would have filled a larger one.
      if (length === slab.length && length < SLAB) this.#renew()
      return goOn
    }
    goOn = this.take(slab.subarray(at, length))
    if (!this.copies()) this.#leave(length)
    else if (length === slab.length && length < SLAB) this.#renew()
    return goOn
  }

  /** Reads go behind the first `length` bytes, which somebody keeps. Short ones share a slab, and so does whoever keeps them. */
  #leave(length: number): void {
    if (this.#slab.length - length < ROOM) return this.#renew()
    this.#slab = this.#slab.subarray(length)
    this.#told = false
  }

  #renew(): void {
    this.#slab = MEMORY.take(SLAB)
    this.#told = false
  }
}
