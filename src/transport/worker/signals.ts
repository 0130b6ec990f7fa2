import type { MessagePort } from 'node:worker_threads'
import { BusbarError, codeFromNumber, codeNumber, escapePeerText } from '../../errors/index.ts'
import { type Awaitable, type ByteLink, Closing, Inbox, type LinkSink } from '../../link/index.ts'
import type { Bell } from '../mapped/bell.ts'

/** What goes through the port: a ring of the bell, the end of this direction, or why it is over: number of the code, and text. */
const BELL = 0
const END = 1

/**
 * What two threads tell each other beside their rings, over one `MessagePort`: a link that carries no bytes, its end and its close alone, and the
 * doorbell. What was posted before a port closes arrives before the close.
 */
export class SignalLink implements ByteLink {
  /** Rings in the other thread. It goes with the link. */
  readonly bell: Bell
  readonly #port: MessagePort
  readonly #closing = new Closing()
  readonly #inbox = new Inbox()
  #heard: () => void = () => {}
  #ended = false

  /** Takes the port. */
  constructor(port: MessagePort) {
    this.#port = port
    this.bell = {
      ring: () => {
        if (!this.#closing.over) port.postMessage(BELL)
      },
      listen: (heard) => {
        this.#heard = heard
      },
      close: () => {
        this.#heard = () => {}
      },
    }
    port.on('message', (message: unknown) => this.#arrived(message))
    port.on('close', () => this.#fail(new BusbarError('LINK_LOST', 'the other thread is gone')))
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#closing.closed
  }

  read(): Awaitable<Uint8Array | undefined> {
    return this.#inbox.read()
  }

  flow(sink: LinkSink): void {
    this.#inbox.flow(sink, (reason) => this.#fail(reason))
  }

  write(): Awaitable<void> {
    return Promise.reject(new BusbarError('UNAVAILABLE', 'bytes between threads go through their rings'))
  }

  end(): Awaitable<void> {
    if (this.#ended || this.#closing.over) return
    this.#ended = true
    this.#port.postMessage(END)
    this.#finish()
  }

  close(reason: BusbarError = new BusbarError('CLOSED', 'closed by this side')): void {
    if (this.#closing.over) return
    const seen = reason.code === 'CLOSED' ? new BusbarError('RESET', 'closed by the other thread') : reason
    this.#port.postMessage([codeNumber(seen.code), seen.message])
    this.#fail(reason)
  }

  #arrived(message: unknown): void {
    if (this.#closing.over) return
    if (message === BELL) return this.#heard()
    if (message === END) {
      this.#inbox.end()
      return this.#finish()
    }
    const [code, text] = Array.isArray(message) ? (message as readonly unknown[]) : []
    const known = typeof code === 'number' ? codeFromNumber(code) : undefined
    if (known !== undefined) return this.#fail(new BusbarError(known, escapePeerText(String(text))))
    this.#fail(new BusbarError('PROTOCOL', 'a message between threads that is none of ours'))
  }

  #finish(): void {
    if (this.#ended && this.#inbox.ended && this.#closing.settle()) this.#port.close()
  }

  #fail(reason: BusbarError): void {
    if (!this.#closing.settle(reason)) return
    this.#inbox.fail(reason)
    this.#port.close()
  }
}
