import type { Authorize, CallInterceptor, Hooks, ObjectLimits, ServeInterceptor } from '../component/index.ts'

/** What holds for all calls of a program, whatever it offers or activates. */
export interface BusOptions {
  /** Stands around each call that a proxy makes. */
  readonly interceptCalls?: CallInterceptor
  /** Stands around each call that is served, callbacks among them. */
  readonly interceptServed?: ServeInterceptor
  /** Decides about each call that is served, callbacks among them. */
  readonly authorize?: Authorize
  /** What one caller may use here. */
  readonly limits?: Partial<ObjectLimits>
}

/** What holds for the components of one service, and for all objects that they give. */
export interface ComponentOfferOptions {
  /** Stands around each call that is served. */
  readonly intercept?: ServeInterceptor
  /** Decides about each call before its arguments are read: no is `DENIED`. */
  readonly authorize?: Authorize
}

/** Those of the program, and inside of them those of one pipe. */
export function hooksOf(bus: BusOptions, pipe: ComponentOfferOptions & { readonly calls?: CallInterceptor }): Hooks {
  return {
    calls: present(bus.interceptCalls, pipe.calls),
    serves: present(bus.interceptServed, pipe.intercept),
    authorize: present(bus.authorize, pipe.authorize),
  }
}

function present<T>(...all: readonly (T | undefined)[]): readonly T[] {
  return all.filter((each): each is T & {} => each !== undefined)
}
