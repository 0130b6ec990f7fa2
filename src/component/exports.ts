import { type Guid, guidFromRandom } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import type { Env } from '../rpc/index.ts'
import type { Interface, Methods } from './interface.ts'
import { MAX_REFERENCES, type ObjectLimits } from './limits.ts'
import { encodeObjRef } from './objref.ts'

/** An object that the peer may call. */
export interface Exported {
  readonly ipid: Guid
  readonly interface: Interface
  readonly methods: Methods
  /** Whether its disposer is ours to call when the last reference is gone. */
  readonly owned: boolean
  readonly stream: boolean
  /** References that the peer holds; 0 once it left the table. */
  references: number
  /** Calls that run on it. */
  running: number
}

/** How an object is exported. */
interface Terms {
  readonly owned: boolean
  readonly stream: boolean
}

/**
 * The objects given to one peer, by their identity on this association. An identity is random, is never given twice, and
 * means nothing on any other association.
 */
export class ExportTable {
  readonly #env: Env
  readonly #limits: ObjectLimits
  readonly #oxid: bigint
  readonly #byIpid = new Map<Guid, Exported>()
  readonly #byMethods = new Map<Methods, Exported>()
  #installed = 0
  #streams = 0
  #given = 0
  #failures = 0
  /** What the message that is being written has given so far. */
  #journal: Exported[] = []

  constructor(env: Env, limits: ObjectLimits) {
    this.#env = env
    this.#limits = limits
    this.#oxid = new DataView(env.random(new Uint8Array(8)).buffer).getBigUint64(0)
  }

  /** Objects that the peer was given and holds. */
  get size(): number {
    return this.#byIpid.size - this.#installed
  }

  get streams(): number {
    return this.#streams
  }

  /** Objects given in all, and disposers that failed. */
  get counts(): { readonly given: number; readonly disposeFailures: number } {
    return { given: this.#given, disposeFailures: this.#failures }
  }

  get(ipid: Guid | undefined): Exported | undefined {
    return ipid === undefined ? undefined : this.#byIpid.get(ipid)
  }

  /** Adds an object that the peer knows without being given it: it is not counted and stays until the end. */
  install(ipid: Guid, served: Interface, methods: Methods): void {
    const installed: Exported = {
      ipid,
      interface: served,
      methods,
      owned: false,
      stream: false,
      references: Number.POSITIVE_INFINITY,
      running: 0,
    }
    this.#byIpid.set(ipid, installed)
    this.#installed++
  }

  /** An identity that nobody can guess. */
  newIpid(): Guid {
    return guidFromRandom(this.#env.random(new Uint8Array(16)))
  }

  /** One more reference to an object, as OBJREF; the same object keeps its identity. `LIMIT` when there are too many. */
  give(served: Interface, methods: Methods, terms: Terms): Uint8Array {
    const known = this.#byMethods.get(methods)
    const exported = known?.interface.uuid === served.uuid ? known : this.#add(served, methods, terms)
    if (exported.references >= MAX_REFERENCES) throw new BusbarError('LIMIT', 'too many references to one object')
    exported.references++
    this.#journal.push(exported)
    return encodeObjRef({ iid: served.uuid, ipid: exported.ipid, references: 1 }, this.#oxid, this.#given)
  }

  /** Forgets what the last message gave: it is on its way. */
  commit(): void {
    if (this.#journal.length > 0) this.#journal = []
  }

  /** Takes back what the last message gave: it will not be sent. Returns what that was. */
  rollback(): ReadonlySet<Methods> {
    const journal = this.#journal
    this.#journal = []
    for (const exported of journal) this.#drop(exported, 1)
    return new Set(journal.map(({ methods }) => methods))
  }

  /** Disposes of an object that was meant for the peer and never given, unless the peer holds it from before. */
  discard(methods: Methods): void {
    if (!this.#byMethods.has(methods)) this.#dispose(methods)
  }

  /** One reference more, for a holder that already has one. */
  addReferences(ipid: Guid, count: number): boolean {
    const exported = this.#byIpid.get(ipid)
    if (exported === undefined || exported.references + count > MAX_REFERENCES) return false
    exported.references += count
    return true
  }

  /** The peer gives references back; an identity that is not there is ignored, as is a count above what it holds. */
  release(ipid: Guid, count: number): void {
    const exported = this.#byIpid.get(ipid)
    if (exported !== undefined) this.#drop(exported, count)
  }

  /** A call on the object is over; an object whose last reference went in the meantime is disposed of now. */
  finished(exported: Exported): void {
    exported.running--
    if (exported.running === 0 && exported.references === 0 && !exported.stream) this.#end(exported)
  }

  /** The peer is gone: everything it held is disposed of at once. */
  runDown(): void {
    const all = [...this.#byIpid.values()]
    this.#byIpid.clear()
    this.#byMethods.clear()
    this.#installed = 0
    this.#streams = 0
    this.#journal = []
    for (const exported of all) {
      exported.references = 0
      this.#end(exported)
      // What still runs must not dispose of it again.
      exported.running = Number.POSITIVE_INFINITY
    }
  }

  #add(served: Interface, methods: Methods, { owned, stream }: Terms): Exported {
    const { objects, streams } = this.#limits
    if (this.size >= objects) throw new BusbarError('LIMIT', `the peer holds ${objects} objects; release some`)
    if (stream && this.#streams >= streams) throw new BusbarError('LIMIT', `the peer has ${streams} streams open`)
    const ipid = this.newIpid()
    const exported: Exported = { ipid, interface: served, methods, owned, stream, references: 0, running: 0 }
    this.#byIpid.set(ipid, exported)
    this.#byMethods.set(methods, exported)
    this.#given++
    if (stream) this.#streams++
    return exported
  }

  #drop(exported: Exported, count: number): void {
    if (exported.references === 0) return
    exported.references = Math.max(0, exported.references - count)
    if (exported.references > 0) return
    this.#byIpid.delete(exported.ipid)
    if (this.#byMethods.get(exported.methods) === exported) this.#byMethods.delete(exported.methods)
    if (exported.stream) this.#streams--
    if (exported.running === 0 || exported.stream) this.#end(exported)
  }

  #end(exported: Exported): void {
    if (exported.owned) this.#dispose(exported.methods)
  }

  /** A disposer that fails has nobody to tell: the peer let go. It is counted, and `inspect` shows it. */
  #dispose(methods: Methods): void {
    const disposable = methods as unknown as Partial<Disposable & AsyncDisposable>
    try {
      if (disposable[Symbol.dispose] !== undefined) (disposable as Disposable)[Symbol.dispose]()
      else if (disposable[Symbol.asyncDispose] !== undefined) {
        void (disposable as AsyncDisposable)[Symbol.asyncDispose]().then(undefined, () => {
          this.#failures++
        })
      }
    } catch {
      this.#failures++
    }
  }
}
