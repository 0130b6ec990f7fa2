import { flow } from './flow.ts'
import { Inbox } from './inbox.ts'
import type { Awaitable, ByteLink, LinkSink } from './link.ts'

/**
 * Reads a link through its `flow`: bytes come up without a promise in each layer, and straight into the reader's own memory where it
 * gave some. Takes the next chunk only when the last one was read.
 */
export class FlowReader implements LinkSink {
  readonly #link: ByteLink
  readonly #inbox: Inbox
  readonly #taken: (bytes: number) => void
  #resume: (() => void) | undefined

  /** Takes the reading of `link`. `consumed` is told the `bytes` of each read. */
  constructor(link: ByteLink, consumed: (bytes: number) => void = () => {}) {
    this.#link = link
    this.#taken = consumed
    this.#inbox = new Inbox((bytes) => {
      consumed(bytes)
      if (this.#resume !== undefined && this.#inbox.unread === 0) this.#resume()
    })
    flow(link, this)
    void link.closed.then((reason) => {
      if (reason !== undefined) this.#inbox.fail(reason)
    })
  }

  /** A read waits. */
  get pending(): boolean {
    return this.#inbox.pending
  }

  get room(): number {
    return this.#inbox.room
  }

  get blind(): number {
    return this.#inbox.blind
  }

  get patient(): boolean {
    return this.#inbox.patient
  }

  get sated(): boolean {
    return !this.#inbox.pending || this.#inbox.sated
  }

  chunk(bytes: Uint8Array): Awaitable<void> {
    this.#inbox.push(bytes)
    if (this.#inbox.unread === 0) return undefined
    return new Promise((resolve) => {
      this.#resume = () => {
        this.#resume = undefined
        resolve()
      }
    })
  }

  borrow(bytes: Uint8Array, shared: boolean): void {
    this.#inbox.lend(bytes, shared)
  }

  end(): void {
    this.#inbox.end()
  }

  /** As `ByteLink.read`. */
  read(): Awaitable<Uint8Array | undefined> {
    return this.#inbox.read()
  }

  /**
   * The next bytes, copied into `buffer`: how many, at least one, or 0 once the peer has ended. Otherwise as `read`; rejects with
   * `INVALID_ARGUMENT` when `buffer` is empty.
   */
  readInto(buffer: Uint8Array): Awaitable<number> {
    if (this.#inbox.idle && buffer.length > 0) {
      const count = this.#link.takeInto?.(buffer) ?? 0
      if (count > 0) {
        this.#taken(count)
        return count
      }
    }
    return this.#inbox.readInto(buffer)
  }

  /** From now on what arrives, and what has come since the last read, goes to `sink`; no read may be pending. */
  flow(sink: LinkSink): void {
    this.#inbox.flow(sink, (reason) => this.#link.close(reason))
  }

  /** The link is over for this reason: what waits is dropped, and reads reject. */
  fail(reason: Parameters<Inbox['fail']>[0]): void {
    this.#inbox.fail(reason)
  }
}
