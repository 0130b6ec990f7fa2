import { BusbarError } from '../errors/index.ts'
import type { CallContext, CallOptions, Stream } from '../rpc/index.ts'

/** The method of a call, for those who look at it or decide. */
export interface CalledMethod {
  /** Name of the contract. */
  readonly contract: string
  readonly method: string
  /** `contract.method`. */
  readonly path: string
}

/** A call that a proxy was asked for. */
export interface OutgoingCall extends CalledMethod {
  readonly args: unknown
  readonly options: CallOptions | undefined
}

/** A call that reached its component. */
export interface ServedMethod extends CalledMethod {
  readonly args: unknown
  readonly context: CallContext
}

/**
 * Stands around each call that a proxy makes. Gives what `next` gives, a promise of the result or a stream, or something in its
 * place; may be async either way. `next` may be given other arguments and options, be called again, or not at all.
 */
export type CallInterceptor = (call: OutgoingCall, next: (call: OutgoingCall) => unknown) => unknown

/** The same around each call that is served. What it gives is answered, what it throws fails the call. */
export type ServeInterceptor = (call: ServedMethod, next: (call: ServedMethod) => unknown) => unknown

/**
 * Says whether a call may be served, before its arguments are read. Everything but `true`, and everything thrown, is answered
 * with `DENIED`. Asked for each method of a component and of the objects that it gave, not for the items of a stream.
 */
export type Authorize = (context: CallContext, method: CalledMethod) => boolean | Promise<boolean>

/** What stands around the calls of one pipe, the outermost first. */
export interface Hooks {
  readonly calls: readonly CallInterceptor[]
  readonly serves: readonly ServeInterceptor[]
  /** All of them must agree. */
  readonly authorize: readonly Authorize[]
}

export const NO_HOOKS: Hooks = Object.freeze({ calls: [], serves: [], authorize: [] })

/** Goes through all interceptors, and then on to `last`. */
export function through<C>(
  interceptors: readonly ((call: C, next: (call: C) => unknown) => unknown)[],
  call: C,
  last: (call: C) => unknown,
): unknown {
  return interceptors.reduceRight<(call: C) => unknown>((next, each) => (passed) => each(passed, next), last)(call)
}

/** Asks all of them in turn. Settles, or returns, without a word when the call may be served; else with `DENIED`. */
export function authorized(
  asked: readonly Authorize[],
  context: CallContext,
  method: CalledMethod,
): undefined | Promise<undefined> {
  const denied = (cause?: unknown): never => {
    throw new BusbarError('DENIED', `${method.path} is not for ${context.caller.partition}`, { cause })
  }
  const allow = (said: boolean, at: number): undefined | Promise<undefined> => (said === true ? ask(at + 1) : denied())
  const ask = (at: number): undefined | Promise<undefined> => {
    const each = asked[at]
    if (each === undefined) return undefined
    let said: boolean | Promise<boolean>
    try {
      said = each(context, method)
    } catch (thrown) {
      return denied(thrown)
    }
    return typeof said === 'boolean' ? allow(said, at) : Promise.resolve(said).then((yes) => allow(yes, at), denied)
  }
  return ask(0)
}

/** What an interceptor made of a call that gives a stream: that, or one that is still to come. */
export function streamFrom(made: unknown): Stream<unknown> {
  if (isStream(made)) return made
  const stream = Promise.resolve(made).then((settled) => {
    if (isStream(settled)) return settled
    throw new BusbarError('BAD_VALUE', 'an interceptor gave something that is no stream')
  })
  // Whoever reads is told.
  stream.catch(() => {})
  const later: Stream<unknown> = {
    [Symbol.asyncIterator]: () => later,
    next: async () => (await stream).next(),
    return: async () => (await stream).return(),
    async [Symbol.asyncDispose]() {
      await (await stream)[Symbol.asyncDispose]()
    },
  }
  return later
}

function isStream(value: unknown): value is Stream<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value
}
