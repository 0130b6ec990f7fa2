import { BusbarError } from '../errors/index.ts'
import type { CallOptions } from '../rpc/index.ts'
import type { Held } from './held.ts'
import type { Interface, Operation } from './interface.ts'

/** What calls go through. */
interface Callee {
  readonly interface: Interface
}

/** Makes the call that a proxy was asked for. */
export type Invoke<On extends Callee = Held> = (
  on: On,
  operation: Operation,
  args: unknown,
  options: CallOptions | undefined,
) => unknown

/** Makes proxies for one interface. */
export interface ProxyMaker {
  make(held: Held): object
}

/** Names that JavaScript itself asks every object for: there a proxy is like any other object. */
const ASKED_BY_LANGUAGE: ReadonlySet<string> = new Set(['then', 'catch', 'finally', 'toJSON'])

/** What every proxy has: the references behind it. */
class Remote {
  readonly #held: Held

  constructor(held: Held) {
    this.#held = held
  }

  static held(proxy: Remote): Held {
    return proxy.#held
  }

  static heldOf(value: object): Held | undefined {
    return #held in value ? value.#held : undefined
  }
}

/** The references behind a proxy; `undefined` for everything that is none. */
export function heldOf(value: unknown): Held | undefined {
  return typeof value === 'object' && value !== null ? Remote.heldOf(value) : undefined
}

/**
 * The class of all proxies for one interface: its methods and nothing else. What the contract contains is an ordinary
 * method; only what it does not contain reaches the trap behind the prototype, which refuses it before anything is
 * packaged or sent.
 */
export function proxyMaker(served: Interface, invoke: Invoke): ProxyMaker {
  class RemoteObject extends Remote {
    [Symbol.dispose](): void {
      void dispose(Remote.held(this))
    }

    [Symbol.asyncDispose](): Promise<void> {
      return dispose(Remote.held(this))
    }
  }
  for (const operation of served.procedures) {
    Object.defineProperty(RemoteObject.prototype, operation.name, {
      value(this: RemoteObject, args?: unknown, options?: CallOptions) {
        return invoke(Remote.held(this), operation, args, options)
      },
    })
  }
  // Every promise that gives a proxy asks for it: it is found here, and not behind the trap.
  inFront(RemoteObject.prototype, THEN, undefined)
  Object.defineProperty(RemoteObject, 'name', { value: served.name })
  Object.setPrototypeOf(RemoteObject.prototype, nothingElse(served, {}))
  return { make: (held) => new RemoteObject(held) }
}

/** What every promise asks for. */
export const THEN = 'then'

/** Puts a value in front of the trap. */
export function inFront(prototype: object, name: string, value: unknown): void {
  void Object.defineProperty(prototype, name, { value })
}

/** Releases a proxy for whoever has it. */
export function dispose(held: Held): Promise<void> {
  if (!held.released) held.site = new Error('the proxy was released here')
  return held.release()
}

/** Stands behind a proxy's own methods, in front of what it inherits otherwise. */
export function nothingElse(served: Interface, inherited: object): object {
  return new Proxy(Object.freeze(inherited), {
    get(target, key, receiver) {
      if (typeof key === 'symbol' || key in target || ASKED_BY_LANGUAGE.has(key)) {
        return Reflect.get(target, key, receiver) as unknown
      }
      return () => refusal(served, key)
    },
  })
}

/** A promise that rejects, and an iterable that fails: whichever the caller expected, it is told. */
function refusal(served: Interface, command: string): Promise<never> & AsyncIterable<never> {
  const names = served.procedures.map(({ name }) => name).join(', ')
  const refused = Promise.reject<never>(
    new BusbarError(
      'NOT_IN_CONTRACT',
      `${served.name} does not contain "${command}"; nothing was sent. It contains: ${names}`,
      { stage: 'call' },
    ),
  )
  return Object.assign(refused, { [Symbol.asyncIterator]: () => ({ next: () => refused }) })
}
