import type { CallOptions } from '../rpc/index.ts'
import type { Coming } from './coming.ts'
import type { Interface } from './interface.ts'
import { inFront, type Invoke, nothingElse, THEN } from './proxy.ts'

/** Where the outcome of a call goes. */
export interface Outcome {
  readonly resolve: (value: unknown) => void
  readonly reject: (reason: unknown) => void
}

/** Makes promises of proxies for one interface. */
export interface PromiseMaker {
  /** Makes the call at once, by `call`: it gives the proxy, or what takes its place, but not before it has returned. */
  make(coming: Coming, call: (outcome: Outcome) => void): Promise<unknown>
}

/** Names that a promise has itself, so that a method of that name is reached through the proxy only. */
const OF_PROMISES: ReadonlySet<string> = new Set(['catch', 'finally'])

/** What every promise of a proxy has: what calls on it go through. */
class Remote extends Promise<unknown> {
  readonly #coming: Coming

  constructor(coming: Coming, call: (outcome: Outcome) => void) {
    super((resolve, reject) => {
      call({
        resolve: (value) => {
          coming.state = 'arrived'
          coming.value = value
          resolve(value)
        },
        reject: (thrown) => {
          coming.state = 'failed'
          reject(thrown)
        },
      })
    })
    this.#coming = coming
    coming.promise = this
  }

  static coming(promise: Remote): Coming {
    return promise.#coming
  }

  static comingOf(value: object): Coming | undefined {
    return #coming in value ? value.#coming : undefined
  }
}

/** What calls on the promise of a proxy go through; `undefined` for everything that is none. */
export function comingOf(value: unknown): Coming | undefined {
  return value instanceof Promise ? Remote.comingOf(value) : undefined
}

/**
 * The class of all promises of proxies for one interface: an ordinary promise, which has the methods of the proxy besides. What
 * the contract does not contain is refused as on a proxy.
 */
export function promiseMaker(served: Interface, invoke: Invoke<Coming>): PromiseMaker {
  class RemotePromise extends Remote {
    [Symbol.dispose](): void {
      void Remote.coming(this).dispose()
    }

    [Symbol.asyncDispose](): Promise<void> {
      return Remote.coming(this).dispose()
    }
  }
  const { prototype } = RemotePromise
  for (const operation of served.procedures) {
    if (OF_PROMISES.has(operation.name)) continue
    void Object.defineProperty(prototype, operation.name, {
      value(this: RemotePromise, args?: unknown, options?: CallOptions) {
        return invoke(Remote.coming(this), operation, args, options)
      },
    })
  }
  inFront(prototype, THEN, Reflect.get(Promise.prototype, THEN))
  // What is derived from it is an ordinary promise, and `await` takes it for one.
  void Object.defineProperty(prototype, 'constructor', { value: Promise })
  void Object.setPrototypeOf(prototype, nothingElse(served, Object.create(Promise.prototype) as object))
  return { make: (coming, call) => new RemotePromise(coming, call) }
}
