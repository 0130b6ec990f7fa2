import type { Guid } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import type { CallContext, Contract, Implementation } from '../rpc/index.ts'
import { type Interface, type Methods, reachable } from './interface.ts'

type Factory = (context: CallContext) => unknown

/** A class on offer. */
interface Offered {
  readonly contract: Contract
  /** One component for all callers, or a function that makes one for each activation. */
  readonly source:
    | { readonly kind: 'component'; readonly methods: Methods }
    | { readonly kind: 'factory'; make: Factory }
}

/** What activation of a class gives. */
export class Activated {
  readonly contract: Contract
  readonly methods: Methods
  /** Whether it was made for this caller alone, and so ends with it. */
  readonly owned: boolean

  constructor(contract: Contract, methods: Methods, owned: boolean) {
    this.contract = contract
    this.methods = methods
    this.owned = owned
  }
}

/** The classes that a partition offers. Nothing else can be activated. Shared by all associations. */
export class ClassTable {
  readonly #offered = new Map<Guid, Offered>()
  #interfaces = new Map<Guid, Interface>()

  /** Names of the contracts on offer. */
  get names(): readonly string[] {
    return [...this.#offered.values()].map(({ contract }) => `${contract.name} ${contract.version}`)
  }

  /**
   * Offers a component: one object for all callers, which stays its owner's, or a function that makes one for each
   * activation, which is disposed of when its caller has released it. `ALREADY_OFFERED`; `INVALID_ARGUMENT` when a
   * method is missing.
   */
  offer<C extends Contract>(
    contract: C,
    implementation: Implementation<C> | ((context: CallContext) => Implementation<C> | Promise<Implementation<C>>),
  ): void {
    if (this.#offered.has(contract.uuid)) {
      throw new BusbarError('ALREADY_OFFERED', `${contract.name} ${contract.major} is offered already`)
    }
    const source: Offered['source'] =
      typeof implementation === 'function'
        ? { kind: 'factory', make: implementation }
        : { kind: 'component', methods: methodsOf(contract, implementation, 'INVALID_ARGUMENT') }
    this.#offered.set(contract.uuid, { contract, source })
    reachable(contract, this.#interfaces)
  }

  /** Takes an offer back; objects that callers hold live on. */
  withdraw(contract: Contract): void {
    if (!this.#offered.delete(contract.uuid)) return
    this.#interfaces = new Map()
    for (const offered of this.#offered.values()) reachable(offered.contract, this.#interfaces)
  }

  /** The interface with that identifier, if calls on what is offered can lead to it. */
  interface(uuid: Guid): Interface | undefined {
    return this.#interfaces.get(uuid)
  }

  /** Whether `methods` is a component that its owner offered for all callers. */
  keeps(methods: Methods): boolean {
    for (const { source } of this.#offered.values()) {
      if (source.kind === 'component' && source.methods === methods) return true
    }
    return false
  }

  /** `NO_SUCH_CLASS` when it is not offered; else what the factory throws. */
  async activate(classId: Guid, context: CallContext): Promise<Activated> {
    const offered = this.#offered.get(classId)
    if (offered === undefined) throw new BusbarError('NO_SUCH_CLASS', `no class ${classId} is offered here`)
    const { contract, source } = offered
    if (source.kind === 'component') return new Activated(contract, source.methods, false)
    return new Activated(contract, methodsOf(contract, await source.make(context), 'BAD_VALUE'), true)
  }
}

/** What implements a contract, checked: every method must be there before anybody can call it. */
export function methodsOf(contract: Interface, given: unknown, code: 'INVALID_ARGUMENT' | 'BAD_VALUE'): Methods {
  const methods = given as Methods
  const isObject = typeof given === 'object' && given !== null
  for (const { name } of contract.procedures) {
    if (isObject && typeof methods[name] === 'function') continue
    const names = contract.procedures.map((procedure) => procedure.name).join(', ')
    throw new BusbarError(
      code,
      `${contract.name} needs an object with ${names}; ${isObject ? `"${name}" is missing` : typeof given}`,
    )
  }
  return methods
}
