import net from 'node:net'
import { Slab } from '../../bytes/index.ts'

/** Room for one read, `bytes`: what libuv reads at once. */
const SLAB = 65_536
/** Reads from this many `bytes` on are handed out where they are, and the next goes elsewhere; shorter ones are copied (our choice). */
const KEEP = 16_384
/** Reads up to this many `bytes` are copied byte by byte into memory that many share: cheaper than memory of their own (our choice). */
const SHORT = 512

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
  readonly socket: net.Socket
  #slab = unfilled()
  readonly #short = new Slab()

  /**
   * Takes over a socket that was accepted with `pauseOnConnect`, from which nothing was read. Node has `onread` for sockets that a program makes,
   * and makes the accepted ones itself; so the handle is given to a socket of ours. That is no documented way: where it is not as we know it, `undefined`,
   * and the socket stays what it was.
   */
  static adopt(accepted: net.Socket): SlabReader | undefined {
    const held = accepted as unknown as { _handle: unknown }
    const handle = held._handle
    if (typeof handle !== 'object' || handle === null || !('useUserBuffer' in handle)) return undefined
    held._handle = null
    accepted.destroy()
    return new SlabReader({ handle, readable: true, writable: true } as net.SocketConstructorOpts)
  }

  constructor(options: net.SocketConstructorOpts) {
    const buffer = (): Uint8Array => this.#slab
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
    const slab = this.#slab
    let at = 0
    let goOn = true
    for (let room = this.room(); room > 0; room = this.room()) {
      const end = Math.min(length, at + room)
      goOn = this.lend(slab.subarray(at, end))
      at = end
      if (at === length) return goOn
    }
    return this.take(at === 0 ? this.#cut(length) : slab.slice(at, length))
  }

  /** What was read, as a chunk that may be kept: a short one must not hold the whole slab. */
  #cut(length: number): Uint8Array {
    const slab = this.#slab
    if (length <= SHORT) return this.#copy(slab, length)
    if (length < KEEP) return slab.slice(0, length)
    this.#slab = unfilled()
    return slab.subarray(0, length)
  }

  #copy(slab: Uint8Array, length: number): Uint8Array {
    const start = this.#short.take(length)
    const { bytes } = this.#short
    for (let i = 0; i < length; i++) bytes[start + i] = slab[i] as number
    return new Uint8Array(bytes.buffer, start, length)
  }
}

/** Memory for a read: it is not zeroed, since only what was read is ever handed out. */
function unfilled(): Uint8Array {
  const { buffer } = Buffer.allocUnsafeSlow(SLAB)
  return new Uint8Array(buffer)
}
