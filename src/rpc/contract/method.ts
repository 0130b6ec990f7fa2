import type { Fields, Type } from './type.ts'

export interface MethodOptions {
  /** Calling it twice does what calling it once does: a broken call may be repeated. */
  readonly idempotent?: boolean
  /**
   * Its number among the methods of the contract, from 0, where those in front of it are left out; those behind it follow. It is
   * the opnum of plain calls; calls on objects add the three of IUnknown.
   */
  readonly opnum?: number
}

/** A method of a contract: what goes in, what comes back. */
export interface Method<Args extends Fields = Fields, Result extends Type = Type> {
  readonly args: Args
  readonly result: Result
  readonly options: MethodOptions
}

export type AnyMethod = Method<Fields, Type>

/** Declares a method. Arguments travel in the order they are written. Checked when it enters a contract. */
export function method<const Args extends Fields, Result extends Type>(
  args: Args,
  result: Result,
  options: MethodOptions = {},
): Method<Args, Result> {
  return Object.freeze({ args, result, options })
}
