import { type FieldNode, type TypeNode, type WireType, wireOf } from '../rpc/index.ts'
import { plainType } from './interfaces.ts'
import { typeText } from './type-text.ts'

/**
 * What a difference asks for: nothing, since old and new mean the same; a new minor version, since old callers go on and new
 * ones may do more; a new major version, since an old caller and a new component would misread one another.
 */
export type Effect = 'none' | 'minor' | 'major'

/** One difference, in words. */
export interface Difference {
  /** `open, argument mode`. */
  readonly where: string
  /** `value "append" added`. */
  readonly what: string
  readonly effect: Effect
}

/**
 * Which way values travel. Arguments are written by what the old contract says and read by what the new one does, so they
 * may become more; results the other way round, so they may become less.
 */
export type Direction = 'in' | 'out'

/** Where a type stands. */
interface Place {
  readonly where: string
  readonly direction: Direction
  /** A member, an item or a target, and not a whole parameter. */
  readonly inside: boolean
  /** A struct around it begins where the widest of its members may: this one's alignment moves the others. */
  readonly aligns: boolean
}

/** Collects the differences of types between an old and a new contract. */
export class TypeDiff {
  readonly found: Difference[] = []

  add(where: string, what: string, effect: Effect): void {
    this.found.push({ where, what, effect })
  }

  /** Arguments, or members of a struct: what travels by place. */
  fields(
    before: readonly FieldNode[],
    after: readonly FieldNode[],
    direction: Direction,
    nameOf: (name: string) => string,
    inside: boolean,
  ): void {
    const [names, newNames] = [before.map(({ name }) => name), after.map(({ name }) => name)]
    for (const [i, old] of before.entries()) {
      const now = after[i]
      const where = nameOf(old.name)
      const place: Place = { where, direction, inside, aligns: inside }
      const moved = newNames.indexOf(old.name)
      if (now?.name === old.name) this.type(old.type, now.type, place)
      else if (moved >= 0) this.add(where, `moved from place ${i + 1} to ${moved + 1}; values travel by place`, 'major')
      else if (now === undefined || names.includes(now.name)) this.add(where, 'removed', 'major')
      else {
        this.add(where, `renamed to "${now.name}"; names do not travel`, 'none')
        this.type(old.type, now.type, place)
      }
    }
    for (const [i, { name }] of after.entries()) {
      const old = before[i]
      // One that took the place of a name that is gone was told as renamed.
      if (names.includes(name) || (old !== undefined && !newNames.includes(old.name))) continue
      this.add(
        nameOf(name),
        'added; all values travel by place and their end is checked, so also an optional one is new',
        'major',
      )
    }
  }

  type(before: TypeNode, after: TypeNode, place: Place): void {
    const { where, direction } = place
    const target: Place = { ...place, inside: true, aligns: false }
    if (before.kind !== after.kind) return this.#otherKind(before, after, place)
    switch (before.kind) {
      case 'optional':
        return this.type(before.item, as(before, after).item, target)
      case 'array':
      case 'stream':
        return this.type(before.item, as(before, after).item, { ...target, where: `${where}, item` })
      case 'map':
        this.type(before.key, as(before, after).key, { ...target, aligns: true, where: `${where}, key` })
        return this.type(before.value, as(before, after).value, { ...target, aligns: true, where: `${where}, value` })
      case 'struct':
        return this.fields(before.fields, as(before, after).fields, direction, (name) => `${where}.${name}`, true)
      case 'out': {
        const [old, now] = [before, as(before, after)].map(({ fields, returns }) =>
          returns === undefined ? fields : [...fields, { name: 'result', type: returns }],
        )
        return this.fields(old ?? [], now ?? [], direction, (name) => `${where}.${name}`, false)
      }
      case 'enumeration':
        return this.#enumeration(before, as(before, after), place)
      case 'variant': {
        const now = as(before, after)
        if (before.tag !== now.tag)
          this.add(where, `"${before.tag}" renamed to "${now.tag}"; names do not travel`, 'none')
        const label = (one: { readonly name: string }, value: number) => [value, one.name] as const
        this.#labels(new Map(before.cases.map(label)), new Map(now.cases.map(label)), 'case', place)
        for (const [i, { name, fields }] of before.cases.entries()) {
          const other = now.cases[i]
          if (other !== undefined)
            this.fields(fields, other.fields, direction, (field) => `${where}, case ${name}.${field}`, true)
        }
        return this.#alignment(before, now, place)
      }
      case 'union':
        return this.#union(before, as(before, after), place)
      case 'pointer':
      case 'box':
        return this.type(before.to, as(before, after).to, target)
      case 'ref': {
        const [old, now] = [before.contract(), as(before, after).contract()]
        if (old.uuid === now.uuid) return
        const names = `to ${old.name} ${old.version} before, to ${now.name} ${now.version} now`
        return this.add(where, `a reference ${names}: another interface`, 'major')
      }
      case 'sequence':
        this.#shape(before, as(before, after), place)
        return this.type(before.item, as(before, after).item, { ...place, inside: true, where: `${where}, item` })
      case 'octets':
        return this.#shape(before, as(before, after), place)
      case 'text': {
        const { bits, terminated } = as(before, after)
        if (bits !== before.bits || terminated !== before.terminated)
          this.add(where, 'other characters or another end', 'major')
        return this.#shape(before, as(before, after), place)
      }
      case 'void':
      case 'string':
      case 'bytes':
      case 'json':
      case 'handle':
        return
      default:
        return this.#range(before.range, as(before, after).range, place)
    }
  }

  #otherKind(before: TypeNode, after: TypeNode, place: Place): void {
    const { where, direction } = place
    const what = `was ${typeText(before)}, is ${typeText(after)}`
    if (after.kind === 'optional' && sameWire(before, after.item, true)) {
      return this.add(where, 'may be left out now: that is a pointer more on the wire', 'major')
    }
    if (before.kind === 'optional' && sameWire(before.item, after, true)) {
      return this.add(where, 'may not be left out any more: that is a pointer less on the wire', 'major')
    }
    if (sameWire(before, after, place.inside)) return this.add(where, `${what}; the same on the wire`, 'none')
    const [writes, reads] = direction === 'in' ? [before, after] : [after, before]
    if (writes.kind === 'uint53' && reads.kind === 'uint64') {
      return this.add(where, `${what}; the same on the wire, and every value of the one is one of the other`, 'minor')
    }
    this.add(where, what, 'major')
  }

  #range(before: Range, after: Range, { where, direction }: Place): void {
    if (before?.[0] === after?.[0] && before?.[1] === after?.[1]) return
    const [written, read] = direction === 'in' ? [before, after] : [after, before]
    const fits = read === undefined || (written !== undefined && read[0] <= written[0] && read[1] >= written[1])
    const text = (range: Range): string => (range === undefined ? 'every value' : `${range[0]} to ${range[1]}`)
    this.add(where, `allowed were ${text(before)}, are ${text(after)}`, fits ? 'minor' : 'major')
  }

  #enumeration(before: Enumeration, after: Enumeration, place: Place): void {
    if ((before.bits ?? 16) !== (after.bits ?? 16)) {
      return this.add(place.where, `had ${before.bits ?? 16} bits, has ${after.bits ?? 16}`, 'major')
    }
    const labels = ({ names, values }: Enumeration): Map<number, string> =>
      new Map(names.map((name, i) => [values?.[i] ?? i, name]))
    this.#labels(labels(before), labels(after), 'value', place)
  }

  /** Names by the number that travels for them. */
  #labels(before: ReadonlyMap<number, string>, after: ReadonlyMap<number, string>, noun: string, place: Place): void {
    const { where, direction } = place
    const [names, newNames] = [new Set(before.values()), new Set(after.values())]
    for (const [number, name] of before) {
      const now = after.get(number)
      if (now === name) continue
      const label = `${noun} ${JSON.stringify(name)}`
      if (newNames.has(name)) this.add(where, `${label} has another number; numbers travel`, 'major')
      else if (now === undefined) this.add(where, `${label} removed`, direction === 'in' ? 'major' : 'minor')
      else if (!names.has(now)) this.add(where, `${label} renamed to ${JSON.stringify(now)}; numbers travel`, 'none')
      else this.add(where, `${label} removed, its number is now that of ${JSON.stringify(now)}`, 'major')
    }
    for (const [number, name] of after) {
      if (names.has(name) || before.has(number)) continue
      const label = `${noun} ${JSON.stringify(name)} added`
      if (direction === 'in') this.add(where, label, 'minor')
      else this.add(where, `${label}; an old caller that gets it refuses the answer`, 'major')
    }
  }

  #union(before: Union, after: Union, place: Place): void {
    const { where, direction } = place
    this.type(before.tag, after.tag, { ...place, where: `${where}, discriminant`, inside: true })
    if (before.switchIs !== after.switchIs) this.add(where, 'takes its case from elsewhere', 'major')
    for (const { label, type } of before.arms) {
      const now = after.arms.find((arm) => arm.label === label)?.type ?? after.fallback
      if (now !== undefined) this.type(type, now, { ...place, where: `${where}, case ${label}`, inside: true })
      else this.add(where, `case ${label} removed`, direction === 'in' ? 'major' : 'minor')
    }
    for (const { label, type } of after.arms) {
      if (before.arms.some((arm) => arm.label === label)) continue
      const old = before.fallback
      if (old !== undefined) this.type(old, type, { ...place, where: `${where}, case ${label}`, inside: true })
      else this.add(where, `case ${label} added`, direction === 'in' ? 'minor' : 'major')
    }
    if (before.fallback !== undefined && after.fallback !== undefined) {
      this.type(before.fallback, after.fallback, { ...place, where: `${where}, every other case`, inside: true })
    } else if (before.fallback !== undefined) {
      this.add(where, 'every other case is refused now', direction === 'in' ? 'major' : 'minor')
    } else if (after.fallback !== undefined) {
      this.add(where, 'every other case is taken now', direction === 'in' ? 'minor' : 'major')
    }
    this.#alignment(before, after, place)
  }

  /** An arm is aligned by itself, but a struct around the union by the widest of them. */
  #alignment(before: TypeNode, after: TypeNode, { where, aligns }: Place): void {
    if (!aligns) return
    const [old, now] = [before, after].map((node) => (wireOf(node) as Extract<WireType, { kind: 'union' }>).align)
    if (old !== now) this.add(where, `aligned to ${old} bytes before, to ${now} now: what is around it moves`, 'major')
  }

  #shape(before: Shaped, after: Shaped, { where }: Place): void {
    if (JSON.stringify(before.shape) === JSON.stringify(after.shape)) return
    this.add(where, 'the array says its size in another way', 'major')
  }
}

type Range = readonly [least: number, most: number] | undefined
type Enumeration = Extract<TypeNode, { kind: 'enumeration' }>
type Union = Extract<TypeNode, { kind: 'union' }>
type Shaped = Extract<TypeNode, { shape: unknown }>

/** `after`, which is known to be of the kind of `before`. */
function as<T extends TypeNode>(_before: T, after: TypeNode): T {
  return after as T
}

const NOT_ONE_THING: ReadonlySet<string> = new Set(['void', 'stream', 'out'])

/** Whether both are the same on the wire and take the same values. */
function sameWire(before: TypeNode, after: TypeNode, inside: boolean): boolean {
  if (NOT_ONE_THING.has(before.kind) || NOT_ONE_THING.has(after.kind)) return false
  const wire = (type: TypeNode): string =>
    JSON.stringify(plainType(wireOf(inside ? { kind: 'struct', fields: [{ name: 'it', type }] } : type)))
  return wire(before) === wire(after)
}
