import type { BusbarError } from '../errors/index.ts'
import type { Awaitable, ByteLink } from './link.ts'

/** A link whose first bytes were read already, to find out what it is for: they are read again, first. */
export class PrefixedLink implements ByteLink {
  readonly #below: ByteLink
  #prefix: Uint8Array | undefined

  /** Takes the link: closing this closes that. */
  constructor(prefix: Uint8Array, below: ByteLink) {
    this.#prefix = prefix.length > 0 ? prefix : undefined
    this.#below = below
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#below.closed
  }

  read(): Awaitable<Uint8Array | undefined> {
    const prefix = this.#prefix
    if (prefix === undefined) return this.#below.read()
    this.#prefix = undefined
    return prefix
  }

  write(chunk: Uint8Array): Awaitable<void> {
    return this.#below.write(chunk)
  }

  end(): Awaitable<void> {
    return this.#below.end()
  }

  close(reason?: BusbarError): void {
    this.#prefix = undefined
    this.#below.close(reason)
  }
}
