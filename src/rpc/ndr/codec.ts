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

/**
 * How one type is written and read. NDR puts what a pointer points to behind the construct that holds the pointer, so
 * both directions have two steps: the inline part, and later what was deferred.
 */
export interface Codec {
  /** Alignment of the inline part, `bytes`: 1, 2, 4 or 8, counted from the start of the stub. */
  readonly align: number
  /** Fewest `bytes` that the inline part takes: what a claimed count is checked against. Never 0. */
  readonly least: number
  /** A value to write where there is none: the results of a call that failed. */
  readonly zero: unknown
  /** Whether a reference may be inside. */
  readonly refs: boolean
  /** At least the `bytes` that `value` takes, padding included; any number when the value does not fit the type. */
  readonly measure: (value: unknown) => number
  /** Writes the inline part; `BAD_VALUE` when the value does not fit. */
  readonly write: (writer: Writer, value: unknown, port: RefPort) => void
  /** Writes what was deferred; absent when nothing ever is. */
  readonly writeLater: ((writer: Writer, value: unknown, port: RefPort) => void) | undefined
  /** Reads the inline part: the value, or what `readLater` needs to finish it. */
  readonly read: (reader: Reader, port: RefPort) => unknown
  readonly readLater: ((reader: Reader, begun: unknown, port: RefPort) => unknown) | undefined
}

/** Stands for "no reference" where a contract promises one: only a failed call writes it. */
export const NO_REFERENCE: unique symbol = Symbol('no reference')

/** Bytes of a pointer, a count, an offset. Fixed by the protocol (C706, 14.3). */
export const WORD = 4

/** The error for a value that does not fit its type, with its place in the contract. */
export function badValue(path: string, expected: string, found: unknown): BusbarError {
  return new BusbarError('BAD_VALUE', `${path}: expected ${expected}, found ${describe(found)}`)
}

export function malformed(path: string, found: string): BusbarError {
  return new BusbarError('MALFORMED', `${path}: ${found}`)
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
