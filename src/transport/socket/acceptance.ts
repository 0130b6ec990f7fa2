import type net from 'node:net'
import { lately } from './turn.ts'

/** Somebody else calls, so long after the last small chunk, `ms` (our choice: some dozens of round trips). */
const NEAR = 1
/** Behind a connection that was taken while somebody calls, the loop is left free for so many times as long (our choice: as between callers). */
const GAP = 3
/** Longest such pause, `ms` (our choice: some times what a connection takes). */
const LONGEST_GAP = 5
/** Connections that wait to be taken; more are closed at once (our choice: eight times the queue in the kernel that they come from). */
const WAITING = 4_096

/** What Node has of a connection below its socket. */
interface Handle {
  close(): void
}

/** What Node has of a listening socket below its server. */
interface ServerHandle {
  onconnection: (this: unknown, error: number | undefined, client: Handle) => void
}

/**
 * Takes connections one by one: whoever opens hundreds, or opens one again whenever it is closed, leaves room for others between them. Node takes
 * all that wait in the kernel in one turn of the event loop, and for each makes a socket, which takes ten times as long as to answer a call. It has no documented way to put that off;
 * where it is not as we know it, all are taken as they come.
 */
export class Acceptance {
  readonly #take: (handle: Handle) => void
  /** In the order in which they came. */
  readonly #waiting = new Set<Handle>()
  #freeAt = Number.NEGATIVE_INFINITY
  #posted = false

  private constructor(take: (handle: Handle) => void) {
    this.#take = take
  }

  /** Stands between a server that listens and its connections. `take` makes a link of what is below a socket; false where that is not as we know it. */
  static guard(server: net.Server, take: (handle: unknown) => boolean): Acceptance | undefined {
    const handle = (server as unknown as { _handle: Partial<ServerHandle> | null })._handle
    const taken = handle?.onconnection
    if (handle === null || typeof taken !== 'function') return undefined
    const acceptance = new Acceptance((client) => {
      if (!take(client)) taken.call(handle, undefined, client)
    })
    handle.onconnection = (error, client) => {
      if (typeof client?.close === 'function') acceptance.#came(client)
      else taken.call(handle, error, client)
    }
    return acceptance
  }

  /** Those that wait are closed. */
  [Symbol.dispose](): void {
    for (const client of this.#waiting) client.close()
    this.#waiting.clear()
  }

  #came(client: Handle): void {
    if (this.#waiting.size >= WAITING) return client.close()
    this.#waiting.add(client)
    if (this.#posted) return
    if (lately(NEAR)) this.#post()
    else this.#next()
  }

  #post(): void {
    this.#posted = true
    setImmediate(this.#turn)
  }

  readonly #turn = (): void => {
    this.#posted = false
    if (performance.now() >= this.#freeAt || !lately(NEAR)) this.#next()
    if (this.#waiting.size > 0) this.#post()
  }

  #next(): void {
    for (const client of this.#waiting) {
      this.#waiting.delete(client)
      const before = performance.now()
      this.#take(client)
      const now = performance.now()
      this.#freeAt = now + Math.min(GAP * (now - before), LONGEST_GAP)
      return
    }
  }
}
