import { type Codecs, shapedOf } from './build.ts'
import { headMost } from './counts.ts'
import type { Emitter } from './emitter.ts'
import { countedItem, isPlainString, labelOf } from './plain.ts'
import { alignOf, type WireArray, type WireStruct, type WireType, type WireUnion } from './wire.ts'

/** Writes the part of a program that reckons how many bytes values take at most: it adds to `n`. */
export class MeasureCompiler {
  readonly #out: Emitter
  readonly #codecs: Codecs

  constructor(out: Emitter, codecs: Codecs) {
    this.#out = out
    this.#codecs = codecs
  }

  /** Adds what a value takes, and gives what every value takes: that the caller adds once. */
  value(type: WireType, v: string, path: string): number {
    switch (type.kind) {
      case 'base':
      case 'enum':
        return 2 * type.size - 1
      case 'guid':
        return 19
      case 'handle':
      case 'interface':
        return this.#codec(type, v, path)
      case 'array':
        return this.#array(type, v, path)
      case 'union':
        return this.#guarded(isRecord(v), () => this.#union(type, v, path))
      case 'pointer':
        if (type.as === 'value') return 8 + this.#guarded(`${v} !== undefined`, () => this.value(type.to, v, path))
        return 8 + this.#guarded(isRecord(v), () => this.value(type.to, this.#member(v, 'value'), path))
      case 'struct':
        return this.#struct(type, v, path)
    }
  }

  #codec(type: WireType, v: string, path: string): number {
    this.#out.line(`n += ${this.#out.constant(this.#codecs.of(type, path))}.measure(${v})`)
    return 0
  }

  #array(type: WireArray, v: string, path: string): number {
    if (isPlainString(type)) {
      this.#out.line(`if (typeof ${v} === 'string') n += ${v}.length * 2`)
      return 20
    }
    const { items } = shapedOf(type, path)
    if (type.as === 'array') this.#items(type.item, v, path)
    else this.#out.line(`n += ${this.#out.constant(items.measure)}(${v})`)
    return headMost(type.shape, items.least)
  }

  #items(item: WireType, v: string, path: string): void {
    const one = this.#out.variable()
    this.#guarded(`Array.isArray(${v})) for (const ${one} of ${v}`, () => this.value(item, one, `${path}[]`))
  }

  #struct(type: WireStruct, v: string, path: string): number {
    if (type.as === 'object') {
      return this.#guarded(isRecord(v), () => {
        const sizes = type.members.map(({ name, type: of }) => {
          return this.value(of, this.#member(v, name), `${path}.${name}`)
        })
        return sizes.reduce((sum, size) => sum + size, alignOf(type) - 1)
      })
    }
    const { item, bytes } = countedItem(type)
    if (type.as === 'json') return this.#codec(type, v, path)
    if (type.as === 'map' && item.kind === 'struct') this.#entries(item, v, `${path}[]`)
    else if (bytes) this.#out.line(`if (${v} instanceof Uint8Array) n += ${v}.length`)
    else this.#items(item, v, path)
    return 19
  }

  #entries(entry: WireStruct, v: string, path: string): void {
    const names = entry.members.map(() => this.#out.variable())
    this.#guarded(`${v} instanceof Map) for (const [${names.join(', ')}] of ${v}`, () => {
      const sizes = entry.members.map(({ name, type }, i) => this.value(type, names[i] ?? '', `${path}.${name}`))
      return sizes.reduce((sum, size) => sum + size, alignOf(entry) - 1)
    })
  }

  #union(type: WireUnion, v: string, path: string): number {
    const { arms, fallback, as, tag } = type
    this.#out.line(`switch (${this.#member(v, labelOf(type))}) {`)
    const way = (head: string, arm: WireType | null, at: string): void => {
      this.#out.line(`${head} {`)
      if (arm !== null) this.#add(this.value(arm, as.form === 'flat' ? v : this.#member(v, 'value'), `${path}.${at}`))
      this.#out.line('break }')
    }
    for (const arm of arms) way(`case ${this.#out.constant(arm.label)}:`, arm.type, `${arm.label}`)
    if (fallback !== undefined) way('default:', fallback, 'default')
    this.#out.line('}')
    return this.value(tag, '', path)
  }

  #member(v: string, name: string): string {
    const of = this.#out.variable()
    this.#out.line(`const ${of} = ${v}[${this.#out.property(name)}]`)
    return of
  }

  /** Adds what a body that is under a condition takes. */
  #guarded(condition: string, body: () => number): number {
    this.#out.line(`if (${condition}) {`)
    this.#add(body())
    this.#out.line('}')
    return 0
  }

  #add(bytes: number): void {
    if (bytes !== 0) this.#out.line(`n += ${bytes}`)
  }
}

function isRecord(v: string): string {
  return `typeof ${v} === 'object' && ${v} !== null`
}
