import { BusbarError, escapeJson } from '../errors/index.ts'
import { typeText } from '../idl/index.ts'
import { closestName } from '../policy/index.ts'
import type { TypeNode } from '../rpc/index.ts'
import { exampleOf, rangeOf } from './example-values.ts'

/**
 * A value of a contract's type from JSON: dates as ISO text, bytes as base64, 64-bit integers as text or numbers. `BAD_VALUE`
 * says which part does not fit, what it is and what is wanted.
 */
function fromJson(node: TypeNode, value: unknown, path: string): unknown {
  if (value === undefined && node.kind !== 'optional') throw new ArgumentError(path, `is missing: ${wanted(node)}`)
  switch (node.kind) {
    case 'date': {
      const date = typeof value === 'string' || typeof value === 'number' ? new Date(value) : undefined
      if (date === undefined || Number.isNaN(date.getTime())) throw misfit(path, node, value)
      return date
    }
    case 'bytes':
    case 'octets': {
      if (typeof value !== 'string' || !isBase64(value)) throw misfit(path, node, value)
      return Uint8Array.from(Buffer.from(value, 'base64'))
    }
    case 'int64':
    case 'uint64': {
      const text = typeof value === 'number' && Number.isSafeInteger(value) ? `${value}` : value
      if (typeof text !== 'string' || !/^-?\d{1,20}$/.test(text)) throw misfit(path, node, value)
      const integer = BigInt(text)
      const bits = node.kind === 'int64' ? BigInt.asIntN(64, integer) : BigInt.asUintN(64, integer)
      if (bits !== integer) throw misfit(path, node, value)
      return integer
    }
    case 'int8':
    case 'int16':
    case 'int32':
    case 'uint8':
    case 'uint16':
    case 'uint32':
    case 'uint53':
    case 'status': {
      const [least, most] = rangeOf(node)
      if (!(Number.isInteger(value) && Number(value) >= least && Number(value) <= most)) throw misfit(path, node, value)
      return value
    }
    case 'float32':
    case 'float64':
      if (typeof value !== 'number') throw misfit(path, node, value)
      return value
    case 'bool':
      if (typeof value !== 'boolean') throw misfit(path, node, value)
      return value
    case 'string':
    case 'text':
      if (typeof value !== 'string') throw misfit(path, node, value)
      return value
    case 'guid':
      if (typeof value !== 'string' || !GUID.test(value)) throw misfit(path, node, value)
      return value
    case 'enumeration':
      if (typeof value !== 'string' || !node.names.includes(value))
        throw misfit(path, node, value, near(value, node.names))
      return value
    case 'array':
    case 'sequence':
      if (!Array.isArray(value)) throw misfit(path, node, value)
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
      const names = node.cases.map(({ name }) => name)
      const chosen = node.cases.find(({ name }) => name === given)
      if (chosen === undefined) {
        throw new ArgumentError(
          `${path}.${node.tag}`,
          `${found(given)}, expected one of ${names.join(', ')}`,
          near(given, names),
        )
      }
      const { [node.tag]: _, ...members } = value as Record<string, unknown>
      return { [node.tag]: given, ...fieldsFromJson(chosen.fields, members, path) }
    }
    case 'union': {
      const { case: label, value: inner } = Object(value) as { case?: unknown; value?: unknown }
      const type = armOf(node, label)
      if (type === undefined) throw misfit(path, node, value)
      return { case: label, value: type.kind === 'void' ? undefined : fromJson(type, inner, `${path}.value`) }
    }
    case 'pointer':
      return fromJson(node.to, value, path)
    case 'box':
      return value === null ? undefined : { value: fromJson(node.to, value, path) }
    case 'optional':
      return value === null || value === undefined ? undefined : fromJson(node.item, value, path)
    case 'struct':
      return fieldsFromJson(node.fields, value, path)
    case 'ref':
      throw new ArgumentError(path, `an object ${node.contract().name} cannot be given on a command line`)
    default:
      return value
  }
}

const GUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i

/** Whether it is base64 as we print it; Node drops what is not. */
function isBase64(text: string): boolean {
  return /^[A-Za-z0-9+/_-]*={0,2}$/.test(text) && text.replace(/=+$/, '').length % 4 !== 1
}

/** Where an argument does not fit, for a person: what is there, what is wanted, and perhaps what was meant. */
class ArgumentError extends BusbarError {
  constructor(path: string, what: string, hint?: string) {
    const place = path === '' ? '' : `argument ${path}: `
    super('BAD_VALUE', `${place}${what}`, { stage: 'arguments', hints: hint === undefined ? [] : [hint] })
  }
}

/** The arguments of a method (`path` is empty), or the members of a struct. Names that the contract does not have are refused here. */
export function fieldsFromJson(
  fields: readonly { readonly name: string; readonly type: TypeNode }[],
  value: unknown,
  path: string,
): Record<string, unknown> {
  const names = fields.map(({ name }) => name)
  const known = names.length === 0 ? 'nothing in it' : names.join(', ')
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ArgumentError(path, `${found(value)}, expected an object with ${known}`)
  }
  const given = value as Record<string, unknown>
  const inside = (name: string): string => (path === '' ? name : `${path}.${name}`)
  for (const name of Object.keys(given)) {
    if (names.includes(name)) continue
    const what = names.length === 0 ? 'there are none' : `there are ${known}`
    throw new ArgumentError(inside(name), `is not known; ${what}`, near(name, names))
  }
  const members = fields.filter(({ name, type }) => type.kind !== 'optional' || Object.hasOwn(given, name))
  const own = (name: string): unknown => (Object.hasOwn(given, name) ? given[name] : undefined)
  return Object.fromEntries(members.map(({ name, type }) => [name, fromJson(type, own(name), inside(name))]))
}

/** A result as JSON text, safe to print: the same forms. A reference to an object is named, since it cannot be printed. */
export function toJson(node: TypeNode, value: unknown): string {
  return escapeJson(JSON.stringify(plain(node, value)) ?? 'null')
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
      return plain(node.to, value)
    case 'box':
      return plain(node.to, (value as { readonly value: unknown }).value)
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
    throw misfit(path, node, value)
  }
  return pairs
}

function isText({ kind }: TypeNode): boolean {
  return kind === 'string' || kind === 'enumeration' || kind === 'guid'
}

function armOf(node: Extract<TypeNode, { kind: 'union' }>, label: unknown): TypeNode | undefined {
  return node.arms.find((arm) => arm.label === label)?.type ?? node.fallback
}

function misfit(path: string, node: TypeNode, value: unknown, hint?: string): ArgumentError {
  return new ArgumentError(path, `${found(value)}, ${wanted(node)}`, hint)
}

/** How much of a wrong value is repeated, UTF-16 units. */
const SHOWN = 40

function found(value: unknown): string {
  if (value === undefined) return 'found nothing'
  const text = JSON.stringify(value)
  return `found ${text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text}`
}

/** What is expected for a type, with what it looks like in JSON. */
function wanted(node: TypeNode): string {
  return `expected ${typeText(node)}, for example ${JSON.stringify(exampleOf(node))}`
}

function near(given: unknown, names: readonly string[]): string | undefined {
  const close = typeof given === 'string' ? closestName(given, names) : undefined
  return close === undefined ? undefined : `did you mean ${JSON.stringify(close)}?`
}
