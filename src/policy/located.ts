import { escapePeerText } from '../errors/index.ts'
import type { Position } from './problem.ts'

/** Parsed data that still knows where in the file it stood: what every reader of a configuration gets. */
export type Located = LocatedMapping | LocatedList | LocatedScalar

export interface LocatedScalar {
  readonly kind: 'scalar'
  readonly at: Position
  readonly value: string | number | bigint | boolean | null
  /** As written, without quotes: `0x10` and `1e3` stay what they were. */
  readonly source: string
}

export interface LocatedList {
  readonly kind: 'list'
  readonly at: Position
  readonly items: readonly Located[]
}

export interface LocatedEntry {
  readonly key: string
  readonly keyAt: Position
  readonly value: Located
}

export interface LocatedMapping {
  readonly kind: 'mapping'
  readonly at: Position
  /** In the order of the file; keys are unique. */
  readonly entries: readonly LocatedEntry[]
}

/** What was found, in words, for a message: `the number 5`, `the text "x"`, `a list`. Safe to print. */
export function describeFound(node: Located): string {
  if (node.kind !== 'scalar') return `a ${node.kind}`
  const { value, source } = node
  if (value === null) return 'nothing'
  if (typeof value === 'string') return `the text ${quote(value)}`
  return `the ${typeof value === 'boolean' ? 'truth value' : 'number'} ${escapePeerText(source, 60)}`
}

/** A text from the file in quotes, short and safe to print. */
export function quote(text: string): string {
  return `"${escapePeerText(text, 60)}"`
}
