import type { Caller, Channel, PipeMode } from '../bus/index.ts'
import { BusbarError } from '../errors/index.ts'
import { type Awaitable, type ByteLink, flow, FlowReader, type LinkSink, PacketLink } from '../link/index.ts'

/**
 * The file handle: an ordered stream of bytes (or, in message mode, of messages) in each direction, with an offset that
 * counts. Reads may be issued before the matching write, as many as one likes: they are answered in order. Each
 * direction ends on its own. Keeps the link contract, so whatever runs over a link runs over a pipe.
 */
export class Pipe implements ByteLink {
  readonly partition: string
  readonly service: string
  readonly mode: PipeMode
  /** In byte mode, as of every link: what arrives counts as read when the sink has it. For programs that speak a protocol of their own over a pipe, and for RPC. */
  readonly flow?: (sink: LinkSink) => void
  /** The other end as the bus attests it, on the side that offers. */
  readonly caller: Caller | undefined
  readonly #link: ByteLink
  /** The same in message mode. */
  readonly #packets: PacketLink | undefined
  /** Most `bytes` of one write. */
  readonly #longest: number
  /** Who reads the link, once somebody has asked for bytes. */
  #reader: FlowReader | undefined
  #lastRead: Promise<unknown> = Promise.resolve()
  /** Reads that wait for the one before them. */
  #behind = 0
  #bytesRead = 0
  #bytesWritten = 0
  #ended = false
  #closed = false

  /** Takes the channel: closing the pipe closes it. */
  constructor(channel: Channel) {
    this.partition = channel.partition
    this.service = channel.service
    this.mode = channel.mode
    this.caller = channel.caller
    const packets = channel.mode === 'message' ? new PacketLink(channel) : undefined
    this.#packets = packets
    this.#link = packets ?? channel
    if (packets === undefined) this.flow = (sink) => this.#flow(sink)
    const link: ByteLink = channel
    link.favourBulk?.()
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

  /** As of `ByteLink`. */
  get copies(): boolean {
    return this.#link.copies ?? false
  }

  /** As of `ByteLink`. */
  get batch(): number | undefined {
    return this.#link.batch
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#link.closed
  }

  /** The next bytes, or the next message; `undefined` at the end. May be called again before the last one settled. */
  read(): Promise<Uint8Array | undefined> {
    const packets = this.#packets
    if (packets === undefined) return this.#inOrder(this.#flowing, (reader) => reader.read())
    return this.#inOrder(packets, () => counted(packets.read(), this.#countMessage))
  }

  /**
   * Reads into memory of the caller's: gives how many `bytes`, at least one, or 0 at the end. What is received this way leaves nothing for
   * the garbage collector. Reads of both kinds may be pending together, and are answered in order; `buffer` belongs to the pipe meanwhile.
   * Rejects with `INVALID_ARGUMENT` when `buffer` is empty, and in message mode, where a message comes whole or not at all.
   */
  readInto(buffer: Uint8Array): Promise<number> {
    if (this.mode === 'byte') return this.#inOrder(this.#flowing, (reader) => reader.readInto(buffer))
    return Promise.reject(new BusbarError('INVALID_ARGUMENT', `${this.name} is a message pipe: use read()`))
  }

  /**
   * All messages that are here, at least one, and in byte mode the next chunk; `undefined` at the end. For many small messages: one promise serves all
   * that arrived together. Answered in order with `read`.
   */
  readBatch(): Promise<Uint8Array[] | undefined> {
    const packets = this.#packets
    if (packets === undefined) {
      return this.#inOrder(this.#flowing, async (reader) => {
        const chunk = await reader.read()
        return chunk && [chunk]
      })
    }
    return this.#inOrder(packets, () => counted(packets.readBatch(), this.#countBatch))
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
    this.#closed = true
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

  #flow(sink: LinkSink): void {
    // Whoever has read before has what came since.
    if (this.#reader !== undefined) return this.#reader.flow(sink)
    const count = (bytes: Uint8Array): void => {
      this.#bytesRead += bytes.length
    }
    flow(this.#link, {
      chunk: (bytes) => {
        count(bytes)
        return sink.chunk(bytes)
      },
      borrow: (bytes, shared) => {
        count(bytes)
        return sink.borrow?.(bytes, shared)
      },
      end: () => sink.end(),
      get room() {
        return sink.room ?? 0
      },
      get place() {
        return sink.place
      },
      get copies() {
        return sink.copies ?? false
      },
      get blind() {
        return sink.blind ?? 0
      },
      get patient() {
        return sink.patient ?? false
      },
      get sated() {
        return sink.sated ?? false
      },
    })
  }

  get #flowing(): FlowReader {
    this.#reader ??= new FlowReader(this.#link, (bytes) => {
      this.#bytesRead += bytes
    })
    return this.#reader
  }

  /** Reads now, or behind the reads that wait. */
  #inOrder<R extends { readonly pending: boolean }, T>(reader: R, take: (reader: R) => Awaitable<T>): Promise<T> {
    let next: Promise<T>
    // What is unread is dropped at once. Why, only the link knows: it may have closed before, and nobody has heard of it yet.
    if (this.#closed)
      return this.closed.then((reason) => (reason === undefined ? take(reader) : Promise.reject(reason)))
    if (this.#behind === 0 && !reader.pending) {
      const taken = take(reader)
      if (!(taken instanceof Promise)) return Promise.resolve(taken)
      next = taken
    } else {
      this.#behind++
      const takeNext = (): Awaitable<T> => {
        this.#behind--
        return take(reader)
      }
      next = this.#lastRead.then(takeNext, takeNext)
    }
    this.#lastRead = next
    return next
  }

  readonly #countMessage = (message: Uint8Array | undefined): void => {
    this.#bytesRead += message?.length ?? 0
  }

  readonly #countBatch = (batch: readonly Uint8Array[] | undefined): void => {
    for (const { length } of batch ?? []) this.#bytesRead += length
  }
}

/** Gives what was read once `count` has seen it. */
function counted<T>(read: Awaitable<T>, count: (value: T) => void): Awaitable<T> {
  if (read instanceof Promise) {
    return read.then((value) => {
      count(value)
      return value
    })
  }
  count(read)
  return read
}
