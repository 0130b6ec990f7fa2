import { BusbarError, escapePeerText } from '../../errors/index.ts'
import { type Contract, contract, type Methods } from './contract.ts'
import { DESCRIPTION_VERSION, describeContract } from './describe.ts'
import {
  MAX_DEPTH,
  MAX_DESCRIBED_CONTRACTS,
  MAX_DESCRIBED_FIXED,
  MAX_DESCRIBED_METHODS,
  MAX_DESCRIBED_TYPES,
} from './limits.ts'
import { type AnyMethod, method } from './method.ts'
import type { Shape } from './shape.ts'
import { t } from './t.ts'
import type { Fields, Type } from './type.ts'

const { idl } = t

/** Kinds of types that their name says all about. */
const NAMED: ReadonlyMap<string, Type> = new Map<string, Type>([
  ...(
    ['void', 'bool', 'int8', 'int16', 'int32', 'uint8', 'uint16', 'uint32', 'uint53', 'int64', 'uint64'] as const
  ).map((kind): [string, Type] => [kind, t[kind]]),
  ...(['float32', 'float64', 'date', 'guid', 'string', 'bytes', 'json'] as const).map((kind): [string, Type] => [
    kind,
    t[kind],
  ]),
  ...(['char', 'wchar', 'status', 'handle'] as const).map((kind): [string, Type] => [kind, idl[kind]]),
])

/**
 * The contracts that a description is of, ready for calls. What it says is a peer's word: it is read within limits, checked
 * as a declaration is, and must be in every part what `describeContracts` would say of the result. `MALFORMED` names the
 * part that is not; `LIMIT` when it is too large; `VERSION` when it is of another form.
 */
export function contractsFrom(description: unknown): Contract[] {
  return new Reading(description).contracts
}

class Reading {
  readonly contracts: Contract[]
  readonly #byUuid = new Map<string, Contract>()
  #types = 0
  #methods = 0
  #fixed = 0

  constructor(description: unknown) {
    const all = record(description, 'description')
    const { schemaVersion } = all
    if (schemaVersion !== DESCRIPTION_VERSION) {
      throw new BusbarError('VERSION', `a description of form ${shown(schemaVersion)}; this side reads 1`, {
        stage: 'description',
      })
    }
    const described = list(all['contracts'], 'contracts', MAX_DESCRIBED_CONTRACTS)
    const known = new Set(
      described.map((one, i) => text(record(one, `contracts[${i}]`)['uuid'], `contracts[${i}].uuid`)),
    )
    if (known.size !== described.length) throw malformed('contracts', 'one UUID for two of them')
    const read = described.map((one, i) => {
      const where = `contracts[${i}]`
      const made = declared(where, () => this.#contract(record(one, where), where, known))
      if (!known.has(made.uuid)) throw malformed(`${where}.uuid`, 'not written as UUIDs are')
      this.#byUuid.set(made.uuid, made)
      return made
    })
    // Only now: they refer to one another.
    for (const [i, made] of read.entries()) {
      const other = difference(describeContract(made), described[i], `contracts[${i}]`)
      if (other !== undefined) throw malformed(other, 'not as it would be described')
    }
    this.contracts = list(all['implements'], 'implements', MAX_DESCRIBED_CONTRACTS).map((uuid, i) => {
      const found = this.#byUuid.get(text(uuid, `implements[${i}]`))
      if (found === undefined) throw malformed(`implements[${i}]`, 'a contract that is not described')
      return found
    })
  }

  #contract(given: Given, where: string, known: ReadonlySet<string>): Contract {
    const methods: [string, AnyMethod][] = []
    const described = list(given['methods'], `${where}.methods`, MAX_DESCRIBED_METHODS)
    this.#methods = within(this.#methods + described.length, MAX_DESCRIBED_METHODS, 'methods')
    let next = 0
    for (const [i, one] of described.entries()) {
      const at = `${where}.methods[${i}]`
      const { name, number, idempotent, args, result } = record(one, at)
      // A number that follows by itself is none of its own.
      const opnum = number === next ? {} : { opnum: number as number }
      next = Number(number) + 1
      const options = { ...opnum, ...(idempotent === true ? { idempotent } : {}) }
      const takes = this.#fields(args, `${at}.args`, known, 1)
      methods.push([text(name, `${at}.name`), method(takes, this.#type(result, `${at}.result`, known, 1), options)])
    }
    const [name, version, uuid] = ['name', 'version', 'uuid'].map((key) => text(given[key], `${where}.${key}`))
    return contract(name ?? '', { version: version ?? '', uuid: uuid ?? '' }, Object.fromEntries(methods) as Methods)
  }

  #fields(value: unknown, where: string, known: ReadonlySet<string>, depth: number): Fields {
    const entries = list(value, where, MAX_DESCRIBED_TYPES).map((one, i): [string, Type] => {
      const { name, type } = record(one, `${where}[${i}]`)
      return [text(name, `${where}[${i}].name`), this.#type(type, `${where}[${i}].type`, known, depth)]
    })
    return Object.fromEntries(entries)
  }

  #type(value: unknown, where: string, known: ReadonlySet<string>, depth: number): Type {
    this.#types = within(this.#types + 1, MAX_DESCRIBED_TYPES, 'types')
    within(depth, MAX_DEPTH + 1, 'types inside one another')
    const plain = typeof value === 'string' ? NAMED.get(value) : undefined
    if (plain !== undefined) return plain
    const given = record(value, where)
    const inner = (key: string): Type => this.#type(given[key], `${where}.${key}`, known, depth + 1)
    const fields = (from: unknown, key: string): Fields => this.#fields(from, `${where}.${key}`, known, depth + 1)
    const kind = text(given['kind'], `${where}.kind`)
    switch (kind) {
      case 'enumeration':
        return this.#enumeration(given, where)
      case 'struct':
        return t.struct(fields(given['fields'], 'fields'))
      case 'array':
        return t.array(inner('item'))
      case 'optional':
        return t.optional(inner('item'))
      case 'stream':
        return t.stream(inner('item'))
      case 'map':
        return t.map(inner('key'), inner('value'))
      case 'variant': {
        const cases = list(given['cases'], `${where}.cases`, MAX_DESCRIBED_TYPES).map((one, i): [string, Fields] => {
          const described = record(one, `${where}.cases[${i}]`)
          return [
            text(described['name'], `${where}.cases[${i}].name`),
            fields(described['fields'], `cases[${i}].fields`),
          ]
        })
        return t.union(text(given['tag'], `${where}.tag`), Object.fromEntries(cases))
      }
      case 'ref': {
        const uuid = text(given['contract'], `${where}.contract`)
        if (!known.has(uuid)) throw malformed(`${where}.contract`, 'a contract that is not described')
        return t.ref(() => this.#byUuid.get(uuid) as Contract)
      }
      case 'sequence':
        return idl.array(inner('item'), this.#shape(given['shape'], where))
      case 'octets':
        return idl.bytes(this.#shape(given['shape'], where))
      case 'text': {
        const make = given['terminated'] === true ? idl.string : idl.text
        return make(given['bits'] as 8, this.#shape(given['shape'], where))
      }
      case 'union': {
        const arms = list(given['arms'], `${where}.arms`, MAX_DESCRIBED_TYPES).map((one, i): [string, Type] => {
          const { label, type } = record(one, `${where}.arms[${i}]`)
          if (typeof label !== 'string' && typeof label !== 'number')
            throw malformed(`${where}.arms[${i}].label`, 'none')
          return [`${label}`, this.#type(type, `${where}.arms[${i}].type`, known, depth + 1)]
        })
        const { switchIs } = given
        return idl.union(inner('tag') as Type<number>, Object.fromEntries(arms), {
          ...(switchIs === undefined ? {} : { switchIs: text(switchIs, `${where}.switchIs`) }),
          ...(given['fallback'] === undefined ? {} : { fallback: inner('fallback') }),
        })
      }
      case 'pointer':
        return idl.ref(inner('to'))
      case 'box':
        return idl.box(inner('to'))
      case 'out': {
        const returns = given['returns'] === undefined ? undefined : inner('returns')
        return idl.out(fields(given['fields'], 'fields'), returns)
      }
      default: {
        const ranged = NAMED.get(kind)
        if (ranged === undefined) throw malformed(where, `a type of kind ${shown(kind)}`)
        const [least, most] = list(given['range'], `${where}.range`, 2)
        return idl.range(ranged as Type<number>, least as number, most as number)
      }
    }
  }

  #enumeration({ names, values, bits }: Given, where: string): Type {
    const labels = list(names, `${where}.names`, MAX_DESCRIBED_TYPES).map((name) => text(name, `${where}.names`))
    this.#types = within(this.#types + labels.length, MAX_DESCRIBED_TYPES, 'types')
    if (values === undefined) return t.enumeration(...(labels as [string, ...string[]]))
    const numbers = list(values, `${where}.values`, MAX_DESCRIBED_TYPES)
    const named = Object.fromEntries(labels.map((label, i) => [label, numbers[i] as number]))
    return bits === undefined ? idl.enumeration(named) : idl.enumeration(named, bits as 16)
  }

  #shape(value: unknown, where: string): Shape {
    const { fixed, size, length } = record(value, `${where}.shape`)
    const lengthIs = length === undefined ? {} : { length: count(length, `${where}.shape.length`) }
    if (fixed === undefined) return { size: count(size, `${where}.shape.size`), ...lengthIs }
    if (typeof fixed !== 'number') throw malformed(`${where}.shape.fixed`, shown(fixed))
    this.#fixed = within(this.#fixed + fixed, MAX_DESCRIBED_FIXED, 'items of fixed arrays')
    return { fixed, ...lengthIs }
  }
}

type Given = Readonly<Record<string, unknown>>

function record(value: unknown, where: string): Given {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Given
  throw malformed(where, `${shown(value)} in place of an object`)
}

function list(value: unknown, where: string, most: number): readonly unknown[] {
  if (!Array.isArray(value)) throw malformed(where, `${shown(value)} in place of a list`)
  within(value.length, most, where)
  return value as unknown[]
}

function text(value: unknown, where: string): string {
  if (typeof value === 'string') return value
  throw malformed(where, `${shown(value)} in place of a text`)
}

function count(value: unknown, where: string): string | true {
  return value === true ? true : text(value, where)
}

function within(count: number, most: number, what: string): number {
  if (count <= most) return count
  throw new BusbarError('LIMIT', `a description with more than ${most} ${what}`, { stage: 'description' })
}

/** Declares; what a program would be told of its own mistake is the peer's here. */
function declared(where: string, declare: () => Contract): Contract {
  try {
    return declare()
  } catch (thrown) {
    const error = BusbarError.from(thrown)
    if (error.code !== 'INVALID_ARGUMENT') throw error
    throw new BusbarError('MALFORMED', `${where}: ${escapePeerText(error.message)}`, {
      stage: 'description',
      cause: error,
    })
  }
}

/** Where two values of JSON first differ; `undefined` where they are the same, but for the order of names. */
function difference(made: unknown, given: unknown, where: string): string | undefined {
  if (typeof made !== 'object' || made === null) return Object.is(made, given) ? undefined : where
  if (typeof given !== 'object' || given === null || Array.isArray(made) !== Array.isArray(given)) return where
  const names = Object.keys(made)
  if (names.length !== Object.keys(given).length) return where
  for (const name of names) {
    if (!Object.hasOwn(given, name)) return where
    const inside = difference((made as Given)[name], (given as Given)[name], `${where}.${name}`)
    if (inside !== undefined) return inside
  }
  return undefined
}

function malformed(where: string, found: string): BusbarError {
  return new BusbarError('MALFORMED', `${escapePeerText(where)}: ${found}`, { stage: 'description' })
}

function shown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(escapePeerText(value, 40)) : value === null ? 'null' : typeof value
}
