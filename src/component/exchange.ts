import { BusbarError } from '../errors/index.ts'
import { type Contract, type Env, isPull, type RefPort } from '../rpc/index.ts'
import { methodsOf } from './classes.ts'
import { Consumer } from './consumer.ts'
import type { Given } from './exported.ts'
import { ExportTable } from './exports.ts'
import type { ForeignExports } from './foreign-exports.ts'
import { RefusedReference } from './foreign-serving.ts'
import type { Gift } from './gift.ts'
import type { Held, Via } from './held.ts'
import type { ImportTable } from './imports.ts'
import type { Interface, Methods, Operation } from './interface.ts'
import type { ObjectLimits } from './limits.ts'
import { decodeObjRef, encodeObjRef, type ObjRef } from './objref.ts'
import { PeerUsage } from './peer-usage.ts'
import { Producer } from './producer.ts'
import { heldOf } from './proxy.ts'
import { releaseItems } from './references.ts'

/** Who takes references from the peer and makes calls on them. */
export interface Taker extends Via {
  readonly imports: ImportTable
  /** What reads the stream behind `held`. */
  stream(held: Held): Consumer
}

/**
 * All references that cross one pipe, in both directions: what this side gave, what it took, and which of them are on their
 * way home. A reference that the peer gives is either to an object of its own, or back to one that it was given here.
 */
export class Exchange {
  readonly exports: ExportTable
  /** What the peer uses, here and on its other pipes. */
  readonly usage: PeerUsage
  /** Who calls objects of the peer; absent while nobody can. */
  taker: Taker | undefined
  readonly #foreign: boolean
  readonly #env: Env
  readonly #limits: ObjectLimits
  #sentHome: Held[] = []
  /** Streams among the arguments that were read last. */
  #arrived: Consumer[] = []
  /** What the proxy holds that was made last. */
  #fresh: Held | undefined
  /** What new proxies of objects that came home hold, of the message that is being read. */
  #homes: Held[] = []
  /** How many references of it were looked at. */
  #looked = 0

  /** `foreign` for a peer that has addresses in place of a pipe. */
  constructor(env: Env, limits: ObjectLimits, foreign?: ForeignExports, usage: PeerUsage = new PeerUsage()) {
    this.usage = usage
    this.exports = new ExportTable(env, limits, foreign, usage)
    this.#foreign = foreign !== undefined
    this.#env = env
    this.#limits = limits
  }

  /** A reference in the arguments of a call: lent, its owner stays who it was. */
  lend(contract: Contract, value: unknown): Uint8Array {
    if (isPull(contract)) return this.#lendStream(contract, value)
    const held = heldOf(value)
    if (held !== undefined) {
      checkProxy(contract, held)
      if (held.via !== this.taker) return this.#passOn(contract, held, value as object)
      held.pin()
      this.#sentHome.push(held)
      return homeward(contract, held, 0)
    }
    const methods = methodsOf(contract, value, 'BAD_VALUE')
    return this.exports.give(contract, { value: methods, key: methods, owned: false, stream: false })
  }

  /** What the arguments that were written gave. */
  lent(): Gift | undefined {
    const exported = this.exports.commit()
    const sentHome = this.#sentHome
    if (exported.length === 0 && sentHome.length === 0) return undefined
    this.#sentHome = []
    return { exported, sentHome }
  }

  /** The arguments could not be written. */
  unlend(): void {
    this.exports.rollback()
    for (const held of this.#sentHome.splice(0)) held.unpin()
  }

  /** A reference in an answer. An object is given for good when `owned`; a proxy stays its owner's. */
  give(contract: Contract, value: unknown, owned: (methods: Methods) => boolean): Uint8Array {
    const held = heldOf(value)
    if (held === undefined) {
      const methods = methodsOf(contract, value, 'BAD_VALUE')
      return this.exports.give(contract, { value: methods, key: methods, owned: owned(methods), stream: false })
    }
    checkProxy(contract, held)
    if (held.via !== this.taker) return this.#passOn(contract, held, value as object)
    // The release of this proxy travels on another channel than the answer, so it has to wait until the answer arrived.
    this.taker?.imports.lend(held)
    return homeward(contract, held, 1)
  }

  /** The answer is on its way. Returns what it gave. */
  commit(): readonly Given[] {
    this.taker?.imports.commitLoans()
    return this.exports.commit()
  }

  /** The answer will not be sent. Returns what it was to give. */
  rollback(): ReadonlySet<unknown> {
    this.taker?.imports.rollbackLoans()
    return this.exports.rollback()
  }

  /** A reference in the arguments of a call that is served. */
  taken(contract: Contract, reference: Uint8Array): unknown {
    if (this.#foreign) return this.#takenFromForeign(contract, reference)
    const ref = decodeObjRef(reference)
    if (ref.oxid === this.exports.oxid) return this.#home(contract, ref)
    if (this.taker === undefined) {
      throw new BusbarError('PROTOCOL', 'a reference among the arguments, and no return channel to call it on')
    }
    try {
      const held = this.taker.imports.take(contract, ref)
      if (!isPull(contract)) return this.#proxy(held, this.taker)
      const stream = this.taker.stream(held)
      this.#arrived.push(stream)
      return stream
    } catch (thrown) {
      // As a fault this says that nothing was taken, so that the caller takes all of it back.
      if (thrown instanceof BusbarError && thrown.code === 'LIMIT') throw new BusbarError('BUSY', thrown.message)
      throw thrown
    }
  }

  /** The addresses in a reference are never followed, so of a peer without a pipe only what comes home can be taken. */
  #takenFromForeign(contract: Contract, reference: Uint8Array): object {
    let ref: ObjRef
    try {
      ref = decodeObjRef(reference)
      if (ref.oxid === this.exports.oxid) return this.#home(contract, ref)
    } catch (thrown) {
      throw RefusedReference.from(thrown)
    }
    throw new RefusedReference(
      'not here',
      `an object of exporter ${ref.oxid}: addresses in references are not followed`,
    )
  }

  /** A reference in the answer to a call: a proxy, or an object of this side that came home. */
  received(contract: Contract, reference: Uint8Array): unknown {
    const ref = decodeObjRef(reference)
    if (ref.oxid !== this.exports.oxid) return this.taker && this.#proxy(this.receive(contract, ref), this.taker)
    this.#looked++
    if (ref.references > 0) void this.taker?.imports.giveBack(ref)
    return this.#home(contract, ref)
  }

  /** `port`, and what is taken by it adds to `fresh` what nobody on this side has besides. */
  noting(port: RefPort, fresh: Held[]): RefPort {
    const take = (contract: Contract, reference: Uint8Array): unknown => {
      this.#fresh = undefined
      const value = port.take(contract, reference)
      if (this.#fresh !== undefined) fresh.push(this.#fresh)
      return value
    }
    return { give: port.give, take }
  }

  /** The same for what cannot be an object of this side: a stream, an activated object. */
  receive(contract: Interface, ref: ObjRef): Held {
    const imports = this.taker?.imports
    if (imports === undefined) throw new BusbarError('INTERNAL', 'an answer without a caller')
    this.#looked++
    try {
      return imports.take(contract, ref)
    } catch (thrown) {
      if (ref.references > 0) void imports.giveBack(ref)
      throw thrown
    }
  }

  /** The message that brought the last references is whole. */
  took(): void {
    this.taker?.imports.commit()
    if (this.#homes.length > 0) this.#homes = []
    this.#looked = 0
  }

  /** The answer that brought the last references is not taken: they go back. Returns how many of it were looked at. */
  untake(): number {
    const looked = this.#looked
    this.#looked = 0
    this.taker?.imports.rollback()
    this.#releaseHomes()
    return looked
  }

  /** The message that brought the last references is refused as a whole: whoever sent it takes them back by itself. */
  disown(): void {
    this.taker?.imports.disown()
    this.#releaseHomes()
  }

  #releaseHomes(): void {
    for (const held of this.#homes.splice(0)) void held.release()
  }

  /** Nobody wants what an answer gives: it goes back. */
  returned(reference: Uint8Array): undefined {
    this.#looked++
    this.giveBack(reference)
  }

  /** The same for what was not looked at, of an answer that is not taken. */
  giveBack(reference: Uint8Array): undefined {
    const ref = decodeObjRef(reference)
    if (ref.references > 0) void this.taker?.imports.giveBack(ref)
  }

  /** The streams among the arguments that were read, which are over with their call. */
  arrived(): readonly Consumer[] {
    if (this.#arrived.length === 0) return NO_STREAMS
    const arrived = this.#arrived
    this.#arrived = []
    return arrived
  }

  /** A stream in the arguments of a call. One that came from a third party brings that one's failures. */
  #lendStream(contract: Contract, value: unknown): Uint8Array {
    const next = contract.procedures[0] as Operation
    const passedOn = value instanceof Consumer
    const unsent = (items: readonly unknown[]): void => {
      if (passedOn) releaseItems(next, items)
    }
    const producer = new Producer(value, contract.name, next.reply, NOBODY, this.#env, this.#limits, passedOn, unsent)
    const key = producer as unknown as Methods
    return this.exports.give(contract, { value: producer, key, owned: true, stream: true })
  }

  #passOn(contract: Contract, held: Held, value: object): Uint8Array {
    return this.exports.give(contract, { value, key: held, owned: false, stream: false })
  }

  /** Only what this peer was given on this pipe, and still holds, comes home. */
  #home(contract: Contract, { ipid, iid }: ObjRef): object {
    const exported = this.exports.given(ipid)
    if (exported === undefined || exported.object.stream) {
      throw new BusbarError('NO_SUCH_OBJECT', `a reference home to ${ipid}, which is not held on this pipe`)
    }
    if (iid !== contract.uuid || exported.interface.uuid !== iid) {
      throw new BusbarError('NO_SUCH_INTERFACE', `a reference to interface ${iid} in place of ${contract.name}`)
    }
    const { value } = exported.object
    return exported.share === undefined ? value : this.#alive(value, contract, exported.share)
  }

  /** A proxy that was passed on comes home as itself, or, when it was released here or has another interface, as a new one. */
  #alive(proxy: object, { uuid }: Contract, share: Held): object {
    const held = heldOf(proxy)
    if (held?.released === false && held.interface.uuid === uuid) return proxy
    const own = share.share()
    this.#homes.push(own)
    return this.#proxy(own, share.via)
  }

  #proxy(held: Held, via: Via): object {
    this.#fresh = held
    return via.proxy(held)
  }
}

const NO_STREAMS: readonly Consumer[] = []
/** Nobody is told when a stream that was lent is over. */
const NOBODY = { end(): void {} }

function checkProxy(contract: Contract, held: Held): void {
  const { name, uuid } = held.interface
  if (held.released) throw new BusbarError('RELEASED', `a proxy of ${name} was passed on after it was released`)
  if (uuid !== contract.uuid) {
    throw new BusbarError('BAD_VALUE', `a proxy of ${name} in place of ${contract.name}: query it for that first`)
  }
}

/** The OBJREF for an object of the peer: it names the peer's own exporter, so the peer sees that it comes home. */
function homeward({ uuid }: Contract, { target, oxid, oid }: Held, references: number): Uint8Array {
  return encodeObjRef({ iid: uuid, ipid: target.object, references, oxid, oid })
}
