import { ReturnChannels } from '../../../component/index.ts'
import type { SimNode } from '../node.ts'
import { type Arrival, type PipeEnd, type Reference, sameReference, samePath, type ThingModel } from './model.ts'
import type { ObjectTable } from './table.ts'

/** What can be released. */
type Releasable = Partial<Disposable & AsyncDisposable>

/** Most references that a process holds on to (our choice: what comes beyond is released, the oldest first). */
const MOST_HELD = 24

/** One process: its own objects, and every reference that it holds, on whatever pipe it came. */
export class Holder {
  readonly node: SimNode
  readonly partition: string
  readonly returns: ReturnChannels
  readonly #table: ObjectTable
  readonly #byProxy = new Map<object, Reference>()
  /** Proxies that were made here and nobody has: what the bus passes on by itself, with how to release them. */
  readonly #unseen = new Map<object, () => void>()
  /** It passed a call on that had references in it. */
  passedOn = false
  #held: Reference[] = []

  constructor(node: SimNode, partition: string, table: ObjectTable) {
    this.node = node
    this.partition = partition
    this.#table = table
    this.returns = new ReturnChannels(node.env)
  }

  /** What it holds and has not released, objects of its own included. */
  get held(): readonly Reference[] {
    return this.#held
  }

  /** A proxy was made here. */
  readonly onProxy = (proxy: object, release: () => void): void => {
    this.#unseen.set(proxy, release)
  }

  /** The program has it. */
  has(proxy: object): void {
    this.#unseen.delete(proxy)
  }

  /** As when garbage is collected: releases the proxies that nobody has. Only calls that were passed on leave any. */
  collect(): void {
    const { report } = this.#table
    report.check(this.#unseen.size === 0 || this.passedOn, 'I8', () => {
      return `${this.#unseen.size} references of ${this.node.name} are left to be collected`
    })
    for (const [proxy, release] of this.#unseen) {
      this.#unseen.delete(proxy)
      release()
    }
  }

  /** One of those. A new object of its own now and then, and when it holds none. */
  pick(number: number): Reference {
    const found = this.#held[number % (this.#held.length + 1)]
    if (found !== undefined && found.contract === 'sim.Thing') return found
    return this.keepOwn(this.#table.make(this, number % 3 === 0, false))
  }

  /** One that came over a pipe; `undefined` when it has none. */
  pickRemote(number: number, contract?: Reference['contract']): Reference | undefined {
    const remote = this.#held.filter((each) => each.path.length > 0 && (contract ?? each.contract) === each.contract)
    return remote[number % Math.max(1, remote.length)]
  }

  /** Holds an object of its own. */
  keepOwn(thing: ThingModel): Reference {
    const known = this.#held.find((each) => each.thing === thing && each.path.length === 0)
    if (known !== undefined) return known
    const contract = 'sim.Thing'
    return this.#keep({ thing, value: thing.impl, path: [], contract, shares: false, released: false })
  }

  /**
   * A reference arrived, or was made from another (`shares`): it must be to `thing`, and what comes home must be what went out.
   */
  arrived(
    value: object,
    thing: ThingModel,
    { path, home }: Arrival,
    contract: Reference['contract'],
    shares = false,
  ): Reference {
    const { report } = this.#table
    const known = this.#byProxy.get(value)
    this.has(value)
    if (path.length === 0) {
      report.check(value === thing.impl, 'I8', () => `object ${thing.id} came home to ${this.node.name} as another one`)
      if (value !== thing.impl) return this.keepOwn(thing)
      thing.pure = false
      report.sometimes('a reference came home as the object itself')
      return this.keepOwn(thing)
    }
    if (known !== undefined) {
      const same = known.thing === thing && samePath(known.path, path)
      report.check(
        same,
        'I8',
        () => `a reference to object ${thing.id} arrived at ${this.node.name} as ${known.thing.id}`,
      )
      report.check(!known.released, 'I8', () => `object ${thing.id} came home to ${this.node.name} as a released proxy`)
      report.sometimes('a proxy came home to who had passed it on')
      return known
    }
    const arrived = { thing, value, path, contract, shares: shares || home, released: false }
    if (home) this.#checkHome(arrived)
    if (path.length > 1) report.sometimes('a reference reached a third process')
    this.#table.plants.proxy?.(value)
    return this.#keep(arrived)
  }

  /** Releases it, once. Settles when the other side confirmed or is gone. */
  async release(reference: Reference, waits: boolean): Promise<void> {
    if (reference.released) return
    reference.released = true
    this.#held = this.#held.filter((each) => each !== reference)
    const { path, value } = reference
    if (path.length === 0) return
    const { report, plants } = this.#table
    if (path.length > 1 && path.at(-1)?.broken === true) {
      report.sometimes('a reference that was passed on was released after its owner had died')
    }
    if (plants.release?.() === false) return
    const releasable = value as Releasable
    if (waits) await releasable[Symbol.asyncDispose]?.()
    else releasable[Symbol.dispose]?.()
  }

  releaseAll(): void {
    for (const reference of this.#held) void this.release(reference, false)
  }

  /** What an end holds and did not release: at least so many references of each contract must be counted there. */
  heldOn(end: PipeEnd, contract: string): number {
    let count = 0
    for (const each of this.#held) if (each.path[0] === end && each.contract === contract && !each.shares) count++
    return count
  }

  #keep(reference: Reference): Reference {
    this.#held.push(reference)
    if (reference.path.length > 0) this.#byProxy.set(reference.value, reference)
    // Not now: it may be one of several that are being passed.
    if (this.#held.length > MOST_HELD) void this.node.sleep(0).then(() => this.#releaseOldest())
    return reference
  }

  #releaseOldest(): void {
    const [oldest] = this.#held
    if (oldest !== undefined && this.#held.length > MOST_HELD) void this.release(oldest, false)
  }

  /** It came home as a new proxy: then the one that had been passed on was released here. */
  #checkHome(arrived: Reference): void {
    const before = [...this.#byProxy.values()].filter((each) => sameReference(each, arrived))
    this.#table.report.check(
      before.length === 0 || before.some((each) => each.released || each.contract !== arrived.contract),
      'I8',
      () => `object ${arrived.thing.id} came home to ${this.node.name} as another proxy than was passed on`,
    )
    this.#table.report.sometimes('what had been passed on came home after its proxy was released')
  }
}
