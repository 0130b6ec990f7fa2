import type { FieldNode, ScalarKind, TypeNode } from '../rpc/index.ts'

/** A value of a type as JSON has it, short, for a person to copy and change. */
export function exampleOf(node: TypeNode): unknown {
  switch (node.kind) {
    case 'bool':
      return true
    case 'string':
    case 'text':
      return 'text'
    case 'char':
    case 'wchar':
      return 'a'
    case 'bytes':
    case 'octets':
      return 'AQID'
    case 'json':
      return { any: 'JSON' }
    case 'date':
      return '2026-01-31T12:00:00Z'
    case 'guid':
      return '5b1c1f0e-8a77-4f37-9a3d-2f5f4f6d1c01'
    case 'int64':
    case 'uint64':
      return '1'
    case 'float32':
    case 'float64':
      return 1.5
    case 'enumeration':
      return node.names[0]
    case 'struct':
      return exampleFields(node.fields)
    case 'array':
    case 'sequence':
      return [exampleOf(node.item)]
    case 'map': {
      const [key, value] = [exampleOf(node.key), exampleOf(node.value)]
      return typeof key === 'string' ? { [key]: value } : [[key, value]]
    }
    case 'variant': {
      const [first] = node.cases
      return { [node.tag]: first?.name, ...exampleFields(first?.fields ?? []) }
    }
    case 'union': {
      const [first] = node.arms
      return { case: first?.label, value: exampleOf(first?.type ?? { kind: 'void' }) }
    }
    case 'optional':
      return exampleOf(node.item)
    case 'pointer':
    case 'box':
      return exampleOf(node.to)
    case 'void':
    case 'ref':
    case 'stream':
    case 'handle':
    case 'out':
      return null
    default: {
      const [least, most] = rangeOf(node)
      return Math.min(most, Math.max(least, 1))
    }
  }
}

/** The arguments of a method, those that may be left out left out. */
export function exampleFields(fields: readonly FieldNode[]): Record<string, unknown> {
  const needed = fields.filter(({ type }) => type.kind !== 'optional')
  return Object.fromEntries(needed.map(({ name, type }) => [name, exampleOf(type)]))
}

interface Ranged {
  readonly kind: ScalarKind
  readonly range?: readonly [least: number, most: number]
}

/** The least and the greatest value of an integer type that a number holds. */
export function rangeOf({ kind, range }: Ranged): readonly [least: number, most: number] {
  if (range !== undefined) return range
  const [, unsigned, bits] = /^(u?)int(\d+)$/.exec(kind) ?? ['', 'u', '32']
  if (bits === '53') return [0, Number.MAX_SAFE_INTEGER]
  return unsigned === 'u' ? [0, 2 ** Number(bits) - 1] : [-(2 ** (Number(bits) - 1)), 2 ** (Number(bits) - 1) - 1]
}
