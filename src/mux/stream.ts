import { BusbarError } from '../errors/index.ts'
import type { Awaitable, ByteLink } from '../link/index.ts'
import type { StreamCore } from './stream-core.ts'

/** One stream of a session: a byte link of its own. Closing it sends RST; the peer sees `RESET`. */
export class MuxStream implements ByteLink {
  /** The stream id on the wire: odd when the client opened it. Never used twice in a session. */
  readonly id: number
  readonly #core: StreamCore

  /** Streams come from `MuxSession.open` and `onStream`. */
  constructor(core: StreamCore) {
    this.id = core.id
    this.#core = core
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#core.closed
  }

  read(): Awaitable<Uint8Array | undefined> {
    return this.#core.read()
  }

  write(chunk: Uint8Array): Awaitable<void> {
    return this.#core.write(chunk)
  }

  end(): Awaitable<void> {
    return this.#core.end()
  }

  close(reason: BusbarError = new BusbarError('CLOSED', `stream ${this.id} was closed by this side`)): void {
    this.#core.close(reason)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
