import { MAX_DEPTH, MAX_FIELDS } from './limits.ts'
import { refuse } from './names.ts'
import type { ArrayShape, FieldNode, TypeNode } from './type.ts'

/** Where a type stands: what may stand there differs. */
interface Place {
  readonly in: 'argument' | 'result' | 'inside'
  /** References may be in it. */
  readonly refs: boolean
  /** It may end in a conformant array: nothing follows it in the same construct. */
  readonly open: boolean
  readonly depth: number
}

/** Refuses, with `INVALID_ARGUMENT`, a method's types that the wire cannot carry or that nest too deep. */
export function checkMethod(args: readonly FieldNode[], result: TypeNode, where: string): void {
  const out = result.kind === 'out' ? outFields(result) : []
  for (const { name, type } of args) {
    checkNode(type, `${where}, argument "${name}"`, { in: 'argument', refs: true, open: true, depth: 1 })
  }
  checkNode(result, `${where}, result`, { in: 'result', refs: true, open: true, depth: 1 })
  checkCounts(args, out, `${where}, arguments`)
  checkCounts(out, args, `${where}, result`)
  if (result.kind !== 'out') checkCounts([{ name: '', type: result }], args, `${where}, result`)
}

function outFields(node: Extract<TypeNode, { kind: 'out' }>): readonly FieldNode[] {
  return node.returns === undefined ? node.fields : [...node.fields, { name: 'result', type: node.returns }]
}

function checkNode(node: TypeNode, where: string, place: Place): void {
  if (place.depth > MAX_DEPTH) refuse(`${where}: types nest deeper than ${MAX_DEPTH}`)
  const inside: Place = { in: 'inside', refs: place.refs, open: false, depth: place.depth + 1 }
  const target: Place = { ...inside, open: true }
  switch (node.kind) {
    case 'void':
      if (place.in !== 'result') refuse(`${where}: t.void can only be the result of a method`)
      return
    case 'ref':
      if (!place.refs) refuse(`${where}: a reference cannot travel there (no key of a map, nothing of t.idl)`)
      return
    case 'stream':
      if (place.in === 'inside' || !place.refs) {
        refuse(`${where}: t.stream can only be the whole result of a method, or a whole argument`)
      }
      return checkNode(node.item, `${where}, item`, inside)
    case 'out':
      if (place.in !== 'result') refuse(`${where}: t.idl.out can only be the whole result of a method`)
      for (const { name, type } of outFields(node)) {
        checkNode(type, `${where}.${name}`, { ...target, in: 'argument', refs: false })
      }
      return
    case 'optional':
      if (['optional', 'pointer', 'box'].includes(node.item.kind)) {
        refuse(`${where}: t.optional inside t.optional, or of another pointer; t.idl.box is a pointer to a pointer`)
      }
      return checkNode(node.item, where, target)
    case 'pointer':
    case 'box':
      return checkNode(node.to, where, { ...target, refs: false })
    case 'array':
      return checkNode(node.item, `${where}, item`, inside)
    case 'map':
      checkNode(node.key, `${where}, key`, { ...inside, refs: false })
      return checkNode(node.value, `${where}, value`, inside)
    case 'struct':
      return checkFields(node.fields, where, { ...inside, open: place.open })
    case 'variant':
      for (const { name, fields } of node.cases) {
        checkFields(fields, `${where}, case ${name}`, inside)
      }
      return
    case 'union':
      for (const { label, type } of node.arms) checkArm(type, `${where}, case ${label}`, inside)
      if (node.fallback !== undefined) checkArm(node.fallback, `${where}, fallback`, inside)
      return
    case 'sequence':
      checkShape(node.shape, where, place)
      checkNode(node.item, `${where}, item`, { ...inside, refs: false })
      if (countsOf(node.item).length > 0) refuse(`${where}, item: the counts of an array in an array have no siblings`)
      return
    case 'octets':
    case 'text':
      return checkShape(node.shape, where, place)
    default:
      return
  }
}

function checkFields(fields: readonly FieldNode[], where: string, place: Place): void {
  if (fields.length > MAX_FIELDS) refuse(`${where}: at most ${MAX_FIELDS} fields are allowed`)
  for (const [i, { name, type }] of fields.entries()) {
    checkNode(type, `${where}.${name}`, { ...place, open: place.open && i === fields.length - 1 })
  }
  checkCounts(fields, undefined, where)
}

function checkArm(type: TypeNode, where: string, place: Place): void {
  if (type.kind !== 'void') checkNode(type, where, { ...place, refs: false })
}

function checkShape({ form }: ArrayShape, where: string, place: Place): void {
  if (place.open || form === 'fixed' || form === 'varying') return
  refuse(`${where}: a conformant array is a parameter, the last member of a struct, or behind a pointer`)
}

/** A sibling that something about a type names. */
interface Named {
  readonly sibling: string
  /** Whether it may be an enumeration: a discriminant, not a count. */
  readonly discriminant: boolean
}

/** What a type says about its siblings: through pointers and arms, not into structs, which have siblings of their own. */
function countsOf(node: TypeNode): Named[] {
  switch (node.kind) {
    case 'optional':
      return countsOf(node.item)
    case 'pointer':
    case 'box':
      return countsOf(node.to)
    case 'union': {
      const arms = [...node.arms.map(({ type }) => type), ...(node.fallback === undefined ? [] : [node.fallback])]
      const named = arms.flatMap(countsOf)
      return node.switchIs === undefined ? named : [{ sibling: node.switchIs, discriminant: true }, ...named]
    }
    case 'sequence':
    case 'octets':
    case 'text': {
      const { shape } = node
      const counts = ['sizeIs' in shape ? shape.sizeIs : undefined, 'lengthIs' in shape ? shape.lengthIs : undefined]
      return counts.flatMap((count) =>
        typeof count !== 'object' ? [] : [{ sibling: count.name, discriminant: false }],
      )
    }
    default:
      return []
  }
}

/** `others` are the parameters of the other direction. */
function checkCounts(fields: readonly FieldNode[], others: readonly FieldNode[] | undefined, where: string): void {
  for (const { name, type } of fields) {
    for (const { sibling, discriminant } of countsOf(type)) {
      const found = fields.find((field) => field.name === sibling) ?? others?.find((field) => field.name === sibling)
      if (found === undefined)
        refuse(`${where}: "${name}" takes its size or case from "${sibling}", which is not there`)
      if (!isCount(found.type, discriminant)) refuse(`${where}: "${sibling}", of which "${name}" speaks, is no integer`)
    }
  }
}

function isCount(node: TypeNode, discriminant: boolean): boolean {
  switch (node.kind) {
    case 'optional':
      return isCount(node.item, discriminant)
    case 'pointer':
      return isCount(node.to, discriminant)
    case 'enumeration':
      return discriminant
    default:
      return /^u?int(8|16|32|53)$/.test(node.kind)
  }
}
