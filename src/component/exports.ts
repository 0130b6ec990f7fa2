import type { Guid } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import type { Env } from '../rpc/index.ts'
import type { Exported, ExportedCounts, ExportedObject, Given, Offering, Owned } from './exported.ts'
import type { ForeignExports } from './foreign-exports.ts'
import { forwarding } from './forwarding.ts'
import { Held } from './held.ts'
import { Identities } from './identities.ts'
import type { Interface, Methods } from './interface.ts'
import { MAX_REFERENCES, type ObjectLimits } from './limits.ts'
import { encodeObjRef } from './objref.ts'
import { PeerUsage } from './peer-usage.ts'
import { RandomGuids } from './random-guids.ts'

/**
 * The objects given to one peer, by their identity on this pipe. An identity is random, is never given twice, and means
 * nothing on any other pipe.
 */
export class ExportTable {
  /** Identity of this table: what tells "yours" from "mine" in a reference. */
  readonly oxid: bigint
  readonly #ipids: RandomGuids
  readonly #limits: ObjectLimits
  readonly #usage: PeerUsage
  readonly #foreign: ForeignExports | undefined
  readonly #byIpid = new Map<Guid, Exported>()
  readonly #objects = new Identities<ExportedObject>()
  readonly #interfaces = new Map<Guid, Interface>()
  #size = 0
  #references = 0
  #streams = 0
  #given = 0
  #failures = 0
  /** What the message that is being written has given so far. */
  #journal: Given[] = []

  constructor(env: Env, limits: ObjectLimits, foreign?: ForeignExports, usage: PeerUsage = new PeerUsage()) {
    this.#usage = usage
    this.#ipids = new RandomGuids(env)
    this.#limits = limits
    this.#foreign = foreign
    this.oxid = new DataView(env.random(new Uint8Array(8)).buffer).getBigUint64(0)
  }

  /** Objects that the peer was given and holds. */
  get size(): number {
    return this.#size
  }

  get streams(): number {
    return this.#streams
  }

  /** Objects given in all, and disposers that failed. */
  get counts(): { readonly given: number; readonly disposeFailures: number } {
    return { given: this.#given, disposeFailures: this.#failures }
  }

  /** What the peer holds, by the name of the interface it holds it through. */
  get byInterface(): ReadonlyMap<string, ExportedCounts> {
    const counts = new Map<string, ExportedCounts>()
    for (const { interface: served, references, object } of this.#byIpid.values()) {
      if (references === Number.POSITIVE_INFINITY) continue
      const { objects, references: before, running } = counts.get(served.name) ?? EMPTY
      counts.set(served.name, {
        objects: objects + 1,
        references: before + references,
        running: running + object.running,
      })
    }
    return counts
  }

  get(ipid: Guid | undefined): Exported | undefined {
    return ipid === undefined ? undefined : this.#byIpid.get(ipid)
  }

  /** The same, unless the peer knew it without being given it. */
  given(ipid: Guid): Exported | undefined {
    const exported = this.#byIpid.get(ipid)
    return exported === undefined || exported.references === Number.POSITIVE_INFINITY ? undefined : exported
  }

  /** The interface with that identifier, if an object was given through it. */
  interface(uuid: Guid): Interface | undefined {
    return this.#interfaces.get(uuid)
  }

  /** Adds an object that the peer knows without being given it: it is not counted and stays until the end. */
  install(ipid: Guid, served: Interface, methods: Methods): void {
    const interfaces: Exported[] = []
    const of = { value: methods, key: methods, owned: false, stream: false, contracts: undefined }
    const object = { oid: 0n, ...of, interfaces, running: 0 }
    const references = Number.POSITIVE_INFINITY
    const installed = { ipid, interface: served, methods, object, share: undefined, references, calls: 0 }
    interfaces.push(installed)
    this.#byIpid.set(ipid, installed)
    this.#interfaces.set(served.uuid, served)
    if (served.base !== undefined) this.#interfaces.set(served.base.uuid, served.base)
  }

  /** An identity that nobody can guess. */
  newIpid(): Guid {
    return this.#ipids.next()
  }

  /** More references to an object, as OBJREF; the same object keeps its identity. `LIMIT` when there are too many. */
  give(served: Interface, offering: Offering, references = 1): Uint8Array {
    const many = 'too many references to one object'
    if (references > MAX_REFERENCES) throw new BusbarError('LIMIT', many)
    if (this.#hasTooMany(references)) {
      const { peerReferences } = this.#limits
      throw tooMany('peerReferences', `the peer holds ${peerReferences} references on all its pipes; release some`)
    }
    const object = this.#objects.get(offering.key) ?? this.#enter(offering)
    const exported =
      object.interfaces.find((each) => each.interface.uuid === served.uuid) ?? this.#open(object, served, offering.key)
    if (exported.references + references > MAX_REFERENCES) throw new BusbarError('LIMIT', many)
    this.#count(exported, references)
    this.#journal.push({ exported, references })
    const { ipid } = exported
    const ref = { iid: served.uuid, ipid, references, oxid: this.oxid, oid: object.oid }
    return encodeObjRef(ref, this.#foreign?.bindings)
  }

  /** Forgets what the last message gave: it is on its way. Returns what that was. */
  commit(): readonly Given[] {
    if (this.#journal.length === 0) return NOTHING
    const journal = this.#journal
    this.#journal = []
    return journal
  }

  /** Takes back what the last message gave: it will not be sent. Returns what that was. */
  rollback(): ReadonlySet<unknown> {
    const journal = this.#journal
    this.#journal = []
    this.takeBack(journal)
    return new Set(journal.map(({ exported }) => exported.object.key))
  }

  /** Takes back what a message gave: the peer never saw it. */
  takeBack(given: readonly Given[]): void {
    for (const { exported, references } of given) this.#drop(exported, references)
  }

  /** Disposes of an object that was meant for the peer and never given, unless the peer holds it from before. */
  discard(methods: Methods, owned: Owned): void {
    if (this.#objects.get(methods) === undefined) this.#end({ owned, value: methods })
  }

  /** References more, for a holder that already has one. */
  addReferences(ipid: Guid, count: number): boolean {
    const exported = this.#byIpid.get(ipid)
    if (exported === undefined || exported.references + count > MAX_REFERENCES || this.#hasTooMany(count)) return false
    this.#count(exported, count)
    return true
  }

  /** The peer gives references back: a count above what it holds is ignored. False when no such identity is there. */
  release(ipid: Guid, count: number): boolean {
    const exported = this.#byIpid.get(ipid)
    if (exported !== undefined) this.#drop(exported, count)
    return exported !== undefined
  }

  /** A call on the object runs. */
  begun(exported: Exported): void {
    exported.object.running++
    exported.calls++
  }

  /** A call on the object is over; an object whose last reference went in the meantime is disposed of now. */
  finished(exported: Exported): void {
    const { object, share } = exported
    exported.calls--
    if (share !== undefined && exported.calls === 0 && exported.references === 0) void share.release()
    object.running--
    if (object.running > 0 || object.interfaces.length > 0 || object.stream) return
    // Given again while the call ran: then it ends with its new identity.
    if (this.#objects.get(object.key) === undefined) this.#end(object)
  }

  /** The peer is gone: everything it held is disposed of at once. */
  runDown(): void {
    const all = new Set([...this.#byIpid.values()].map(({ object }) => object))
    this.#byIpid.clear()
    this.#objects.clear()
    this.#interfaces.clear()
    this.#usage.objects -= this.#size
    this.#size = 0
    this.#usage.references -= this.#references
    this.#references = 0
    this.#streams = 0
    this.#journal = []
    for (const object of all) {
      for (const exported of object.interfaces.splice(0)) {
        exported.references = 0
        void exported.share?.release()
      }
      this.#end(object)
      // What still runs must not dispose of it again.
      object.running = Number.POSITIVE_INFINITY
    }
  }

  #enter({ value, key, owned, stream, contracts }: Offering): ExportedObject {
    const { objects, streams, peerObjects } = this.#limits
    if (this.#size >= objects) throw tooMany('objects', `the peer holds ${objects} objects on this pipe; release some`)
    if (stream && this.#streams >= streams) throw tooMany('streams', `the peer has ${streams} streams open`)
    if (this.#usage.objects >= peerObjects) {
      throw tooMany('peerObjects', `the peer holds ${peerObjects} objects on all its pipes; release some`)
    }
    this.#given++
    const object = { oid: BigInt(this.#given), value, key, owned, stream, contracts, interfaces: [], running: 0 }
    this.#objects.set(key, object)
    this.#size++
    this.#usage.objects++
    if (stream) this.#streams++
    return object
  }

  #hasTooMany(more: number): boolean {
    return this.#usage.references + more > this.#limits.peerReferences
  }

  #count(exported: Exported, more: number): void {
    exported.references += more
    this.#references += more
    this.#usage.references += more
  }

  /** Another interface of an object. A proxy is held on to for as long as somebody may call through it. */
  #open(object: ExportedObject, served: Interface, key: Methods | Held): Exported {
    const share = key instanceof Held ? key.share() : undefined
    const methods = share === undefined ? (key as Methods) : forwarding(served, share)
    const exported = { ipid: this.newIpid(), interface: served, methods, object, share, references: 0, calls: 0 }
    object.interfaces.push(exported)
    this.#byIpid.set(exported.ipid, exported)
    if (!this.#interfaces.has(served.uuid)) this.#interfaces.set(served.uuid, served)
    return exported
  }

  #drop(exported: Exported, count: number): void {
    // What is there without being given is not counted.
    if (exported.references === 0 || exported.references === Number.POSITIVE_INFINITY) return
    this.#count(exported, -Math.min(count, exported.references))
    if (exported.references > 0) return
    this.#byIpid.delete(exported.ipid)
    // What runs goes on through it.
    if (exported.calls === 0) void exported.share?.release()
    const { object } = exported
    object.interfaces.splice(object.interfaces.indexOf(exported), 1)
    if (object.interfaces.length > 0) return
    this.#objects.delete(object.key)
    this.#size--
    this.#usage.objects--
    if (object.stream) this.#streams--
    this.#foreign?.gone(object.oid)
    if (object.running === 0 || object.stream) this.#end(object)
  }

  #end({ owned, value }: Pick<ExportedObject, 'owned' | 'value'>): void {
    if (typeof owned === 'function' ? owned() : owned) this.#dispose(value)
  }

  /** A disposer that fails has nobody to tell: the peer let go. It is counted, and `inspect` shows it. */
  #dispose(value: object): void {
    const disposable = value as Partial<Disposable & AsyncDisposable>
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

function tooMany(limit: keyof ObjectLimits, what: string): BusbarError {
  return new BusbarError('LIMIT', `limit ${limit}: ${what}`)
}

const EMPTY: ExportedCounts = { objects: 0, references: 0, running: 0 }
const NOTHING: readonly Given[] = []
