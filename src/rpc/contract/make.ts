import { refuse } from './names.ts'
import type { ScalarKind, Type, TypeNode } from './type.ts'

/** Builds a type; the phantom that the compiler reads never exists. */
export function make<T extends Type>(node: TypeNode, wire: string, more: object = {}): T {
  return Object.freeze({ node: Object.freeze(node), wire, ...more }) as unknown as T
}

export function scalar<T>(kind: ScalarKind, wire: string): Type<T> {
  return make({ kind }, wire)
}

/** A type for a node of which nothing more is known. */
export function typeOf(node: TypeNode): Type {
  return make(node, '')
}

/** The node of a type, or a clear refusal for what is none. */
export function nodeOf(type: Type, where: string): TypeNode {
  const node = (type as Type | undefined)?.node
  if (node === undefined) refuse(`${where}: expected a type like t.string, found ${typeof type}`)
  return node
}
