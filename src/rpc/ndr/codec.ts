import type { Reader, Writer } from '../../bytes/index.ts'
import { BusbarError } from '../../errors/index.ts'
import type { Contract } from '../contract/contract.ts'

/**
 * Where references leave and enter: whoever keeps the objects of an association. Marshalling itself knows an object
 * reference only as bytes. What is given or taken by a message that fails halfway is the port's to undo.
 */
export interface RefPort {
  /** The OBJREF for an object of ours that implements `contract`. */
  give(contract: Contract, value: unknown): Uint8Array
  /** The proxy for an OBJREF from the peer. */
  take(contract: Contract, reference: Uint8Array): unknown
}

/** The struct or the parameters around a value: where the counts and discriminants are that it must agree with. */
export type Owner = Readonly<Record<string, unknown>> | undefined

/**
 * How one type is written and read. NDR puts what a pointer points to behind the construct that holds the pointer, so
 * both directions have two steps: the inline part, and later what was deferred.
 */
export interface Codec {
  /** Fewest `bytes` that the inline part takes: what a claimed count is checked against. Never 0. */
  readonly least: number
  /** A value to write where there is none: the results of a call that failed. */
  readonly zero: unknown
  /** Whether a reference may be inside. */
  readonly refs: boolean
  /** At least the `bytes` that `value` takes, padding included; any number when the value does not fit the type. */
  readonly measure: (value: unknown) => number
  /** Writes the inline part; `BAD_VALUE` when the value does not fit. */
  readonly write: (writer: Writer, value: unknown, port: RefPort, owner: Owner) => void
  /** Writes what was deferred; absent when nothing ever is. */
  readonly writeLater: ((writer: Writer, value: unknown, port: RefPort, owner: Owner) => void) | undefined
  /** Reads the inline part: the value, or what `readLater` needs to finish it. */
  readonly read: (reader: Reader, port: RefPort, owner: Owner) => unknown
  readonly readLater: ((reader: Reader, begun: unknown, port: RefPort, owner: Owner) => unknown) | undefined
  /** Throws what `fail` makes unless the value agrees with what its siblings say about it; absent when they say nothing. */
  readonly agree?: ((value: unknown, owner: Owner, fail: Failure) => void) | undefined
  /** Writes into the zero of the struct around it what that must say about this zero; absent when that is nothing. */
  readonly settle?: ((owner: Record<string, unknown>, zero: unknown) => void) | undefined
  /** What a conformant type needs when it ends a structure, which announces its size in front of everything. */
  readonly body?: Body | undefined
}

/** A conformant type without its maximum count. */
export interface Body {
  /** The maximum count to announce for a value. */
  readonly room: (value: unknown, owner: Owner) => number
  readonly write: (writer: Writer, value: unknown, port: RefPort, owner: Owner) => void
  readonly read: (reader: Reader, port: RefPort, owner: Owner, room: number) => unknown
}

/** Makes the error for a place in the contract and what is wrong there. */
export type Failure = (path: string, what: string) => BusbarError

/** Stands for "no reference" where a contract promises one: only a failed call writes it. */
export const NO_REFERENCE: unique symbol = Symbol('no reference')

/** Bytes of a pointer, a count, an offset. Fixed by the protocol (C706, 14.3). */
export const WORD = 4

/** The error for a value that does not fit its type, with its place in the contract. */
export function badValue(path: string, expected: string, found: unknown): BusbarError {
  return new BusbarError('BAD_VALUE', `${path}: expected ${expected}, found ${describe(found)}`)
}

/** The error for a value that contradicts its siblings. */
export function disagrees(path: string, what: string): BusbarError {
  return new BusbarError('BAD_VALUE', `${path}: ${what}`)
}

export function malformed(path: string, found: string): BusbarError {
  return new BusbarError('MALFORMED', `${path}: ${found}`)
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function describe(found: unknown): string {
  switch (typeof found) {
    case 'string':
      return `a string of ${found.length} characters`
    case 'number':
    case 'bigint':
    case 'boolean':
      return `${typeof found} ${String(found)}`
    case 'object':
      return found === null ? 'null' : Array.isArray(found) ? `an array of ${found.length}` : 'an object'
    default:
      return typeof found
  }
}
