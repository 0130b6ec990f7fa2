import { BusbarError } from '../errors/index.ts'
import { Held, type Via } from './held.ts'
import type { Interface } from './interface.ts'
import { promisedIpid } from './promised-ipid.ts'
import { dispose, heldOf } from './proxy.ts'

/** A reference that is not there yet, as those see it who call through it. */
export class Coming {
  readonly interface: Interface
  /** Of the call that gives it, which has left and which nothing overtakes; absent where no call can go ahead of the reference. */
  number: number | undefined
  /** Settles with the proxy, or the object of this side that came home; rejects as the call does. */
  promise: Promise<unknown> = NEVER
  state: 'coming' | 'arrived' | 'failed' = 'coming'
  /** What arrived. */
  value: unknown
  /** Calls that wait on this side until it is there. While there are any, all later ones wait behind them. */
  waiting = 0
  /** Where it was disposed of. */
  site: Error | undefined
  #standIn: Held | undefined

  constructor(served: Interface) {
    this.interface = served
  }

  /** What calls go through that do not wait. It holds nothing. */
  standIn(via: Via, number: number): Held {
    this.#standIn ??= new Held(via, this.interface, { ipid: promisedIpid(number), references: 0, oxid: 0n, oid: 0n })
    return this.#standIn
  }

  /** Releases the reference when it is there and the calls that wait for it have left. Never rejects. */
  dispose(): Promise<void> {
    // What has arrived knows by itself where it was released.
    if (this.state === 'coming') this.site ??= new Error('the promise of the proxy was disposed of here')
    return this.promise.then(letGo, () => {})
  }

  /** `RELEASED` when it was disposed of. */
  check(path: string): void {
    if (this.site === undefined) return
    throw new BusbarError('RELEASED', `${path} was called on the promise of a proxy that was released`, {
      cause: this.site,
    })
  }
}

const NEVER: Promise<never> = new Promise(() => {})

async function letGo(value: unknown): Promise<void> {
  const held = heldOf(value)
  if (held !== undefined) await dispose(held)
}
