import { closeSync, writeSync } from 'node:fs'
import net from 'node:net'

/** How the two sides of a ring wake each other. */
export interface Bell {
  /** Wakes the other side. It may have gone: then nothing happens. */
  ring(): void
  /** `heard` is called when the other side rang, several rings may be one. Once. */
  listen(heard: () => void): void
  close(): void
}

const ONE = new Uint8Array(1)
/** What arrives is only counted as having arrived, so all bells of a process read into the same memory. */
const HEARD = new Uint8Array(64)

/**
 * A kernel pipe in each direction. Ringing is one system call and never blocks: a pipe that is full holds rings enough. Takes both
 * descriptors: `read` is rung by the other side, which has its other end.
 */
export class PipeBell implements Bell {
  readonly #read: number
  readonly #write: number
  #socket: net.Socket | undefined
  #open = true

  constructor(read: number, write: number) {
    this.#read = read
    this.#write = write
  }

  ring(): void {
    if (!this.#open) return
    try {
      writeSync(this.#write, ONE)
    } catch {
      // Full: it is rung already. Or nobody has the other end: the channel's own stream tells that.
    }
  }

  listen(heard: () => void): void {
    const callback = (): boolean => {
      heard()
      return true
    }
    // The types know `onread` only as an option of `net.connect`, which passes it on to this constructor.
    const options: net.SocketConstructorOpts & Pick<net.ConnectOpts, 'onread'> = {
      fd: this.#read,
      readable: true,
      writable: false,
      onread: { buffer: HEARD, callback },
    }
    this.#socket = new net.Socket(options)
    this.#socket.on('error', () => {})
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    closeSync(this.#write)
    if (this.#socket === undefined) closeSync(this.#read)
    else this.#socket.destroy()
  }
}
