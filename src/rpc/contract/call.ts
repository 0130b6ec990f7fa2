import type { Contract } from './contract.ts'
import type { AnyMethod } from './method.ts'
import type { Given, GivenFields, RefType, StreamType, Taken, TakenFields } from './type.ts'

/** Who calls, as attested by the bus: which link the bytes came in on, never something the caller says of itself. */
export interface Caller {
  /** Name of the partition. */
  readonly partition: string
  /** Which attachment of that partition it is: a partition that restarts comes back with another number. */
  readonly epoch: number
}

/** One of those who called each other until a call came. */
export interface Hop extends Caller {
  /** Whether the bus of this side says so. What it does not say is what the hop behind it claims: a hint, and no proof. */
  readonly attested: boolean
}

/** What an implementation is told about the call it serves. */
export interface CallContext {
  readonly caller: Caller
  /**
   * Who called whom until this call came, the first one first and `caller` last. Only `caller` is attested; the others, at most 15, are
   * there when each hop made its call `within` the one it served, and as each hop claims.
   */
  readonly chain: readonly Hop[]
  /** W3C `traceparent` that the call came with; `undefined` when there was none. */
  readonly trace: string | undefined
  /**
   * Aborts when the caller cancelled, when the deadline passed or when the pipe died; for a method with a stream result
   * also when the caller left the stream. Made on first use, so a method that does not look pays nothing.
   */
  readonly signal: AbortSignal
  /** Milliseconds left for this call, never below zero; `undefined` when the caller set no deadline. */
  readonly deadline: number | undefined
  /**
   * Promises that nobody looks at the bytes among the arguments (`t.bytes`) any more once this call has its outcome: the memory of long ones is then
   * used for those of the caller's next calls, which spares the garbage collector all of it. Views of it that were kept are empty from then on
   * (`length` 0), so what is to be kept is copied, and what was begun with it, such as writing it to a file, is waited for; what goes to a pipe is
   * copied too, since nobody is told when it has left. Bytes that are arguments of another call may be passed on as they are: their memory is not
   * used again then. Nothing for a method whose result is a stream.
   */
  recycle(): void
}

export interface CallOptions {
  /** Aborting rejects the call with `CANCELLED` at once and tells the component. */
  readonly signal?: AbortSignal | undefined
  /** Milliseconds from now after which the call rejects with `DEADLINE`. Travels with the call. */
  readonly deadline?: number | undefined
  /**
   * The call that is being served, when this one is made for its sake: it gets at most what is left of that call's time, ends when that
   * call is cancelled, and carries on its trace and its chain. A context that stands in place of the options says the same.
   */
  readonly within?: CallContext | undefined
  /** W3C `traceparent` that travels with the call; that of `within` when absent. */
  readonly trace?: string | undefined
}

type CallArgs<M extends AnyMethod> =
  Record<never, never> extends GivenFields<M['args']>
    ? [args?: GivenFields<M['args']>, options?: CallOptions]
    : [args: GivenFields<M['args']>, options?: CallOptions]

/**
 * What a call gives whose result is a reference: a promise of the proxy, on which the methods of the proxy can be called at once. Such
 * a call leaves without waiting for the reference, where both sides can do that, and then `store.open(...).read(...)` takes one round
 * trip; else it waits. It fails as the call does that was to give the reference. Disposing of the promise releases the reference when
 * it is there. A method called `catch` or `finally` can be called on the proxy only.
 */
export type Promised<T> = Promise<T> & Omit<NonNullable<T>, keyof Promise<unknown>>

type CallResult<M extends AnyMethod> =
  M['result'] extends StreamType<unknown, unknown>
    ? Taken<M['result']>
    : M['result'] extends Pick<RefType, 'reference'>
      ? Promised<Taken<M['result']>>
      : Promise<Taken<M['result']>>

/**
 * The proxy of a component: its methods, and nothing else. Disposing of it releases the component.
 * `await using` waits until the other side has let go of it; `using` does not wait.
 */
export type Client<C extends Contract> = {
  readonly [K in keyof C['methods']]: (...call: CallArgs<C['methods'][K]>) => CallResult<C['methods'][K]>
} & Disposable &
  AsyncDisposable

/** What a component has to provide for a contract: one function per method. */
export type Implementation<C extends Contract> = {
  readonly [K in keyof C['methods']]: (
    args: TakenFields<C['methods'][K]['args']>,
    context: CallContext,
  ) => Given<C['methods'][K]['result']> | Promise<Given<C['methods'][K]['result']>>
}
