import type { Guid } from '../bytes/index.ts'
import type { Interface } from './interface.ts'

/** References to one object of the peer. */
export class Held {
  readonly interface: Interface
  /** What calls on it carry; one object for all of them. */
  readonly target: { readonly object: Guid }
  readonly references: number
  readonly #letGo: (held: Held) => Promise<void>
  #released: Promise<void> | undefined

  constructor(served: Interface, ipid: Guid, references: number, letGo: (held: Held) => Promise<void>) {
    this.interface = served
    this.target = { object: ipid }
    this.references = references
    this.#letGo = letGo
  }

  get released(): boolean {
    return this.#released !== undefined
  }

  /** Gives the references back, once. Settles, without ever rejecting, when the peer confirmed or is gone. */
  release(): Promise<void> {
    this.#released ??= this.#letGo(this)
    return this.#released
  }
}
