import { CONFIG_LIMITS } from './limits.ts'
import { describeFound, type Located, type LocatedMapping, quote } from './located.ts'
import { closestName } from './names.ts'
import type { Position, Problems } from './problem.ts'

/** A piece of JSON Schema (draft 7, which the editors' YAML plug-ins read). */
export type JsonSchema = Readonly<Record<string, unknown>>

/**
 * One kind of value in the file: how to read it, and how to describe it to an editor. Both come from the same table, so
 * they cannot disagree. `read` reports what is wrong and returns `undefined`, or returns the canonical value.
 */
export interface Shape<T> {
  readonly schema: JsonSchema
  read(node: Located, problems: Problems): T | undefined
}

interface Field<T> {
  readonly shape: Shape<T>
  readonly required: boolean
  readonly doc: string
  /** What an absent key means; only for keys that are not required. */
  readonly absent: () => T
}

type Fields<T> = { readonly [K in keyof T]-?: Field<T[K]> }

/** A key that must be there. */
export function required<T>(shape: Shape<T>, doc: string): Field<T> {
  return {
    shape,
    required: true,
    doc,
    absent: () => {
      throw new TypeError('a required key has no default')
    },
  }
}

/** A key that may be absent, and what it means then. */
export function optional<T, D>(shape: Shape<T>, absent: D, doc: string): Field<T | D> {
  return { shape, required: false, doc, absent: () => absent }
}

function expected(node: Located, what: string, problems: Problems, hint?: string): undefined {
  problems.add(node.at, `found ${describeFound(node)}, expected ${what}`, hint)
  return undefined
}

/** A text that matches a pattern. `what` says in words what is expected. */
export function text(what: string, pattern: RegExp, hint?: string): Shape<string> {
  return {
    schema: { type: 'string', pattern: pattern.source, description: what },
    read(node, problems) {
      if (node.kind === 'scalar' && typeof node.value === 'string' && pattern.test(node.value)) return node.value
      return expected(node, what, problems, hint)
    },
  }
}

/** A text for which a number may be written too, as it stands: an argument, a value of the environment. */
export function argument(what: string): Shape<string> {
  return {
    schema: { type: ['string', 'number'], description: what },
    read(node, problems) {
      if (node.kind !== 'scalar' || node.value === null || typeof node.value === 'boolean') {
        const truth = node.kind === 'scalar' && node.value !== null
        return expected(
          node,
          what,
          problems,
          truth ? 'Write true and false in quotes where a text is meant.' : undefined,
        )
      }
      return node.source.includes('\0') ? expected(node, `${what} without NUL`, problems) : node.source
    },
  }
}

/** One of a few words. */
export function choice<const T extends string>(...words: readonly T[]): Shape<T> {
  return {
    schema: { enum: words },
    read(node, problems) {
      const value = node.kind === 'scalar' ? node.value : undefined
      const word = words.find((candidate) => candidate === value)
      if (word !== undefined) return word
      const near = typeof value === 'string' ? closestName(value, words) : undefined
      const hint = near === undefined ? undefined : `Did you mean ${quote(near)}?`
      return expected(node, words.length === 1 ? quote(words[0] ?? '') : `one of ${words.join(', ')}`, problems, hint)
    },
  }
}

export function truth(): Shape<boolean> {
  return {
    schema: { type: 'boolean' },
    read(node, problems) {
      if (node.kind === 'scalar' && typeof node.value === 'boolean') return node.value
      return expected(node, 'true or false', problems)
    },
  }
}

/** A whole number from `min` to `max`. */
export function whole(min: number, max: number): Shape<number> {
  return {
    schema: { type: 'integer', minimum: min, maximum: max },
    read(node, problems) {
      const value = node.kind === 'scalar' ? node.value : undefined
      if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
      return expected(node, `a whole number from ${min} to ${max}`, problems)
    },
  }
}

/** A list of at least `min` entries. */
export function listOf<T>(item: Shape<T>, what: string, min: number = 0): Shape<readonly T[]> {
  return {
    schema: { type: 'array', items: item.schema, minItems: min, maxItems: CONFIG_LIMITS.entries },
    read(node, problems) {
      if (node.kind !== 'list' || node.items.length < min) return expected(node, what, problems)
      const items = node.items.map((entry) => item.read(entry, problems))
      return items.every((entry) => entry !== undefined) ? items : undefined
    },
  }
}

/** A mapping whose keys are names chosen by the writer. */
export function mappingOf<T>(
  key: { readonly what: string; readonly pattern: RegExp },
  item: Shape<T>,
  max: number,
): Shape<ReadonlyMap<string, T>> {
  return {
    schema: {
      type: 'object',
      propertyNames: { pattern: key.pattern.source },
      additionalProperties: item.schema,
      maxProperties: max,
    },
    read(node, problems) {
      if (node.kind !== 'mapping') return expected(node, `a mapping from ${key.what}`, problems)
      if (node.entries.length > max) {
        problems.add(node.at, `${node.entries.length} entries, at most ${max} are allowed`)
        return undefined
      }
      const read = new Map<string, T>()
      for (const entry of node.entries) {
        if (!key.pattern.test(entry.key)) {
          problems.add(entry.keyAt, `found the key ${quote(entry.key)}, expected ${key.what}`)
        }
        const value = item.read(entry.value, problems)
        if (value !== undefined) read.set(entry.key, value)
      }
      return read.size === node.entries.length ? read : undefined
    },
  }
}

/** A mapping with fixed keys. An unknown key is a problem, with the closest known one as a hint. */
export function record<T>(what: string, fields: Fields<T>, allowedBefore: readonly string[] = []): Shape<T> {
  const all = Object.entries(fields) as [keyof T & string, Field<T[keyof T & string]>][]
  const known = [...allowedBefore, ...all.map(([key]) => key)]
  return {
    schema: {
      type: 'object',
      description: what,
      properties: Object.fromEntries(all.map(([key, { shape, doc }]) => [key, { ...shape.schema, description: doc }])),
      required: all.flatMap(([key, field]) => (field.required ? [key] : [])),
      additionalProperties: false,
    },
    read(node, problems) {
      if (node.kind !== 'mapping') return expected(node, what, problems)
      const before = problems.count
      reportUnknownKeys(node, known, problems)
      const result: Partial<T> = {}
      for (const [key, field] of all) {
        const entry = node.entries.find((candidate) => candidate.key === key)
        if (entry !== undefined) {
          const value = field.shape.read(entry.value, problems)
          if (value !== undefined) result[key] = value
        } else if (field.required) problems.add(node.at, `the key ${quote(key)} is missing: ${field.doc}`)
        else result[key] = field.absent()
      }
      // Every field is set once nothing was reported: each read that fails reports.
      return problems.count === before ? (result as T) : undefined
    },
  }
}

function reportUnknownKeys(node: LocatedMapping, known: readonly string[], problems: Problems): void {
  for (const { key, keyAt } of node.entries) {
    if (known.includes(key)) continue
    const near = closestName(key, known)
    const hint = near === undefined ? undefined : `Did you mean ${quote(near)}?`
    problems.add(keyAt, `found the unknown key ${quote(key)}, expected one of ${known.join(', ')}`, hint)
  }
}

/** A mapping whose key `kind` says which of several records it is. */
export function byKind<T extends { readonly kind: string }>(
  what: string,
  kinds: { readonly [K in T['kind']]: Shape<Omit<Extract<T, { kind: K }>, 'kind'>> },
): Shape<T> {
  const names = Object.keys(kinds) as T['kind'][]
  const kind = choice(...names)
  return {
    schema: {
      description: what,
      oneOf: names.map((name) => {
        const { schema } = kinds[name]
        return {
          ...schema,
          properties: { kind: { const: name }, ...(schema['properties'] as object) },
          required: ['kind', ...(schema['required'] as string[])],
        }
      }),
    },
    read(node, problems) {
      if (node.kind !== 'mapping') return expected(node, what, problems)
      const entry = node.entries.find(({ key }) => key === 'kind')
      if (entry === undefined) {
        problems.add(node.at, `the key "kind" is missing: one of ${names.join(', ')}`)
        return undefined
      }
      const name = kind.read(entry.value, problems)
      if (name === undefined) return undefined
      const rest = kinds[name as T['kind']].read(node, problems)
      return rest === undefined ? undefined : ({ kind: name, ...(rest as object) } as T)
    },
  }
}

/** A shape with one more step: to a canonical value, or to a check across keys. */
export function refine<A, B>(
  shape: Shape<A>,
  step: (value: A, at: Position, problems: Problems, node: Located) => B | undefined,
): Shape<B> {
  return {
    schema: shape.schema,
    read(node, problems) {
      const value = shape.read(node, problems)
      return value === undefined ? undefined : step(value, node.at, problems, node)
    },
  }
}
