import { Held, type Via } from './held.ts'

/**
 * Something for each object: for one of this side by the object itself, for one of another peer by what its references say,
 * so that two proxies of the same object are one.
 */
export class Identities<T> {
  readonly #own = new Map<object, T>()
  readonly #others = new Map<Via, Map<string, T>>()

  get(key: object): T | undefined {
    return key instanceof Held ? this.#others.get(key.via)?.get(nameOf(key)) : this.#own.get(key)
  }

  set(key: object, value: T): void {
    if (!(key instanceof Held)) {
      this.#own.set(key, value)
      return
    }
    let others = this.#others.get(key.via)
    if (others === undefined) this.#others.set(key.via, (others = new Map<string, T>()))
    others.set(nameOf(key), value)
  }

  delete(key: object): void {
    if (!(key instanceof Held)) {
      this.#own.delete(key)
      return
    }
    const others = this.#others.get(key.via)
    others?.delete(nameOf(key))
    if (others?.size === 0) this.#others.delete(key.via)
  }

  clear(): void {
    this.#own.clear()
    this.#others.clear()
  }
}

function nameOf({ oxid, oid }: Held): string {
  return `${oxid} ${oid}`
}
