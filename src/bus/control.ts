import { Writer } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import type { ByteLink } from '../link/index.ts'
import type { Carrier } from './carrier.ts'
import { encodeMessage, MessageDecoder } from './codec.ts'
import type { BusLimits } from './limits.ts'
import type { Message } from './messages.ts'

/**
 * The control stream of one session: messages out, messages in, in order. What cannot be sent yet waits up to a limit.
 * `failed` is called once, for any reason the stream is over (its end included); `drained` each time that nothing waits any more.
 */
export class ControlStream {
  readonly #carrier: Carrier
  readonly #limits: BusLimits
  readonly #received: (message: Message) => void
  readonly #failed: (reason: BusbarError) => void
  readonly #drained: () => void
  #link: ByteLink | undefined
  /** What waits for room on the link, as one piece: small messages kept apart would cost many times their bytes. */
  #waiting = new Writer()
  /** `bytes` that were written and that the link has no room for yet. */
  #stuck = 0
  #over = false

  constructor(
    carrier: Carrier,
    limits: BusLimits,
    received: (message: Message) => void,
    failed: (reason: BusbarError) => void,
    drained: () => void = () => {},
  ) {
    this.#carrier = carrier
    this.#limits = limits
    this.#received = received
    this.#failed = failed
    this.#drained = drained
    void this.#run()
  }

  /** Whether a message would leave at once. */
  get hasRoom(): boolean {
    return this.#link !== undefined && this.#stuck === 0 && !this.#over
  }

  /** What the peer has not taken yet, `bytes`. */
  get backlog(): number {
    return this.#stuck + this.#waiting.length
  }

  /** Throws `BUSY` while so much waits that nothing new should be begun. */
  checkRoom(): void {
    const { backlog } = this
    if (backlog < this.#limits.openBacklog) return
    throw new BusbarError('BUSY', `limit openBacklog: ${backlog} bytes of control messages wait for the other side`, {
      stage: 'open',
    })
  }

  /** Queues a message; a peer that does not read fails the session with `LIMIT` once its backlog is full. */
  send(message: Message): void {
    if (this.#over) return
    const bytes = encodeMessage(message)
    if (this.#link !== undefined && this.#stuck === 0) return this.#write(this.#link, bytes)
    const backlog = this.backlog + bytes.length
    if (backlog > this.#limits.controlBacklog) {
      return this.#fail(new BusbarError('LIMIT', `${backlog} bytes of control messages that the peer does not read`))
    }
    this.#waiting.bytes(bytes)
  }

  /** Stops: nothing is sent or received any more. */
  stop(): void {
    this.#over = true
    this.#waiting = new Writer()
  }

  #write(link: ByteLink, bytes: Uint8Array): void {
    const room = link.write(bytes)
    if (!(room instanceof Promise)) return
    this.#stuck = bytes.length
    room.then(
      () => {
        this.#stuck = 0
        this.#flush(link)
      },
      (reason: unknown) => this.#fail(BusbarError.from(reason)),
    )
  }

  #flush(link: ByteLink): void {
    if (this.#waiting.length > 0) {
      const bytes = this.#waiting.finish()
      this.#waiting = new Writer()
      this.#write(link, bytes)
    }
    if (this.hasRoom) this.#drained()
  }

  async #run(): Promise<void> {
    try {
      const link = await this.#carrier.control
      this.#link = link
      this.#flush(link)
      await this.#receive(link)
      throw new BusbarError('LINK_LOST', 'the control stream ended')
    } catch (thrown) {
      this.#fail(BusbarError.from(thrown))
    }
  }

  async #receive(link: ByteLink): Promise<void> {
    const decoder = new MessageDecoder(this.#limits.controlMessage)
    for (;;) {
      let chunk = link.read()
      if (chunk instanceof Promise) chunk = await chunk
      if (chunk === undefined) return
      decoder.push(chunk)
      for (let message = decoder.next(); message !== undefined && !this.#over; message = decoder.next()) {
        this.#received(message)
      }
    }
  }

  #fail(reason: BusbarError): void {
    if (this.#over) return
    this.stop()
    this.#failed(reason)
  }
}
