import type { CallContext, Caller } from '../rpc/index.ts'

/** Makes one component for each caller: what `perCaller` gives. */
export class PerCaller<T = unknown> {
  readonly #make: (context: CallContext) => T | Promise<T>

  constructor(make: (context: CallContext) => T | Promise<T>) {
    this.#make = make
  }

  /** Not a method: it would be in the way of a component's own. */
  static instances(of: PerCaller): Instances {
    return new Instances(of.#make)
  }
}

/**
 * Offers a component of its own to each caller: made when the caller first activates it, the same one whenever it does so again, on
 * whatever pipe, and disposed of when the caller has released it everywhere. A caller that restarts is another one.
 */
export function perCaller<T>(make: (context: CallContext) => T | Promise<T>): PerCaller<T> {
  return new PerCaller(make)
}

interface Instance {
  readonly made: Promise<object>
  /** The pipes over which it is held, or about to be. */
  readonly holders: Set<object>
}

/** The components of one class, by caller. */
export class Instances {
  readonly #make: (context: CallContext) => unknown
  readonly #byCaller = new Map<string, Instance>()

  constructor(make: (context: CallContext) => unknown) {
    this.#make = make
  }

  get size(): number {
    return this.#byCaller.size
  }

  /** The caller's component. `check` throws when what was made is none. */
  async get(context: CallContext, holder: object, check: (made: unknown) => object): Promise<object> {
    const name = nameOf(context.caller)
    let instance = this.#byCaller.get(name)
    if (instance === undefined) {
      const made = Promise.resolve()
        .then(() => this.#make(context))
        .then(check)
      instance = { made, holders: new Set() }
      this.#byCaller.set(name, instance)
    }
    instance.holders.add(holder)
    try {
      return await instance.made
    } catch (thrown) {
      if (this.#byCaller.get(name) === instance) this.#byCaller.delete(name)
      throw thrown
    }
  }

  /** A pipe has released it. True when no other holds it: then it is the one who asks that disposes of it. */
  release(caller: Caller, holder: object): boolean {
    const name = nameOf(caller)
    const instance = this.#byCaller.get(name)
    if (instance === undefined || !instance.holders.delete(holder) || instance.holders.size > 0) return false
    this.#byCaller.delete(name)
    return true
  }
}

function nameOf({ partition, epoch }: Caller): string {
  return `${epoch} ${partition}`
}
