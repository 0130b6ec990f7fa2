import type { Codecs } from './build.ts'
import { badValue } from './codec.ts'
import { dateToView } from './date.ts'
import { type Emitter, Layout } from './emitter.ts'
import { EnumTable, rowOf } from './scalar.ts'
import type { WireBase, WireEnum, WireType } from './wire.ts'

/** The id of the next pointer, as pointer.ts counts them. */
export const REFERENT = '(131072 + 4 * w.marks++) >>> 0'

/** What is true of a number that does not fit. */
const MISFITS: Partial<Record<WireBase['base'], (v: string) => string>> = {
  byte: (v) => `(${v} & 255) !== ${v}`,
  'unsigned small': (v) => `(${v} & 255) !== ${v}`,
  small: (v) => `(${v} << 24 >> 24) !== ${v}`,
  'unsigned short': (v) => `(${v} & 65535) !== ${v}`,
  short: (v) => `(${v} << 16 >> 16) !== ${v}`,
  'unsigned long': (v) => `(${v} >>> 0) !== ${v}`,
  error_status_t: (v) => `(${v} >>> 0) !== ${v}`,
  long: (v) => `(${v} | 0) !== ${v}`,
}

/** The text of a program that writes: `w` is the writer, `d` its view, `le` its byte order, `port` the port. */
export class WriteText {
  readonly out: Emitter
  readonly codecs: Codecs
  readonly layout: Layout
  /** Variables that hold what was made of values, by value and what that is; one map per open block. */
  readonly #scopes: Map<string, string>[] = [new Map()]

  constructor(out: Emitter, codecs: Codecs) {
    this.out = out
    this.codecs = codecs
    this.layout = new Layout(out, {
      take: (base, size) => `const ${base} = w.reserve(${size}); d = w.view`,
      align: (size) => `w.align(${size})`,
      pad: (at) => `d.setUint8(${at}, 0)`,
    })
  }

  /** A variable that holds a member of a value. */
  member(v: string, name: string): string {
    return this.known(`${v}.${name}`, () => `${v}[${this.out.property(name)}]`)
  }

  /** A variable that holds what `make` gives, made once where `key` is known. */
  known(key: string, make: () => string): string {
    const known = this.#scopes.map((scope) => scope.get(key)).find((variable) => variable !== undefined)
    if (known !== undefined) return known
    const variable = this.keep(make())
    this.#scopes.at(-1)?.set(key, variable)
    return variable
  }

  keep(expression: string): string {
    const variable = this.out.variable()
    this.out.line(`const ${variable} = ${expression}`)
    return variable
  }

  base(type: WireBase, v: string, path: string): void {
    const { expected, fits } = rowOf(type)
    const misfits = type.as === 'number' && type.range === undefined ? MISFITS[type.base] : undefined
    const wrong =
      misfits !== undefined
        ? `typeof ${v} !== 'number' || ${misfits(v)}`
        : type.as === 'boolean'
          ? `typeof ${v} !== 'boolean'`
          : `!${this.k(fits)}(${v})`
    this.refuse(wrong, path, expected, v)
    const at = this.layout.fixed(type.size, type.size)
    this.out.line(this.#store(type, at, v))
  }

  #store({ as, base, size }: WireBase, at: string, v: string): string {
    switch (as) {
      case 'boolean':
        return `d.setUint8(${at}, ${v} ? 1 : 0)`
      case 'bigint':
        return `d.setBigUint64(${at}, ${v}, le)`
      case 'date':
        return `${this.k(dateToView)}(d, ${at}, ${v}, le)`
      case 'safe integer': {
        const [low, high] = [`${v} >>> 0`, `(${v} / 4294967296) >>> 0`]
        return `d.setUint32(${at}, le ? ${low} : ${high}, le); d.setUint32(${at} + 4, le ? ${high} : ${low}, le)`
      }
      case 'unit':
        return size === 1 ? `d.setUint8(${at}, ${v}.charCodeAt(0))` : `d.setUint16(${at}, ${v}.charCodeAt(0), le)`
      case 'number':
        if (base === 'float') return `d.setFloat32(${at}, ${v}, le)`
        if (base === 'double') return `d.setFloat64(${at}, ${v}, le)`
        return size === 1 ? `d.setUint8(${at}, ${v})` : `d.setUint${size * 8}(${at}, ${v}, le)`
    }
  }

  enumeration(type: WireEnum, v: string, path: string): void {
    const number = this.out.variable()
    const table = this.k(new EnumTable(type))
    this.out.line(`const ${number} = ${table}.number(${v}, ${this.k(path)})`)
    this.out.line(`d.setUint${type.size * 8}(${this.layout.fixed(type.size, type.size)}, ${number}, le)`)
  }

  word(value: string): void {
    const at = this.layout.fixed(4, 4)
    this.out.line(`d.setUint32(${at}, ${value}, le)`)
  }

  /** What moves the cursor by itself, to a multiple of `modulus`. */
  called(statement: string, modulus = 1): void {
    this.layout.end()
    this.out.line(statement)
    this.layout.forget(modulus)
  }

  /** A block, at whose start the position is a multiple of `modulus`. */
  block(head: string, body: () => void, modulus = 1): void {
    this.layout.forget(modulus)
    this.out.line(`${head} {`)
    this.#scopes.push(new Map())
    body()
    this.layout.forget()
    this.#scopes.pop()
    this.out.line('}')
  }

  /** One of several ways, each of which begins where `back` leads to. */
  way(head: string, body: () => void, back: () => void): void {
    this.out.line(`${head} {`)
    this.#scopes.push(new Map())
    body()
    back()
    this.#scopes.pop()
    this.out.line('break }')
  }

  refuse(wrong: string, path: string, expected: string, v: string): void {
    this.out.line(`if (${wrong}) throw ${this.k(badValue)}(${this.k(path)}, ${this.k(expected)}, ${v})`)
  }

  codec(type: WireType, path: string): string {
    return this.k(this.codecs.of(type, path))
  }

  k(value: unknown): string {
    return this.out.constant(value)
  }
}
