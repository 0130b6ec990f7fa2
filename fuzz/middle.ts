import { type ByteLink, memoryPair } from '../src/link/index.ts'
import { PduCutter, pduBytes, PDUS, PFC } from './inside.ts'
import type { Sender, Terms } from './pdus.ts'

/** First half of the pseudo transfer syntax that offers features, as it is on the wire: the bits follow it. */
const FEATURES_PREFIX = Buffer.from('2c1cb76c12984045', 'hex')

/** What came from one side and was not passed on, and where it goes. */
interface Way {
  readonly from: ByteLink
  readonly to: ByteLink
  readonly held: Uint8Array[]
}

/** Stands between a client and a server, takes every PDU off the links, and passes on what it is told to. */
export class Middle {
  readonly clientLink: ByteLink
  readonly serverLink: ByteLink
  /** Nothing was done to the bytes so far: both sides owe each other everything. */
  honest = true
  #reading: { readonly promise: Promise<void>; readonly go: () => void } | undefined
  readonly #ways: Readonly<Record<Sender, Way>>

  /** Each link takes `window` bytes before its writer waits. */
  constructor(window: number) {
    const [clientLink, nearClient] = memoryPair(window)
    const [serverLink, nearServer] = memoryPair(window)
    this.clientLink = clientLink
    this.serverLink = serverLink
    this.#ways = {
      client: { from: nearClient, to: nearServer, held: [] },
      server: { from: nearServer, to: nearClient, held: [] },
    }
    for (const way of Object.values(this.#ways)) void this.#take(way).catch(() => {})
  }

  held(sender: Sender): number {
    return this.#ways[sender].held.length
  }

  /** Passes on the next PDUs of a side. */
  pass(sender: Sender, count: number): void {
    const { held, to } = this.#ways[sender]
    for (const pdu of held.splice(0, count)) send(to, pdu)
  }

  /** Takes out of a bind that is held what a client would not offer that never heard of it: that is no lie. */
  mask({ multiplexing, features }: Terms): void {
    const [pdu] = this.#ways.client.held
    if (pdu?.[2] !== PDUS.bind.number) return
    if (!multiplexing) pdu[3] = (pdu[3] ?? 0) & ~PFC.CONC_MPX
    const at = Buffer.from(pdu).indexOf(FEATURES_PREFIX)
    if (at >= 0) pdu[at + FEATURES_PREFIX.length] = (pdu[at + FEATURES_PREFIX.length] ?? 0) & features
  }

  /** Changes what is held of a side. */
  alter(sender: Sender, change: (held: Uint8Array[]) => void): void {
    this.honest = false
    change(this.#ways[sender].held)
  }

  /** Sends bytes as if they came from a side. */
  forge(sender: Sender, bytes: Uint8Array): void {
    this.honest = false
    send(this.#ways[sender].to, bytes)
  }

  /** No link is read until `resume`. */
  pause(): void {
    if (this.#reading !== undefined) return
    let go = (): void => {}
    const promise = new Promise<void>((resolve) => {
      go = resolve
    })
    this.#reading = { promise, go }
  }

  resume(): void {
    this.#reading?.go()
    this.#reading = undefined
  }

  end(sender: Sender): void {
    this.honest = false
    void this.#ways[sender].to.end()
  }

  close(sender: Sender): void {
    this.honest = false
    this.#ways[sender].to.close()
  }

  async #take({ from, held }: Way): Promise<void> {
    const cutter = new PduCutter(65_535, (header, view, at) => {
      held.push(pduBytes(header, view, at).slice())
    })
    for (;;) {
      if (this.#reading !== undefined) await this.#reading.promise
      const chunk = await from.read()
      if (chunk === undefined) return
      cutter.push(chunk)
    }
  }
}

/** A link that was ended takes nothing more. */
function send(to: ByteLink, bytes: Uint8Array): void {
  Promise.resolve(to.write(bytes)).catch(() => {})
}
