import type { Guid } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import type { CallCounter, CallOptions, Contract } from '../rpc/index.ts'
import type { Interface, Operation } from './interface.ts'
import type { ObjRef } from './objref.ts'

/** Hears of references that were taken. */
export type Took = (taken: readonly Held[]) => void

/** The side of a pipe that a reference belongs to: who calls through it, and who gives it back. */
export interface Via {
  /** Nothing can be called any more, and `closed` has settled or is about to: with the reason, or `undefined` when all ended in order. */
  readonly over: boolean
  readonly closed: Promise<BusbarError | undefined>
  /** Those of its references whose end somebody waits for: they are told of the end of the pipe. */
  readonly watched: Set<Held>
  /** Makes a call: a promise of its result, or a stream. */
  invoke(held: Held, operation: Operation, args: unknown, options: CallOptions | undefined): unknown
  /** The same for a third party: `took` is told of the references in the result, which this side has only to pass them on. */
  forward(held: Held, operation: Operation, args: unknown, options: CallOptions, took: Took): unknown
  /** The proxy of another interface of the same object; `NO_SUCH_INTERFACE` when it has none of that kind. */
  query(held: Held, contract: Contract, options: CallOptions | undefined): Promise<object>
  /** One proxy more for references that are held already. */
  proxy(held: Held): object
  /** Gives the references back. Settles, without ever rejecting, when the peer confirmed or is gone. */
  letGo(held: Held): Promise<void>
}

/**
 * References to one object of the peer. Releasing them waits for whoever else on this side needs them: a message that
 * names the object and is still on its way, or a third party that the object was passed on to.
 */
export class Held implements CallCounter {
  readonly via: Via
  readonly interface: Interface
  /** What calls on it carry; one object for all of them. */
  readonly target: { readonly object: Guid; readonly counter: CallCounter; readonly gathers?: boolean }
  readonly references: number
  readonly oxid: bigint
  readonly oid: bigint
  /** What it is a share of; absent for references of its own. */
  readonly base: Held | undefined
  /** Calls on it that have no outcome yet. */
  calls = 0
  /** Where its proxy was disposed of, for whoever uses it afterwards. */
  site: Error | undefined
  /** Told once, when it is released. */
  ended: (() => void) | undefined
  #gathering: Held['target'] | undefined
  #pins = 0
  #forgotten = false
  #gone = false
  #released: Promise<void> | undefined
  #closed: Promise<BusbarError | undefined> | undefined
  #settle: (reason: BusbarError | undefined) => void = () => {}

  constructor(via: Via, served: Interface, { ipid, references, oxid, oid }: Omit<ObjRef, 'iid'>, base?: Held) {
    this.via = via
    this.interface = served
    this.target = { object: ipid, counter: this }
    this.references = references
    this.oxid = oxid
    this.oid = oid
    this.base = base
  }

  /** The same for calls whose results may be called through at once. */
  get gathering(): Held['target'] {
    this.#gathering ??= { object: this.target.object, counter: this, gathers: true }
    return this.#gathering
  }

  get released(): boolean {
    return this.#released !== undefined
  }

  /**
   * Gives the references back, once: now, or when nothing on this side needs them any more. Settles, without ever
   * rejecting, when the peer confirmed, when it is gone, or at once when it has to wait.
   */
  release(): Promise<void> {
    if (this.#released !== undefined) return this.#released
    this.#released = this.#pins === 0 ? this.#letGo() : Promise.resolve()
    this.ended?.()
    if (this.#closed !== undefined) this.#over(undefined)
    return this.#released
  }

  /** Settles once: `undefined` when it was released, else why nothing can be called through it any more. */
  get closed(): Promise<BusbarError | undefined> {
    if (this.#closed !== undefined) return this.#closed
    this.#closed = new Promise((resolve) => {
      this.#settle = resolve
    })
    if (this.released) this.#over(undefined)
    else if (this.via.over) void this.via.closed.then((reason) => this.lost(reason))
    else this.via.watched.add(this)
    return this.#closed
  }

  /** The pipe is over. */
  lost(reason: BusbarError | undefined): void {
    this.#over(reason ?? new BusbarError('CLOSED', 'the pipe to the object was closed in order'))
  }

  #over(reason: BusbarError | undefined): void {
    this.via.watched.delete(this)
    this.#settle(reason)
  }

  /** Nobody can reach the proxy any more: released as soon as no call is pending on it. */
  forget(): void {
    this.#forgotten = true
    this.#tidy()
  }

  /** A call on it has its outcome. */
  settled(): void {
    this.calls--
    if (this.#forgotten) this.#tidy()
  }

  /** The same for somebody else on this side: the references stay until both have released. */
  share(): Held {
    this.pin()
    const { via, interface: served, oxid, oid } = this
    return new Held(via, served, { ipid: this.target.object, references: 0, oxid, oid }, this)
  }

  /** The references must stay, whoever releases them, until `unpin`. */
  pin(): void {
    this.#pins++
  }

  unpin(): void {
    this.#pins--
    if (this.#pins > 0) return
    if (this.#released !== undefined) void this.#letGo()
    else if (this.#forgotten) this.#tidy()
  }

  /** Once, also when it was needed again after it was released. */
  #letGo(): Promise<void> {
    if (this.#gone) return Promise.resolve()
    this.#gone = true
    return this.via.letGo(this)
  }

  #tidy(): void {
    if (this.calls === 0 && this.#pins === 0) void this.release()
  }
}

/** Whether both lead to the same object of the same peer. */
export function sameObject(a: Held, b: Held): boolean {
  return a.via === b.via && a.oxid === b.oxid && a.oid === b.oid
}
