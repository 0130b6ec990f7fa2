import { BusbarError } from '../../errors/index.ts'
import { type Awaitable, type ByteLink, FlowReader } from '../../link/index.ts'

/** A link that is read through `flow`, so that the suite which reads judges that path too. Takes the link. */
class Flowing implements ByteLink {
  readonly #below: ByteLink
  readonly #reader: FlowReader
  /** Reads go into memory of this many `bytes`, where given: links that lend what they read do so then. */
  readonly #own: number | undefined

  constructor(below: ByteLink, own: number | undefined) {
    this.#below = below
    this.#own = own
    this.#reader = new FlowReader(below)
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#below.closed
  }

  read(): Awaitable<Uint8Array | undefined> {
    return this.#own === undefined ? this.#reader.read() : this.#readInto(new Uint8Array(this.#own))
  }

  write(chunk: Uint8Array): Awaitable<void> {
    return this.#below.write(chunk)
  }

  end(): Awaitable<void> {
    return this.#below.end()
  }

  close(reason: BusbarError = new BusbarError('CLOSED', 'closed by this side')): void {
    this.#reader.fail(reason)
    this.#below.close(reason)
  }

  #readInto(buffer: Uint8Array): Awaitable<Uint8Array | undefined> {
    const cut = (count: number): Uint8Array | undefined => (count === 0 ? undefined : buffer.subarray(0, count))
    const count = this.#reader.readInto(buffer)
    return count instanceof Promise ? count.then(cut) : cut(count)
  }
}

/** The pair, with both ends read through `flow`, and into memory of `own` bytes a read where given. */
export function flowing<Pair extends { a: ByteLink; b: ByteLink }>(pair: Pair, own?: number): Pair {
  return { ...pair, a: new Flowing(pair.a, own), b: new Flowing(pair.b, own) }
}
