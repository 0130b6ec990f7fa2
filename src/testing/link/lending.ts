import type { BusbarError } from '../../errors/index.ts'
import { type Awaitable, type ByteLink, flow, type LinkSink } from '../../link/index.ts'

/**
 * A link that lends its sink all that the sink borrows, and writes over it afterwards, as it does over chunks that the sink says it has
 * copied: whoever kept such bytes will find others. What is written here is copied.
 */
class Lending implements ByteLink {
  readonly #below: ByteLink

  constructor(below: ByteLink) {
    this.#below = below
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#below.closed
  }

  read(): Awaitable<Uint8Array | undefined> {
    return this.#below.read()
  }

  flow(sink: LinkSink): void {
    flow(this.#below, { chunk: (bytes) => give(sink, bytes), end: () => sink.end() })
  }

  readonly copies = true

  write(chunk: Uint8Array): Awaitable<void> {
    return this.#below.write(chunk.slice())
  }

  end(): Awaitable<void> {
    return this.#below.end()
  }

  close(reason?: BusbarError): void {
    this.#below.close(reason)
  }
}

function give(sink: LinkSink, bytes: Uint8Array): Awaitable<void> {
  const lent = bytes.slice(0, Math.min(bytes.length, sink.room ?? 0))
  if (lent.length === 0 || sink.borrow === undefined) {
    const taken = bytes.slice()
    const room = sink.chunk(taken)
    if (sink.copies === true) taken.fill(0xee)
    return room
  }
  const room = sink.borrow(lent, false)
  lent.fill(0xee)
  const rest = bytes.subarray(lent.length)
  if (rest.length === 0) return room
  return room instanceof Promise ? room.then(() => give(sink, rest)) : give(sink, rest)
}

/** The pair, with both ends lending. */
export function lending<Pair extends { a: ByteLink; b: ByteLink }>(pair: Pair): Pair {
  return { ...pair, a: new Lending(pair.a), b: new Lending(pair.b) }
}
