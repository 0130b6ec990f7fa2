import { decodeReturn, isReturn, RETURN_BYTES } from '../../../component/index.ts'
import type { BusbarError } from '../../../errors/index.ts'
import type { Awaitable, ByteLink } from '../../../link/index.ts'

/** How many bytes tell what a channel is for. */
const TELLING = 3

/** A channel to components, of which the first bytes were read to find out what it is for. */
export class BegunPipe implements ByteLink {
  readonly #below: ByteLink
  #first: Uint8Array = new Uint8Array(0)

  /** Takes the link. */
  constructor(below: ByteLink) {
    this.#below = below
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#below.closed
  }

  /** The token of the pipe that this is the return channel of; `undefined` when it is a pipe of its own. */
  async token(): Promise<string | undefined> {
    await this.#peek(TELLING)
    if (isReturn(this.#first) !== true) return undefined
    await this.#peek(RETURN_BYTES)
    const token = decodeReturn(this.#first.subarray(0, RETURN_BYTES))
    this.#first = this.#first.subarray(RETURN_BYTES)
    return token
  }

  read(): Awaitable<Uint8Array | undefined> {
    const first = this.#first
    if (first.length === 0) return this.#below.read()
    this.#first = new Uint8Array(0)
    return first
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

  async #peek(count: number): Promise<void> {
    while (this.#first.length < count) {
      const chunk = await this.#below.read()
      if (chunk === undefined) return
      this.#first = Buffer.concat([this.#first, chunk])
    }
  }
}
