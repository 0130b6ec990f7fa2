import type { Caller, Channel, PipeMode } from '../bus/index.ts'
import { type BusbarError } from '../errors/index.ts'
import { type Awaitable, type ByteLink, PacketLink } from '../link/index.ts'

/**
 * The file handle: an ordered stream of bytes (or, in message mode, of messages) in each direction, with an offset that
 * counts. Reads may be issued before the matching write, as many as one likes: they are answered in order. Each
 * direction ends on its own. Keeps the link contract, so whatever runs over a link runs over a pipe.
 */
export class Pipe implements ByteLink {
  readonly partition: string
  readonly service: string
  readonly mode: PipeMode
  /** The other end as the bus attests it, on the side that offers. */
  readonly caller: Caller | undefined
  readonly #link: ByteLink
  /** Most `bytes` of one write. */
  readonly #longest: number
  #lastRead: Promise<unknown> = Promise.resolve()
  #bytesRead = 0
  #bytesWritten = 0
  #ended = false

  /** Takes the channel: closing the pipe closes it. */
  constructor(channel: Channel) {
    this.partition = channel.partition
    this.service = channel.service
    this.mode = channel.mode
    this.caller = channel.caller
    const packets = channel.mode === 'message' ? new PacketLink(channel) : undefined
    this.#link = packets ?? channel
    this.#longest = packets?.maxMessage ?? Number.POSITIVE_INFINITY
  }

  /** `partition/service`. */
  get name(): string {
    return `${this.partition}/${this.service}`
  }

  /** Offset of the next byte to be read: `bytes` handed out so far. */
  get bytesRead(): number {
    return this.#bytesRead
  }

  /** Offset of the next byte to be written: `bytes` taken so far. */
  get bytesWritten(): number {
    return this.#bytesWritten
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#link.closed
  }

  /** The next bytes, or the next message; `undefined` at the end. May be called again before the last one settled. */
  read(): Promise<Uint8Array | undefined> {
    const next = this.#lastRead.then(this.#take, this.#take)
    this.#lastRead = next
    return next
  }

  write(chunk: Uint8Array): Awaitable<void> {
    // What is refused below, for being too long or too late, moves no offset.
    if (!this.#ended && chunk.length <= this.#longest) this.#bytesWritten += chunk.length
    return this.#link.write(chunk)
  }

  end(): Awaitable<void> {
    this.#ended = true
    return this.#link.end()
  }

  close(reason?: BusbarError): void {
    this.#link.close(reason)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    let finished = false
    try {
      for (let chunk = await this.read(); chunk !== undefined; chunk = await this.read()) yield chunk
      finished = true
    } finally {
      // Leaving the loop early means that nobody will read the rest.
      if (!finished) this.close()
    }
  }

  [Symbol.dispose](): void {
    this.close()
  }

  readonly #take = async (): Promise<Uint8Array | undefined> => {
    const chunk = await this.#link.read()
    this.#bytesRead += chunk?.length ?? 0
    return chunk
  }
}
