import type { Socket } from 'node:net'

/** Bytes in front of a frame: u32 length, the highest bit free for the user. */
const PREFIX = 4
const FLAG = 0x8000_0000
const SLAB = 65_536
/** From this length on a frame is written as it is, in one system call with its prefix. */
const LARGE = 4_096

/** Frames over a socket, as plainly and as fast as that goes in Node: those of one turn leave in one write. */
export class Frames {
  readonly #socket: Socket
  readonly #take: (frame: Buffer, flag: boolean) => void
  #slab = Buffer.allocUnsafeSlow(SLAB)
  #from = 0
  #at = 0
  #scheduled = false
  readonly #leave = (): void => this.#flush()

  /** What did not fill a prefix yet. */
  #rest: Buffer = Buffer.alloc(0)
  /** A frame larger than the chunk it came in, and how much of it is there. */
  #frame: Buffer | undefined
  #filled = 0
  #flag = false

  /** A frame that is taken may be a view of a chunk. */
  constructor(socket: Socket, take: (frame: Buffer, flag: boolean) => void) {
    this.#socket = socket
    this.#take = take
    socket.on('data', (chunk: Buffer) => this.#arrived(chunk))
    socket.on('error', () => socket.destroy())
  }

  send(data: Uint8Array, flag = false): void {
    const prefix = flag ? data.length + FLAG : data.length
    if (data.length >= LARGE) return this.#sendLarge(prefix, data)
    const end = this.#at + PREFIX + data.length
    if (end > SLAB) {
      this.#flush()
      this.#slab = Buffer.allocUnsafeSlow(SLAB)
      this.#from = 0
      this.#at = 0
    }
    this.#slab.writeUInt32LE(prefix, this.#at)
    this.#slab.set(data, this.#at + PREFIX)
    this.#at += PREFIX + data.length
    if (this.#scheduled) return
    this.#scheduled = true
    process.nextTick(this.#leave)
  }

  #sendLarge(prefix: number, data: Uint8Array): void {
    this.#flush()
    const front = Buffer.allocUnsafe(PREFIX)
    front.writeUInt32LE(prefix)
    this.#socket.cork()
    this.#socket.write(front)
    this.#socket.write(data)
    this.#socket.uncork()
  }

  #flush(): void {
    this.#scheduled = false
    if (this.#at === this.#from) return
    this.#socket.write(this.#slab.subarray(this.#from, this.#at))
    this.#from = this.#at
  }

  #arrived(chunk: Buffer): void {
    let all = chunk
    if (this.#frame !== undefined) {
      const part = all.subarray(0, this.#frame.length - this.#filled)
      this.#frame.set(part, this.#filled)
      this.#filled += part.length
      if (this.#filled < this.#frame.length) return
      all = all.subarray(part.length)
      const whole = this.#frame
      this.#frame = undefined
      this.#take(whole, this.#flag)
    } else if (this.#rest.length > 0) {
      all = Buffer.concat([this.#rest, chunk])
      this.#rest = Buffer.alloc(0)
    }
    let at = 0
    while (all.length - at >= PREFIX) {
      const prefix = all.readUInt32LE(at)
      const flag = prefix >= FLAG
      const length = flag ? prefix - FLAG : prefix
      const end = at + PREFIX + length
      if (end > all.length) return this.#begin(all.subarray(at + PREFIX), length, flag)
      this.#take(all.subarray(at + PREFIX, end), flag)
      at = end
    }
    this.#rest = all.subarray(at)
  }

  #begin(part: Buffer, length: number, flag: boolean): void {
    this.#frame = Buffer.allocUnsafeSlow(length)
    this.#frame.set(part)
    this.#filled = part.length
    this.#flag = flag
  }
}
