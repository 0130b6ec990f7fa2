import { BusbarError } from '../errors/index.ts'
import { type ByteLink, Closing, PacketStream } from '../link/index.ts'
import type { Carrier, CarrierStream } from './carrier.ts'
import { encodeMessage } from './codec.ts'

/** The partition's side of a session that gives each channel a socket of its own: this side dials them all. */
export class DialledCarrier implements Carrier {
  readonly control: ByteLink
  readonly #dial: () => Promise<ByteLink>
  readonly #streams = new Set<ByteLink>()
  readonly #closing = new Closing()
  #token: Uint8Array = new Uint8Array(16)
  #nextId = 1

  /** Takes `control`, a link that `dial` gave; `dial` must lead to the same listener. */
  constructor(control: ByteLink, dial: () => Promise<ByteLink>) {
    this.control = control
    this.#dial = dial
    void control.closed.then((reason) => this.close(reason))
  }

  get token(): Uint8Array {
    return this.#token
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#closing.closed
  }

  authorise(token: Uint8Array): void {
    this.#token = token.slice()
  }

  open(): CarrierStream {
    const id = this.#nextId
    this.#nextId += 2
    return { id, link: this.claim(id) }
  }

  async claim(id: number): Promise<ByteLink> {
    const link = await this.#dial()
    if (this.#closing.over) {
      const reason = (await this.closed) ?? new BusbarError('LINK_LOST', 'the session is over')
      link.close(reason)
      throw reason
    }
    this.#streams.add(link)
    void link.closed.then(() => this.#streams.delete(link))
    await link.write(encodeMessage({ kind: 'attachStream', token: this.#token, channelId: id }))
    return new PacketStream(link)
  }

  inspect(): { kind: 'dialled'; streams: number } {
    return { kind: 'dialled', streams: this.#streams.size }
  }

  close(reason?: BusbarError): void {
    if (!this.#closing.settle(reason)) return
    this.control.close(reason)
    for (const link of this.#streams) link.close(reason)
  }
}
