import type { Contract } from '../rpc/index.ts'
import { Activated, type ClassTable } from './classes.ts'
import type { Exchange } from './exchange.ts'
import type { ExportTable } from './exports.ts'
import type { Methods, Operation } from './interface.ts'
import { Producer } from './producer.ts'
import { heldOf } from './proxy.ts'
import { referencesIn } from './references.ts'
import { type Found, Queried } from './rem-query.ts'

/** What the answers on one association give: objects of this side, streams, and proxies that are passed on. */
export class Giving {
  readonly #exchange: Exchange
  readonly #exports: ExportTable
  readonly #classes: ClassTable | undefined

  /** `classes`: what is on offer here, if anything is. */
  constructor(exchange: Exchange, classes: ClassTable | undefined) {
    this.#exchange = exchange
    this.#exports = exchange.exports
    this.#classes = classes
  }

  /** As OBJREF. */
  give(contract: Contract, value: unknown): Uint8Array {
    if (value instanceof Producer) {
      const key = value as unknown as Methods
      return this.#exports.give(contract, { value, key, owned: true, stream: true })
    }
    if (value instanceof Queried) {
      const objref = this.#exports.give(contract, value.offering, value.references)
      value.done()
      return objref
    }
    if (value instanceof Activated) {
      const { contract: own, methods, owned, through } = value
      return this.#exports.give(through, {
        value: methods,
        key: methods,
        owned,
        stream: false,
        contracts: [own],
      })
    }
    return this.#exchange.give(contract, value, (methods) => this.#owns(methods))
  }

  /** Ends everything that an answer which will not be sent was to give. A proxy stays its owner's. */
  letGo(operation: Operation, value: unknown): void {
    const given = this.#exchange.rollback()
    if (value instanceof Producer) return value[Symbol.dispose]()
    if (operation.result === undefined && Array.isArray(value))
      for (const each of value as (Found | undefined)[]) each?.given.done()
    this.discard(operation, value, given)
  }

  /** The same of all but what was `given` before. */
  discard({ result }: Operation, value: unknown, given: ReadonlySet<unknown> = NONE): void {
    for (const each of result === undefined ? [] : new Set(referencesIn(result, value))) {
      if (heldOf(each) !== undefined) continue
      const methods = (each instanceof Activated ? each.methods : each) as Methods
      const owned = each instanceof Activated ? each.owned : this.#owns(methods)
      if (!given.has(methods)) this.#exports.discard(methods, owned)
    }
  }

  /** What its owner offered for all callers stays its owner's. */
  #owns(methods: Methods): boolean {
    return this.#classes?.keeps(methods) !== true
  }
}

const NONE: ReadonlySet<unknown> = new Set()
