import { BusbarError } from '../errors/index.ts'
import type { TypeNode } from '../rpc/index.ts'

/**
 * A value of a contract's type from JSON: dates as ISO text, bytes as base64, 64-bit integers as text or numbers. What the
 * type does not explain passes unchanged: the marshaller checks it and says what is wrong.
 */
function fromJson(node: TypeNode, value: unknown, path: string): unknown {
  switch (node.kind) {
    case 'date': {
      const date = typeof value === 'string' || typeof value === 'number' ? new Date(value) : undefined
      if (date === undefined || Number.isNaN(date.getTime()))
        throw misfit(path, 'a date such as "2026-01-31T12:00:00Z"')
      return date
    }
    case 'bytes':
    case 'octets':
      if (typeof value !== 'string') throw misfit(path, 'bytes as base64 text')
      return Uint8Array.from(Buffer.from(value, 'base64'))
    case 'int64':
    case 'uint64':
      if (typeof value !== 'string' && typeof value !== 'number') throw misfit(path, 'an integer')
      try {
        return BigInt(value)
      } catch {
        throw misfit(path, 'an integer')
      }
    case 'array':
    case 'sequence':
      if (!Array.isArray(value)) throw misfit(path, 'a list')
      return value.map((item, i) => fromJson(node.item, item, `${path}[${i}]`))
    case 'map':
      return new Map(
        entriesOf(node, value, path).map(([key, item]) => [
          fromJson(node.key, key, `${path} key`),
          fromJson(node.value, item, `${path}.${String(key)}`),
        ]),
      )
    case 'variant': {
      const given: unknown =
        typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[node.tag] : undefined
      const chosen = node.cases.find(({ name }) => name === given)
      if (chosen === undefined)
        throw misfit(`${path}.${node.tag}`, `one of ${node.cases.map(({ name }) => name).join(', ')}`)
      const { [node.tag]: _, ...members } = value as Record<string, unknown>
      return { [node.tag]: given, ...fieldsFromJson(chosen.fields, members, path) }
    }
    case 'union': {
      const { case: label, value: inner } = Object(value) as { case?: unknown; value?: unknown }
      const type = armOf(node, label)
      if (type === undefined) throw misfit(path, '{ "case": ..., "value": ... } of the union')
      return { case: label, value: fromJson(type, inner, `${path}.value`) }
    }
    case 'pointer':
    case 'box':
      return fromJson(node.to, value, path)
    case 'optional':
      return value === null || value === undefined ? undefined : fromJson(node.item, value, path)
    case 'struct':
      return fieldsFromJson(node.fields, value, path)
    default:
      return value
  }
}

/** The arguments of a method, or the members of a struct. Names that the contract does not have are refused here. */
export function fieldsFromJson(
  fields: readonly { readonly name: string; readonly type: TypeNode }[],
  value: unknown,
  path: string,
): Record<string, unknown> {
  const names = fields.map(({ name }) => name)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw misfit(path, `an object with ${names.length === 0 ? 'nothing in it' : names.join(', ')}`)
  }
  const given = value as Record<string, unknown>
  for (const name of Object.keys(given)) {
    if (!names.includes(name)) throw misfit(`${path}.${name}`, `one of ${names.join(', ')}`)
  }
  const known = fields.filter(({ name, type }) => type.kind !== 'optional' || Object.hasOwn(given, name))
  return Object.fromEntries(known.map(({ name, type }) => [name, fromJson(type, given[name], `${path}.${name}`)]))
}

/** A result as JSON text: the same forms. A reference to an object is named, since it cannot be printed. */
export function toJson(node: TypeNode, value: unknown): string {
  return JSON.stringify(plain(node, value)) ?? 'null'
}

function plain(node: TypeNode, value: unknown): unknown {
  if (value === undefined) return null
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (typeof value === 'bigint') return value.toString()
  switch (node.kind) {
    case 'array':
    case 'sequence':
      return (value as unknown[]).map((item) => plain(node.item, item))
    case 'optional':
      return plain(node.item, value)
    case 'struct':
      return Object.fromEntries(
        node.fields.map(({ name, type }) => [name, plain(type, (value as Record<string, unknown>)[name])]),
      )
    case 'map': {
      const entries = [...(value as Map<unknown, unknown>)].map(([key, item]) => [
        plain(node.key, key),
        plain(node.value, item),
      ])
      return isText(node.key) ? Object.fromEntries(entries) : entries
    }
    case 'variant': {
      const given = value as Record<string, unknown>
      const fields = node.cases.find(({ name }) => name === given[node.tag])?.fields ?? []
      const members = fields.map(({ name, type }) => [name, plain(type, given[name])])
      return Object.fromEntries([[node.tag, given[node.tag]], ...members])
    }
    case 'union': {
      const { case: label, value: inner } = value as { case: unknown; value: unknown }
      return { case: label, value: plain(armOf(node, label) ?? { kind: 'void' }, inner) }
    }
    case 'pointer':
    case 'box':
      return plain(node.to, value)
    case 'out': {
      const given = value as Record<string, unknown>
      const results = node.returns === undefined ? [] : [{ name: 'result', type: node.returns }]
      return Object.fromEntries([...node.fields, ...results].map(({ name, type }) => [name, plain(type, given[name])]))
    }
    case 'ref':
      return { object: node.contract().name }
    default:
      return value
  }
}

/** The entries of a map: an object where the keys are texts, else a list of pairs. */
function entriesOf(node: Extract<TypeNode, { kind: 'map' }>, value: unknown, path: string): [unknown, unknown][] {
  if (isText(node.key) && typeof value === 'object' && value !== null && !Array.isArray(value))
    return Object.entries(value)
  const pairs: unknown[] = Array.isArray(value) ? value : [undefined]
  if (!pairs.every((pair): pair is [unknown, unknown] => Array.isArray(pair) && pair.length === 2)) {
    throw misfit(path, isText(node.key) ? 'an object, or a list of [key, value]' : 'a list of [key, value]')
  }
  return pairs
}

function isText({ kind }: TypeNode): boolean {
  return kind === 'string' || kind === 'enumeration' || kind === 'guid'
}

function armOf(node: Extract<TypeNode, { kind: 'union' }>, label: unknown): TypeNode | undefined {
  return node.arms.find((arm) => arm.label === label)?.type ?? node.fallback
}

function misfit(path: string, expected: string): BusbarError {
  return new BusbarError('BAD_VALUE', `${path}: expected ${expected}`, { stage: 'arguments' })
}
