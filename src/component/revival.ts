import { BusbarError, type ErrorCode } from '../errors/index.ts'
import type { CallContext, CallOptions, Env } from '../rpc/index.ts'
import { Guards } from './guard.ts'
import type { Held } from './held.ts'
import type { Operation } from './interface.ts'
import type { Invoke } from './proxy.ts'
import { isContext, termsOf } from './terms.ts'

/** How a pipe ends that another one may replace: not by what either side did wrong. */
const REPLACEABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'PEER_DIED',
  'LINK_LOST',
  'RESET',
  'RESCINDED',
  'CLOSED',
  'STALE_EPOCH',
])

/**
 * An activated object whose pipe may be replaced: a call of an idempotent method that the end of its pipe left without an answer is made
 * once more, on an object that is activated anew over another pipe, within the time that the call has. All other
 * calls go to the object that was activated first, and fail when that is gone: what state it had, nobody knows.
 */
export class Revival {
  readonly #env: Env
  readonly #guards: Guards
  readonly #first: Held
  readonly #activate: () => Promise<Held>
  #current: Held
  #reviving: Promise<Held> | undefined

  /** `activate` makes another object of the same class over another pipe, in bounded time. */
  constructor(env: Env, first: Held, activate: () => Promise<Held>) {
    this.#env = env
    this.#guards = new Guards(env)
    this.#first = first
    this.#current = first
    this.#activate = activate
    first.ended = () => {
      if (this.#current !== first) void this.#current.release()
    }
  }

  readonly invoke: Invoke = (held, operation, args, options) => {
    if (!mayRepeat(operation)) return held.via.invoke(held, operation, args, options)
    const on = held.released ? held : this.#current
    const deadline = options?.deadline
    const due = deadline === undefined ? undefined : this.#env.now() + deadline
    const made = on.via.invoke(on, operation, args, options) as Promise<unknown>
    return made.catch(async (thrown: unknown) => {
      if (held.released || !(await diedBefore(on, thrown))) throw thrown
      return this.#repeat(on, operation, args, remaining(options, due, this.#env), thrown)
    })
  }

  async #repeat(
    on: Held,
    operation: Operation,
    args: unknown,
    options: CallOptions,
    thrown: unknown,
  ): Promise<unknown> {
    const guard = this.#guards.of(termsOf(options))
    const due = options.deadline === undefined ? undefined : this.#env.now() + options.deadline
    let next: Held
    try {
      const revived = this.#revived(on)
      next = await (guard === undefined ? revived : guard.until(revived))
    } catch {
      // What happened to the call is that its pipe died, unless its time or its caller ended it.
      throw guard?.signal.aborted === true ? guard.signal.reason : thrown
    } finally {
      guard?.end()
    }
    return next.via.invoke(next, operation, args, remaining(options, due, this.#env))
  }

  /** The object in place of `lost`: one for all calls that lost it. */
  #revived(lost: Held): Promise<Held> {
    if (this.#current !== lost) return Promise.resolve(this.#current)
    if (this.#reviving === undefined) {
      const reviving = this.#activate().then((held) => {
        this.#current = held
        if (this.#first.released) void held.release()
        return held
      })
      const over = (): void => {
        this.#reviving = undefined
      }
      this.#reviving = reviving
      reviving.then(over, over)
    }
    return this.#reviving
  }
}

/** References among the arguments are lent to one object, and a stream is more than one call. */
export function mayRepeat({ options, pull, request }: Operation): boolean {
  return options?.idempotent === true && pull === undefined && !request.refs
}

/** Whether it is the end of the pipe that a call failed with, and not an answer. */
async function diedBefore({ via }: Held, thrown: unknown): Promise<boolean> {
  if (!via.over || !(thrown instanceof BusbarError)) return false
  const { cause } = thrown
  if (!(cause instanceof BusbarError) || !REPLACEABLE.has(cause.code)) return false
  const reason = await via.closed
  return reason === undefined ? cause.code === 'CLOSED' : cause === reason
}

/** The options of a call that was to have its outcome at `due`, with what is left of its time. */
export function remaining(
  options: CallOptions | CallContext | undefined,
  due: number | undefined,
  env: Env,
): CallOptions {
  if (options === undefined) return {}
  if (isContext(options)) return { within: options }
  return due === undefined ? options : { ...options, deadline: Math.max(0, due - env.now()) }
}
