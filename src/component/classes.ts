import type { Guid } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import { type CallContext, type Contract, Described, describing, type Implementation } from '../rpc/index.ts'
import type { Owned } from './exported.ts'
import { contractsOf } from './implement.ts'
import { type Interface, type Methods, reachable } from './interface.ts'
import { type Instances, PerCaller } from './per-caller.ts'

type Factory = (context: CallContext) => unknown

/** What may be offered for a contract: one component for all, one for each caller, or one for each activation. */
export type Source<C extends Contract> =
  | Implementation<C>
  | PerCaller<Implementation<C>>
  | ((context: CallContext) => Implementation<C> | Promise<Implementation<C>>)

/** A class on offer. */
interface Offered {
  readonly contract: Contract
  readonly source: /** One component for all callers. */
    | { readonly kind: 'component'; readonly methods: Methods }
    /** A function that makes one for each activation. */
    | { readonly kind: 'factory'; make: Factory }
    /** One for each caller. */
    | { readonly kind: 'per caller'; readonly instances: Instances }
}

/** A class as people see it. */
export interface ClassView {
  readonly classId: Guid
  /** How many components there are: one, one for each caller, or one for each activation. */
  readonly instances: 'one' | 'one per caller' | 'one per activation'
  /** What its objects implement, the contract that names the class first. */
  readonly contracts: readonly { readonly name: string; readonly version: string; readonly uuid: Guid }[]
}

/** What activation of a class gives. */
export class Activated {
  readonly contract: Contract
  readonly methods: Methods
  /** Whether it was made for this activation alone, and so ends with it; or what to do when this pipe has released it. */
  readonly owned: Owned
  /** The interface that it is given through. */
  readonly through: Interface

  constructor(contract: Contract, methods: Methods, owned: Owned, through: Interface = contract) {
    this.contract = contract
    this.methods = methods
    this.owned = owned
    this.through = through
  }
}

/** The classes that a partition offers. Nothing else can be activated. Shared by all associations. */
export class ClassTable {
  readonly #offered = new Map<Guid, Offered>()
  #interfaces = new Map<Guid, Interface>()
  /** Components on offer for all callers. */
  #kept = new Set<Methods>()

  /** Every table answers for its contracts: `busbar.Described` is a class of each, which nobody has to offer. */
  constructor() {
    this.offer(
      Described,
      describing(() => this.#classes().flatMap(contractsOn)),
    )
  }

  /** Everything on offer, for those who look: classes, contracts, versions. */
  list(): ClassView[] {
    return this.#classes().map((offered) => ({
      classId: offered.contract.uuid,
      instances: INSTANCES[offered.source.kind],
      contracts: contractsOn(offered).map(({ name, version, uuid }) => ({ name, version, uuid })),
    }))
  }

  /**
   * Offers a component: one object for all callers, which stays its owner's; `perCaller`; or a function that makes one for
   * each activation, which is disposed of when its caller has released it. `ALREADY_OFFERED`; `INVALID_ARGUMENT` when a
   * method is missing.
   */
  offer<C extends Contract>(contract: C, implementation: Source<C>): void {
    if (this.#offered.has(contract.uuid)) {
      throw new BusbarError('ALREADY_OFFERED', `${contract.name} ${contract.major} is offered already`)
    }
    const source = sourceOf(contract, implementation)
    this.#offered.set(contract.uuid, { contract, source })
    if (source.kind === 'component') this.#kept.add(source.methods)
    reachable(contract, this.#interfaces)
  }

  /** Takes an offer back; objects that callers hold live on. */
  withdraw(contract: Contract): void {
    if (!this.#offered.delete(contract.uuid)) return
    this.#interfaces = new Map()
    this.#kept = new Set()
    for (const { contract: offered, source } of this.#offered.values()) {
      reachable(offered, this.#interfaces)
      if (source.kind === 'component') this.#kept.add(source.methods)
    }
  }

  /** The interface with that identifier, if calls on what is offered can lead to it. */
  interface(uuid: Guid): Interface | undefined {
    return this.#interfaces.get(uuid)
  }

  /** Whether `methods` is a component that its owner offered for all callers. */
  keeps(methods: Methods): boolean {
    return this.#kept.has(methods)
  }

  /** `NO_SUCH_CLASS` when it is not offered; else what the factory throws. `holder` is the pipe that will hold it. */
  async activate(classId: Guid, context: CallContext, holder: object): Promise<Activated> {
    const offered = this.#offered.get(classId)
    if (offered === undefined) throw new BusbarError('NO_SUCH_CLASS', `no class ${classId} is offered here`)
    const { contract, source } = offered
    if (source.kind === 'component') return new Activated(contract, source.methods, false)
    const check = (made: unknown): Methods => methodsOf(contract, made, 'BAD_VALUE')
    if (source.kind === 'factory') return new Activated(contract, check(await source.make(context)), true)
    const { instances } = source
    const methods = (await instances.get(context, holder, check)) as Methods
    return new Activated(contract, methods, () => instances.release(context.caller, holder))
  }

  /** Those that a program offered. */
  #classes(): Offered[] {
    return [...this.#offered.values()].filter(({ contract }) => contract.uuid !== Described.uuid)
  }
}

/** What the objects of a class implement, the contract that names the class first. */
function contractsOn({ contract, source }: Offered): Contract[] {
  const more = source.kind === 'component' ? contractsOf(source.methods) : []
  return [contract, ...more.filter(({ uuid }) => uuid !== contract.uuid)]
}

const INSTANCES = { component: 'one', factory: 'one per activation', 'per caller': 'one per caller' } as const

function sourceOf(contract: Contract, given: unknown): Offered['source'] {
  if (given instanceof PerCaller) return { kind: 'per caller', instances: PerCaller.instances(given) }
  if (typeof given === 'function') return { kind: 'factory', make: given as Factory }
  return { kind: 'component', methods: methodsOf(contract, given, 'INVALID_ARGUMENT') }
}

/** What implements a contract, checked: every method must be there before anybody can call it. */
export function methodsOf(contract: Interface, given: unknown, code: 'INVALID_ARGUMENT' | 'BAD_VALUE'): Methods {
  if (given instanceof Promise) {
    throw new BusbarError(code, `${contract.name} needs an object, and this is a promise of one: await it first`)
  }
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
