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
      if (!Array.isArray(value)) throw misfit(path, 'a list')
      return value.map((item, i) => fromJson(node.item, item, `${path}[${i}]`))
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
      return (value as unknown[]).map((item) => plain(node.item, item))
    case 'optional':
      return plain(node.item, value)
    case 'struct':
      return Object.fromEntries(
        node.fields.map(({ name, type }) => [name, plain(type, (value as Record<string, unknown>)[name])]),
      )
    case 'ref':
      return { object: node.contract().name }
    default:
      return value
  }
}

function misfit(path: string, expected: string): BusbarError {
  return new BusbarError('BAD_VALUE', `${path}: expected ${expected}`, { stage: 'arguments' })
}
