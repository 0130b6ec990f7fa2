import { type ByteLink, memoryPair } from '../src/link/index.ts'
import { PduCutter, pduBytes } from './inside.ts'
import type { Sender } from './pdus.ts'

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
