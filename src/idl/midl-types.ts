import type { Count, WireArray, WireEnum, WireMember, WireStruct, WireType, WireUnion } from '../rpc/index.ts'
import { type Identifiers, identifier } from './identifiers.ts'
import { interfaceById } from './interfaces.ts'

/** Stands for a size that only the array itself carries; what it says is not on the wire. */
export const ANY_SIZE = 65_536

/** A declaration in pieces: `[attributes] base stars name suffix`. */
export interface Declaration {
  readonly attributes: readonly string[]
  readonly base: string
  readonly stars: string
  readonly suffix: string
}

/** Writes the types of a file: structures, unions and enumerations get names and are declared once, before their use. */
export class MidlTypes {
  readonly #identifiers: Identifiers
  readonly #interfaceName: (uuid: string) => string
  /** What was declared, by what it is. */
  readonly #known = new Map<string, string>()
  #lines: string[] = []

  constructor(identifiers: Identifiers, interfaceName: (uuid: string) => string) {
    this.#identifiers = identifiers
    this.#interfaceName = interfaceName
  }

  /** The declarations that were made since the last time. */
  takeLines(): string[] {
    const lines = this.#lines
    this.#lines = []
    return lines
  }

  /** A type as a member or an item has it; `where` names it if it needs a name. */
  declare(type: WireType, where: string): Declaration {
    switch (type.kind) {
      case 'base':
        return plain(type.base, type.range === undefined ? [] : [`range(${type.range.join(', ')})`])
      case 'guid':
        return plain('GUID')
      case 'handle':
        return plain(this.#named(type, 'busbar_handle', (name) => [`typedef [context_handle] void *${name};`]))
      case 'interface':
        return { ...plain(this.#interfaceName(type.contract().uuid)), stars: '*' }
      case 'enum':
        return plain(this.#named(type, where, (name) => this.#enum(type, name)))
      case 'struct':
        return plain(this.#named(type, wellKnown(type) ?? where, (name) => this.#struct(type, name)))
      case 'union':
        return {
          ...plain(this.#named(withoutSibling(type), where, (name) => this.#union(type, name))),
          attributes: type.switchIs === undefined ? [] : [`switch_is(${identifier(type.switchIs)})`],
        }
      case 'array':
        return this.#array(type, where)
      case 'pointer':
        return this.#pointer(type, where)
      default:
        return type satisfies never
    }
  }

  /** `T x[...]`. */
  #array(type: WireArray, where: string): Declaration {
    const { shape } = type
    const item = this.#single(type.item, where)
    const attributes = [...counts(type), ...(type.string ? ['string'] : [])]
    const size = shape.form === 'fixed' ? shape.length : shape.form === 'varying' ? shape.most : ''
    return { attributes, base: item.base, stars: item.stars, suffix: `[${size}]${item.suffix}` }
  }

  /** `T *x`; an array behind it is counted by attributes, so that the star is all that is left of it. */
  #pointer({ pointer, to }: Extract<WireType, { kind: 'pointer' }>, where: string): Declaration {
    if (to.kind === 'array' && (to.shape.form === 'conformant' || to.shape.form === 'conformant-varying')) {
      const item = this.#single(to.item, where)
      const attributes = [...counts(to), ...(to.string ? ['string'] : []), pointer]
      return { attributes, base: item.base, stars: `${item.stars}*`, suffix: '' }
    }
    const target = this.#single(to, where)
    if (target.suffix === '') return { attributes: [pointer], base: target.base, stars: `${target.stars}*`, suffix: '' }
    return { attributes: [pointer], base: this.#alias(to, where), stars: '*', suffix: '' }
  }

  /** A type that stands for itself, without attributes: given a name where it has some. */
  #single(type: WireType, where: string): Declaration {
    const declared = this.declare(type, where)
    if (declared.attributes.length === 0) return declared
    // `pointer_default(unique)` says it for pointers to what needs no attribute of its own.
    if (declared.attributes.join() === 'unique') return { ...declared, attributes: [] }
    return plain(this.#alias(type, where))
  }

  #alias(type: WireType, where: string): string {
    const text = type.kind === 'pointer' && type.to.kind === 'array' && type.to.string ? 'busbar_text' : `${where}_item`
    return this.#known.get(`alias ${keyOf(type)}`) ?? this.#newAlias(type, text, where)
  }

  #newAlias(type: WireType, wanted: string, where: string): string {
    const declared = this.declare(type, where)
    const name = this.#identifiers.fresh(wanted)
    this.#known.set(`alias ${keyOf(type)}`, name)
    this.#lines.push(`typedef ${render(declared, name)};`, '')
    return name
  }

  #named(type: WireType, where: string, declare: (name: string) => string[]): string {
    const key = keyOf(type)
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const name = this.#identifiers.fresh(where)
    this.#known.set(key, name)
    const lines = declare(name)
    this.#lines.push(...lines, '')
    return name
  }

  #enum({ size, labels }: WireEnum, name: string): string[] {
    const values = labels.map(({ name: label, value }) => {
      // Enumerators are names of the whole file.
      const made = this.#identifiers.fresh(`${name}_${label}`)
      return `    ${made} = ${value},${made.endsWith(`_${label}`) ? '' : ` /* ${comment(label)} */`}`
    })
    const last = values.length - 1
    const listed = values.map((line, i) => (i === last ? line.replace(/,( \/\*|$)/, '$1') : line))
    return [`typedef ${size === 4 ? '[v1_enum] ' : ''}enum ${name}`, '{', ...listed, `} ${name};`]
  }

  #struct({ members, as }: WireStruct, name: string): string[] {
    const lines = this.#members(members, name)
    const note = as === 'json' ? ' /* JSON as UTF-8 */' : as === 'map' ? ' /* a map, no key twice */' : ''
    return [`typedef struct ${name}${note}`, '{', ...lines, `} ${name};`]
  }

  #members(members: readonly WireMember[], name: string): string[] {
    return members.map(({ name: member, type }) => {
      const declared = this.declare(type, `${name}_${identifier(member)}`)
      return `    ${render(declared, identifier(member))};${noteOf(type)}`
    })
  }

  #union({ tag, arms, fallback, switchIs, as }: WireUnion, name: string): string[] {
    const tagType = this.declare(tag, `${name}_tag`).base
    const arm = (inner: WireType | null, member: string): string => {
      if (inner === null) return ';'
      return `${render(this.declare(inner, `${name}_${identifier(member)}`), identifier(member))};${noteOf(inner)}`
    }
    // An encapsulated union is written as in C, the other with attributes (C706, 4.2.9).
    const encapsulated = switchIs === undefined
    const cases = arms.map(({ value, label, type }) => {
      const note = typeof label === 'string' ? ` /* ${comment(label)} */` : ''
      const member = typeof label === 'string' ? `arm_${label}` : `arm${value < 0 ? `_${-value}` : value}`
      const head = encapsulated ? `case ${value}:${note}` : `[case(${value})]${note}`
      return [head, arm(type, member)]
    })
    if (fallback !== undefined) cases.push([encapsulated ? 'default:' : '[default]', arm(fallback, 'other')])
    const body = cases.flatMap(([head, member]) => [`    ${head}`, `        ${member}`])
    const tagName = as.form === 'flat' ? identifier(as.tag) : 'tag'
    const front = encapsulated
      ? `typedef union ${name} switch (${tagType} ${tagName}) value`
      : `typedef [switch_type(${tagType})] union ${name}`
    return [front, '{', ...body, `} ${name};`]
  }
}

/** Which sibling holds the discriminant is said where the union is used: the type is the same for all. */
function withoutSibling(type: WireUnion): WireType {
  return type.switchIs === undefined ? type : { ...type, switchIs: 'sibling' }
}

/** What is the same everywhere is not called after the first place where it is used. */
function wellKnown({ as, members }: WireStruct): string | undefined {
  if (as === 'json') return 'busbar_json'
  const items = members[1]?.type
  if (as !== 'items' || items?.kind !== 'pointer' || items.to.kind !== 'array') return undefined
  return items.to.as === 'bytes' ? 'busbar_bytes' : undefined
}

/** One declaration as text. */
export function render({ attributes, base, stars, suffix }: Declaration, name: string): string {
  const front = attributes.length === 0 ? '' : `[${attributes.join(', ')}] `
  return `${front}${base} ${stars}${name}${suffix}`
}

/** What the base type does not say. */
export function noteOf(type: WireType): string {
  if (type.kind !== 'base') return ''
  if (type.as === 'date') return ' /* 100 ns since 1601-01-01 UTC */'
  return type.as === 'safe integer' ? ' /* at most 2^53 - 1 */' : ''
}

/**
 * `size_is` and `length_is`. A string is its own measure. What is not one needs a size in IDL even where only the array
 * itself carries it: then `ANY_SIZE` stands there.
 */
function counts({ shape, string }: WireArray): string[] {
  const made: string[] = []
  if (string) return made
  if (shape.form === 'conformant' || shape.form === 'conformant-varying') {
    made.push(`size_is(${shape.sizeIs === undefined ? ANY_SIZE : countOf(shape.sizeIs)})`)
  }
  if ('lengthIs' in shape && shape.lengthIs !== undefined) made.push(`length_is(${countOf(shape.lengthIs)})`)
  return made
}

function countOf(count: Count): string {
  if (typeof count === 'number') return String(count)
  const { name, operator, operand } = count
  return operator === undefined ? identifier(name) : `${identifier(name)} ${operator} ${operand}`
}

function plain(base: string, attributes: readonly string[] = []): Declaration {
  return { attributes, base, stars: '', suffix: '' }
}

function keyOf(type: WireType): string {
  return JSON.stringify(type, interfaceById)
}

/** Text that cannot end a comment or leave its line. */
function comment(text: string): string {
  return text.replaceAll('*/', '* /').replace(/[^\x20-\x7e]/g, '?')
}
