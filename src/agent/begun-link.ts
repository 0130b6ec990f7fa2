import { type Awaitable, type ByteLink, flow, type LinkSink } from '../link/index.ts'
import type { BusbarError } from '../errors/index.ts'

/**
 * A link of which the first bytes were looked at, to find out what it is for. Afterwards everything passes straight through: what
 * flows to a sink flows from the link below.
 */
export class BegunLink implements ByteLink {
  readonly #below: ByteLink
  #first: Uint8Array = new Uint8Array(0)

  /** Takes the link: closing this closes that. */
  constructor(below: ByteLink) {
    this.#below = below
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#below.closed
  }

  /** At least `count` bytes from the start, which stay unread; fewer when the peer ended before. */
  async peek(count: number): Promise<Uint8Array> {
    while (this.#first.length < count) {
      const chunk = await this.#below.read()
      if (chunk === undefined) break
      const longer = new Uint8Array(this.#first.length + chunk.length)
      longer.set(this.#first)
      longer.set(chunk, this.#first.length)
      this.#first = longer
    }
    return this.#first
  }

  /** The first `count` of the bytes that were looked at are done with. */
  skip(count: number): void {
    this.#first = this.#first.subarray(count)
  }

  read(): Awaitable<Uint8Array | undefined> {
    const first = this.#first
    if (first.length === 0) return this.#below.read()
    this.#first = new Uint8Array(0)
    return first
  }

  flow(sink: LinkSink): void {
    const first = this.#first
    this.#first = new Uint8Array(0)
    const room = first.length === 0 ? undefined : sink.chunk(first)
    if (room instanceof Promise)
      room.then(
        () => flow(this.#below, sink),
        (reason: BusbarError) => this.close(reason),
      )
    else flow(this.#below, sink)
  }

  write(chunk: Uint8Array): Awaitable<void> {
    return this.#below.write(chunk)
  }

  end(): Awaitable<void> {
    return this.#below.end()
  }

  close(reason?: BusbarError): void {
    this.#below.close(reason)
  }
}
