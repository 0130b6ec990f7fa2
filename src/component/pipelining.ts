import { BusbarError } from '../errors/index.ts'
import { type CallOptions, type Contract, FaultError, type RpcReply } from '../rpc/index.ts'
import { Coming } from './coming.ts'
import type { Consumer } from './consumer.ts'
import type { Guard } from './guard.ts'
import type { Held, Via } from './held.ts'
import type { CallInterceptor } from './hooks.ts'
import { intercepted } from './intercepted.ts'
import { type Operation, referenceOf } from './interface.ts'
import type { CallFront } from './orpc.ts'
import { heldOf, type Invoke } from './proxy.ts'
import { referencesIn } from './references.ts'
import { comingOf, type Outcome, type PromiseMaker, promiseMaker } from './remote-promise.ts'
import type { Requests } from './requests.ts'

/** A call that is ready and waits for its object. */
export interface LaterCall {
  readonly guard: Guard | undefined
  /** Its options, with what is left of its time, for a call in its place: that one watches itself, and the guard is over. */
  left(): CallOptions
  /** Makes the call, with which the guard is over. */
  make(held: Held): Promise<unknown>
}

/** Makes the call that opens a stream, by `send`; `late` takes an answer that nobody waits for any more. */
export type StreamTarget = (
  send: (held: Held) => Promise<RpcReply>,
  late: (reply: RpcReply) => void,
) => Promise<RpcReply>

/** Who makes the calls: the calling side of an association. */
export interface PipelinedCalls extends Via {
  call(held: Held, operation: Operation, args: unknown, options: CallOptions | undefined): Promise<unknown>
  /** Throws what is wrong with the arguments or the options. */
  later(operation: Operation, args: unknown, options: CallOptions | undefined): LaterCall
  streamOf(
    on: StreamTarget,
    operation: Operation,
    pull: Contract,
    args: unknown,
    options: CallOptions | undefined,
    refused?: BusbarError,
  ): Consumer
}

/** What a request has besides its arguments at most, `bytes`: its header, ORPCTHIS, and extents, of which a long chain of callers is the largest. */
const FRONT_BYTES = 4_096

/**
 * Calls on references that are not there yet. Such a call leaves at once, under the name of the call that gives the reference, if the peer
 * knows such names and if nothing can change the order: both must leave at once and whole. Every other waits for the reference
 * on this side, and then all later ones on that reference wait behind it.
 */
export class Pipelining {
  readonly #calls: PipelinedCalls
  readonly #requests: Requests
  readonly #front: CallFront
  readonly #makers = new Map<string, PromiseMaker>()
  readonly #invoke: Invoke<Coming>

  constructor(calls: PipelinedCalls, requests: Requests, front: CallFront, intercept: readonly CallInterceptor[]) {
    this.#calls = calls
    this.#requests = requests
    this.#front = front
    const invoke: Invoke<Coming> = (coming, operation, args, options) => this.#on(coming, operation, args, options)
    this.#invoke = intercept.length === 0 ? invoke : this.promising(intercepted(intercept, invoke))
  }

  /** Makes a call whose whole result is a reference to an object of `given`. */
  promise(operation: Operation, given: Contract, call: (outcome: Outcome) => void): Promise<unknown> {
    const requests = this.#requests
    const coming = new Coming(given)
    const watched = requests.watch()
    const promise = this.#maker(given).make(coming, call)
    if (requests.pipelined && requests.left(watched, operation)) {
      coming.number = this.#front.number
      requests.expect(given)
    }
    return promise
  }

  /** The same calls, all of which give promises that can be called through where their result is a reference, whatever stands around them. */
  promising<On extends Held | Coming>(invoke: Invoke<On>): Invoke<On> {
    return (on, operation, args, options) => {
      const made = invoke(on, operation, args, options)
      const given = referenceOf(operation)
      if (given === undefined || comingOf(made) !== undefined) return made
      return this.#maker(given).make(new Coming(given), (outcome) => settle(Promise.resolve(made), outcome))
    }
  }

  #maker(given: Contract): PromiseMaker {
    let maker = this.#makers.get(given.uuid)
    if (maker === undefined) this.#makers.set(given.uuid, (maker = promiseMaker(given, this.#invoke)))
    return maker
  }

  #on(coming: Coming, operation: Operation, args: unknown, options: CallOptions | undefined): unknown {
    const { pull } = operation
    if (pull !== undefined) return this.#stream(coming, operation, pull, args, options)
    const given = referenceOf(operation)
    if (given === undefined) {
      return new Promise((resolve, reject) => this.#call(coming, operation, args, options, { resolve, reject }))
    }
    return this.promise(operation, given, (outcome) => this.#call(coming, operation, args, options, outcome))
  }

  #call(coming: Coming, operation: Operation, args: unknown, options: CallOptions | undefined, outcome: Outcome): void {
    try {
      coming.check(operation.path)
      if (coming.state === 'arrived' && coming.waiting === 0) {
        const left = (): CallOptions | undefined => options
        const made = this.#there(coming.value, operation, args, left, (held) =>
          this.#calls.call(held, operation, args, options),
        )
        return settle(made, outcome)
      }
      const ahead = this.#ahead(coming, operation, args)
      if (ahead === undefined) return settle(this.#wait(coming, operation, args, options), outcome)
      follow(
        coming,
        this.#calls.call(ahead, operation, args, options),
        async () => this.#wait(coming, operation, args, options),
        (value) => giveUp(operation, value),
        outcome,
      )
    } catch (thrown) {
      settle(Promise.reject(BusbarError.from(thrown)), outcome)
    }
  }

  /** What a call goes through that does not wait for its reference; `undefined` when it has to. */
  #ahead(coming: Coming, { request }: Operation, args: unknown): Held | undefined {
    const { number, state, waiting } = coming
    if (number === undefined || state !== 'coming' || waiting > 0) return undefined
    const size = FRONT_BYTES + request.measure(args === undefined ? {} : args)
    return this.#requests.leaves(coming.interface, size) ? coming.standIn(this.#calls, number) : undefined
  }

  /** Waits for the reference, and then makes the call. Those that wait go in the order in which they were made. */
  #wait(coming: Coming, operation: Operation, args: unknown, options: CallOptions | undefined): Promise<unknown> {
    const later = this.#calls.later(operation, args, options)
    return this.#when(coming, later.guard, (value) =>
      this.#there(
        value,
        operation,
        args,
        () => later.left(),
        (held) => later.make(held),
      ),
    )
  }

  /** What `then` makes of what came, right when it is there; nothing when the guard fires first. */
  #when<T>(coming: Coming, guard: Guard | undefined, then: (value: unknown) => T | Promise<T>): Promise<T> {
    coming.waiting++
    const signal = guard?.signal
    return new Promise((resolve, reject) => {
      const fired = (): void => reject(BusbarError.from(signal?.reason))
      signal?.addEventListener('abort', fired, { once: true })
      if (signal?.aborted === true) fired()
      coming.promise.then(
        (value) => {
          coming.waiting--
          signal?.removeEventListener('abort', fired)
          if (signal?.aborted === true) return
          try {
            resolve(then(value))
          } catch (thrown) {
            guard?.end()
            reject(BusbarError.from(thrown))
          }
        },
        (thrown: unknown) => {
          coming.waiting--
          guard?.end()
          reject(thrown)
        },
      )
    })
  }

  /** A call on what came: `make` makes it on an object of the peer; every other is called as whoever awaited it would. */
  #there(
    value: unknown,
    operation: Operation,
    args: unknown,
    left: () => CallOptions | undefined,
    make: (held: Held) => Promise<unknown>,
  ): Promise<unknown> {
    const held = heldOf(value)
    if (held?.via === this.#calls) return make(held)
    return Promise.resolve(methodOf(value, operation)(args, left()))
  }

  /** A stream whose object is not there yet. The call is made when somebody reads, as that of every stream. */
  #stream(
    coming: Coming,
    operation: Operation,
    pull: Contract,
    args: unknown,
    options: CallOptions | undefined,
  ): unknown {
    if (coming.state === 'arrived' && coming.waiting === 0 && coming.site === undefined) {
      return methodOf(coming.value, operation)(args, options)
    }
    const target: StreamTarget = (send, late) => {
      const ahead = this.#ahead(coming, operation, args)
      const again = (): Promise<RpcReply> =>
        this.#when(coming, undefined, (value) => send(this.#held(value, operation)))
      if (ahead === undefined) return again()
      return new Promise((resolve, reject) => follow(coming, send(ahead), again, late, { resolve, reject }))
    }
    try {
      coming.check(operation.path)
      return this.#calls.streamOf(target, operation, pull, args, options)
    } catch (thrown) {
      return this.#calls.streamOf(target, operation, pull, args, options, BusbarError.from(thrown))
    }
  }

  #held(value: unknown, { path }: Operation): Held {
    const held = heldOf(value)
    if (held?.via === this.#calls) return held
    throw new BusbarError('UNAVAILABLE', `${path}: what came is no object of the other side; await it, and then read`)
  }
}

/**
 * The outcome of a call that went ahead of its reference, unless the call that was to give that fails: then both fail alike, and
 * `late` takes what comes all the same. A peer that does not know the reference has not made the call: `again` waits for it.
 */
function follow<T>(
  coming: Coming,
  made: Promise<T>,
  again: () => Promise<T>,
  late: (value: T) => void,
  { resolve, reject }: { readonly resolve: (value: T) => void; readonly reject: (reason: unknown) => void },
): void {
  let over = false
  coming.promise.then(undefined, (thrown: unknown) => {
    over = true
    reject(thrown)
  })
  made.then(
    (value) => (over ? late(value) : resolve(value)),
    (thrown: unknown) => {
      if (over) return
      if (isLost(thrown)) again().then(resolve, reject)
      else reject(thrown)
    },
  )
}

function settle(made: Promise<unknown>, { resolve, reject }: Outcome): void {
  made.then(resolve, reject)
}

/** Whether the peer has refused a call because it does not know the object, and so has not made it. */
function isLost(thrown: unknown): boolean {
  return thrown instanceof BusbarError && thrown.code === 'NO_SUCH_OBJECT' && thrown.cause instanceof FaultError
}

/** Lets go of what a call gave that nobody waits for any more. */
function giveUp({ result }: Operation, value: unknown): void {
  if (result !== undefined) for (const each of referencesIn(result, value)) void heldOf(each)?.release()
}

type AnyMethod = (args: unknown, options: CallOptions | undefined) => unknown

/** The method of whatever a call gave; `NO_SUCH_OBJECT` when it gave nothing. */
function methodOf(value: unknown, { name, path }: Operation): AnyMethod {
  const object = value as Record<string, AnyMethod> | null | undefined
  if (object === undefined || object === null) {
    throw new BusbarError('NO_SUCH_OBJECT', `${path}: the call that was to give the object gave none`)
  }
  const method = object[name]
  if (typeof method !== 'function') throw new BusbarError('BAD_VALUE', `${path}: what came has no method of that name`)
  return (args, options) => method.call(object, args, options)
}
