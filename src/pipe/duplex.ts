import { Duplex } from 'node:stream'
import { BusbarError } from '../errors/index.ts'
import type { Pipe } from './handle.ts'
import { type WebStreams, webStreams } from './web-streams.ts'

/**
 * A pipe as a Node stream: back-pressure, half-close in each direction (`end()` leaves the readable side open), and an
 * `'error'` with the coded reason when the pipe breaks. In message mode each `write` is one message and each `'data'` too.
 */
export class PipeDuplex extends Duplex {
  readonly #handle: Pipe
  #reading = false

  /** Takes the pipe: destroying the stream closes it. */
  constructor(handle: Pipe) {
    const message = handle.mode === 'message'
    super({ allowHalfOpen: true, readableObjectMode: message, writableObjectMode: message, emitClose: true })
    this.#handle = handle
    void handle.closed.then((reason) => {
      if (reason === undefined || this.destroyed) return
      // Closed through the handle by this program: that is no error to tell it of.
      this.destroy(reason.code === 'CLOSED' ? undefined : reason)
    })
  }

  /** The file handle below: offsets, caller, reads and writes by hand. Whoever has it is told of failures there. */
  get handle(): Pipe {
    this.tolerate()
    return this.#handle
  }

  /** The same pipe as a pair of WHATWG streams. The Duplex must not be used beside them. */
  web(): WebStreams {
    this.tolerate()
    return webStreams(this.#handle)
  }

  /** From now on an `'error'` that nobody listens to does not end the process, as Node has it otherwise. */
  tolerate(): this {
    if (!this.listeners('error').includes(tolerated)) this.on('error', tolerated)
    return this
  }

  override _read(): void {
    if (this.#reading) return
    this.#reading = true
    this.#fill().catch((thrown: unknown) => this.destroy(BusbarError.from(thrown)))
  }

  override _write(chunk: Uint8Array | string, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk
    const room = this.#handle.write(bytes)
    if (room instanceof Promise) room.then(() => done(), done)
    else done()
  }

  override _final(done: (error?: Error | null) => void): void {
    const ended = this.#handle.end()
    if (ended instanceof Promise) ended.then(() => done(), done)
    else done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#handle.close(error === null ? undefined : BusbarError.from(error, 'CANCELLED'))
    done(error)
  }

  async #fill(): Promise<void> {
    for (;;) {
      const batch = await this.#handle.readBatch()
      if (batch === undefined) {
        this.push(null)
        return
      }
      let wanted = true
      // A Node stream gives Buffers; in object mode it would pass the array on as it is.
      for (const chunk of batch) wanted = this.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length))
      if (wanted) continue
      // Before anybody else runs: they may ask for more at once.
      this.#reading = false
      return
    }
  }
}

/** Whoever reads, writes, or waits for `'close'` is told all the same. */
function tolerated(): void {}
