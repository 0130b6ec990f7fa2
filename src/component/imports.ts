import type { Guid } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import { Held, type Via } from './held.ts'
import type { Interface } from './interface.ts'
import { DEFAULT_OBJECT_LIMITS, MAX_RELEASES } from './limits.ts'
import type { ObjRef } from './objref.ts'
import { PeerUsage } from './peer-usage.ts'
import type { InterfaceRefs } from './rem-unknown.ts'

interface Releasing {
  readonly refs: InterfaceRefs[]
  readonly done: Promise<void>
}

/**
 * The references that this side holds on one pipe. Releases of the same turn leave together, and a release never waits
 * for a timer.
 */
export class ImportTable {
  readonly #max: number
  readonly #via: Via
  readonly #usage: PeerUsage
  readonly #maxOfPeer: number
  readonly #send: (refs: InterfaceRefs[]) => Promise<void>
  readonly #held = new Set<Held>()
  /** Those that went home in an answer, until the other side says that they arrived. */
  readonly #loans = new Map<Guid, Held[]>()
  #releasing: Releasing | undefined
  #journal: Held[] = []
  #lent: Held[] = []
  #taken = 0
  #over = false

  /** At most `max` at a time, and `maxOfPeer` on all pipes that count in `usage`. `send` tells the peer what was released; it may fail only when the pipe is over. */
  constructor(
    max: number,
    via: Via,
    send: (refs: InterfaceRefs[]) => Promise<void>,
    usage: PeerUsage = new PeerUsage(),
    maxOfPeer: number = DEFAULT_OBJECT_LIMITS.peerLent,
  ) {
    this.#max = max
    this.#usage = usage
    this.#maxOfPeer = maxOfPeer
    this.#via = via
    this.#send = send
  }

  get size(): number {
    return this.#held.size
  }

  /** References taken since the pipe opened. */
  get taken(): number {
    return this.#taken
  }

  /** What is held: contracts by name, and how many references to objects of each. */
  get byInterface(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>()
    for (const {
      interface: { name },
    } of this.#held)
      counts.set(name, (counts.get(name) ?? 0) + 1)
    return counts
  }

  /**
   * Takes the references of an OBJREF to an object with that interface. `MALFORMED` when it holds none,
   * `NO_SUCH_INTERFACE` when it is another one, `LIMIT` when too many are held.
   */
  take(wanted: Interface, ref: ObjRef): Held {
    const { iid, references } = ref
    if (references === 0) throw new BusbarError('MALFORMED', 'a reference that holds nothing')
    if (iid !== wanted.uuid) {
      throw new BusbarError('NO_SUCH_INTERFACE', `a reference to interface ${iid} in place of ${wanted.name}`)
    }
    if (this.#held.size >= this.#max) {
      throw new BusbarError('LIMIT', `limit objects: ${this.#max} references are held on this pipe; release some`)
    }
    if (this.#usage.lent >= this.#maxOfPeer) {
      const what = `${this.#maxOfPeer} references of this peer are held on all its pipes; release some`
      throw new BusbarError('LIMIT', `limit peerLent: ${what}`)
    }
    const held = new Held(this.#via, wanted, ref)
    // An answer that was here before the pipe was over, and is read after.
    if (!this.#over) {
      this.#held.add(held)
      this.#usage.lent++
    }
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

  /** The message that brought the last references is refused as a whole: whoever sent it takes them back by itself. */
  disown(): void {
    for (const held of this.#journal) this.#forget(held)
    this.#journal = []
  }

  /** An answer that is being written sends a reference home: it stays until the other side has it. */
  lend(held: Held): void {
    held.pin()
    this.#lent.push(held)
  }

  /** The answer is on its way. */
  commitLoans(): void {
    if (this.#lent.length === 0) return
    for (const held of this.#lent) {
      const ipid = held.target.object
      const loans = this.#loans.get(ipid)
      if (loans === undefined) this.#loans.set(ipid, [held])
      else loans.push(held)
    }
    this.#lent = []
  }

  /** The answer will not be sent. */
  rollbackLoans(): void {
    for (const held of this.#lent.splice(0)) held.unpin()
  }

  /** What was sent home has arrived there; what was never sent is ignored. */
  returned(ipid: Guid, count: number): void {
    const loans = this.#loans.get(ipid)
    if (loans === undefined) return
    for (const held of loans.splice(0, count)) held.unpin()
    if (loans.length === 0) this.#loans.delete(ipid)
  }

  /** The pipe is over: nothing is held any more. */
  clear(): void {
    this.#over = true
    this.#usage.lent -= this.#held.size
    this.#held.clear()
    this.#loans.clear()
    this.#journal = []
    this.#lent = []
  }

  release(held: Held): Promise<void> {
    if (!this.#forget(held)) return Promise.resolve()
    return this.giveBack({ ipid: held.target.object, references: held.references })
  }

  /** False when it was not in the table any more. */
  #forget(held: Held): boolean {
    const there = this.#held.delete(held)
    if (there) this.#usage.lent--
    return there
  }

  /** Gives references back that are not, or no longer, in the table. */
  giveBack(ref: InterfaceRefs): Promise<void> {
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
