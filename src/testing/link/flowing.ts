import { BusbarError } from '../../errors/index.ts'
import { type Awaitable, type ByteLink, flow, Inbox } from '../../link/index.ts'

/** A link that is read through `flow`, so that the suite which reads judges that path too. Takes the link. */
class Flowing implements ByteLink {
  readonly #below: ByteLink
  readonly #inbox = new Inbox(() => this.#taken())
  #resume: (() => void) | undefined

  constructor(below: ByteLink) {
    this.#below = below
    flow(below, {
      chunk: (bytes) => {
        this.#inbox.push(bytes)
        // Takes the next chunk only when this one was read: so waiting is judged as well.
        return this.#inbox.unread === 0 ? undefined : new Promise((resolve) => (this.#resume = resolve))
      },
      end: () => this.#inbox.end(),
    })
    void below.closed.then((reason) => {
      if (reason !== undefined) this.#inbox.fail(reason)
    })
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#below.closed
  }

  read(): Awaitable<Uint8Array | undefined> {
    return this.#inbox.read()
  }

  write(chunk: Uint8Array): Awaitable<void> {
    return this.#below.write(chunk)
  }

  end(): Awaitable<void> {
    return this.#below.end()
  }

  close(reason: BusbarError = new BusbarError('CLOSED', 'closed by this side')): void {
    this.#inbox.fail(reason)
    this.#below.close(reason)
  }

  #taken(): void {
    if (this.#inbox.unread > 0) return
    this.#resume?.()
    this.#resume = undefined
  }
}

/** The pair, with both ends read through `flow`. */
export function flowing<Pair extends { a: ByteLink; b: ByteLink }>(pair: Pair): Pair {
  return { ...pair, a: new Flowing(pair.a), b: new Flowing(pair.b) }
}
