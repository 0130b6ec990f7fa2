import { MAX_DEPTH, MAX_FIELDS } from './limits.ts'
import { refuse } from './names.ts'
import type { TypeNode } from './type.ts'

/** Where a type stands: what may stand there differs. */
type Place = 'argument' | 'result' | 'inside'

/** Refuses, with `INVALID_ARGUMENT`, a type tree that the wire cannot carry or that nests too deep. */
export function check(node: TypeNode, where: string, place: 'argument' | 'result'): void {
  checkNode(node, where, place, place === 'result', 1)
}

function checkNode(node: TypeNode, where: string, place: Place, carriesRefs: boolean, depth: number): void {
  if (depth > MAX_DEPTH) refuse(`${where}: types nest deeper than ${MAX_DEPTH}`)
  switch (node.kind) {
    case 'void':
      if (place !== 'result') refuse(`${where}: t.void can only be the result of a method`)
      return
    case 'ref':
      if (!carriesRefs) refuse(`${where}: a reference cannot travel in arguments yet, only in results`)
      return
    case 'stream':
      if (place !== 'result') refuse(`${where}: t.stream can only be the whole result of a method`)
      return checkNode(node.item, `${where}, item`, 'inside', carriesRefs, depth + 1)
    case 'optional':
      if (node.item.kind === 'optional') refuse(`${where}: t.optional inside t.optional`)
      return checkNode(node.item, where, 'inside', carriesRefs, depth + 1)
    case 'array':
      return checkNode(node.item, `${where}, item`, 'inside', carriesRefs, depth + 1)
    case 'struct':
      if (node.fields.length > MAX_FIELDS) refuse(`${where}: at most ${MAX_FIELDS} fields are allowed`)
      for (const field of node.fields) checkNode(field.type, `${where}.${field.name}`, 'inside', carriesRefs, depth + 1)
      return
    default:
      return
  }
}
