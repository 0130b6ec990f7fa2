import { BusbarError } from '../errors/index.ts'
import { Held } from './held.ts'
import type { Interface } from './interface.ts'
import { MAX_RELEASES } from './limits.ts'
import { decodeObjRef } from './objref.ts'
import type { InterfaceRefs } from './rem-unknown.ts'

interface Releasing {
  readonly refs: InterfaceRefs[]
  readonly done: Promise<void>
}

/**
 * The references that this side holds on one association. Releases of the same turn leave together, and a release never
 * waits for a timer.
 */
export class ImportTable {
  readonly #max: number
  readonly #send: (refs: InterfaceRefs[]) => Promise<void>
  readonly #held = new Set<Held>()
  #releasing: Releasing | undefined
  #journal: Held[] = []
  #taken = 0

  /** At most `max` at a time. `send` tells the peer what was released; it may fail only when the pipe is over. */
  constructor(max: number, send: (refs: InterfaceRefs[]) => Promise<void>) {
    this.#max = max
    this.#send = send
  }

  get size(): number {
    return this.#held.size
  }

  /** References taken since the pipe opened. */
  get taken(): number {
    return this.#taken
  }

  /**
   * Takes the references of an OBJREF to an object with that interface. `MALFORMED` when it is
   * none, `NO_SUCH_INTERFACE` when it is another one, `LIMIT` when too many are held.
   */
  take(wanted: Interface, reference: Uint8Array): Held {
    const { iid, ipid, references } = decodeObjRef(reference)
    if (iid !== wanted.uuid) {
      throw new BusbarError('NO_SUCH_INTERFACE', `a reference to interface ${iid} in place of ${wanted.name}`)
    }
    if (this.#held.size >= this.#max) {
      void this.#queue({ ipid, references })
      throw new BusbarError('LIMIT', `${this.#max} references are held on this pipe; release some`)
    }
    const held = new Held(wanted, ipid, references, (one) => this.#release(one))
    this.#held.add(held)
    this.#journal.push(held)
    this.#taken++
    return held
  }

  /** The message that brought the last references is whole. */
  commit(): void {
    if (this.#journal.length > 0) this.#journal = []
  }

  /** The message that brought the last references was not whole: they go back. */
  rollback(): void {
    const journal = this.#journal
    this.#journal = []
    for (const held of journal) void held.release()
  }

  /** The pipe is over: nothing is held any more. */
  clear(): void {
    this.#held.clear()
    this.#journal = []
  }

  #release(held: Held): Promise<void> {
    if (!this.#held.delete(held)) return Promise.resolve()
    return this.#queue({ ipid: held.target.object, references: held.references })
  }

  #queue(ref: InterfaceRefs): Promise<void> {
    if (this.#releasing !== undefined && this.#releasing.refs.length < MAX_RELEASES) {
      this.#releasing.refs.push(ref)
      return this.#releasing.done
    }
    const refs = [ref]
    const done = Promise.resolve().then(() => {
      if (this.#releasing?.refs === refs) this.#releasing = undefined
      return this.#send(refs)
    })
    this.#releasing = { refs, done }
    return done
  }
}
