import { writeUuid } from '../pdu/uuid.ts'
import { EnumTable, isGuid, rowOf } from './scalar.ts'
import type { Codecs } from './build.ts'
import { badValue } from './codec.ts'
import { dateToView } from './date.ts'
import { type Emitter, Layout } from './emitter.ts'
import { countedItem, defers, inlineSize, isPlain } from './plain.ts'
import { checkText } from './text.ts'
import { alignOf, type WireBase, type WireEnum, type WireMember, type WireStruct, type WireType } from './wire.ts'

/** The id of the next pointer, as pointer.ts counts them. */
const REFERENT = '(131072 + 4 * w.marks++) >>> 0'

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

/** Writes the part of a program that writes values: `w` is the writer, `d` its view, `le` its byte order, `port` the port. */
export class WriteCompiler {
  readonly #out: Emitter
  readonly #codecs: Codecs
  readonly #layout: Layout
  /** Variables that hold members of values, by value and name; one map per open block. */
  readonly #scopes: Map<string, string>[] = [new Map()]

  constructor(out: Emitter, codecs: Codecs) {
    this.#out = out
    this.#codecs = codecs
    this.#layout = new Layout(out, {
      take: (base, size) => `const ${base} = w.reserve(${size}); d = w.view`,
      align: (size) => `w.align(${size})`,
      pad: (at) => `d.setUint8(${at}, 0)`,
    })
  }

  /** A whole parameter: the value, then what it points to. */
  parameter(type: WireType, v: string, path: string, owner: string): void {
    const target = type.kind === 'pointer' && type.pointer === 'ref' ? type.to : type
    this.#inline(target, v, path, owner)
    this.#later(target, v, path, owner)
  }

  /** A variable that holds a member of a value. */
  member(v: string, name: string): string {
    const key = `${v}.${name}`
    const known = this.#scopes.map((scope) => scope.get(key)).find((variable) => variable !== undefined)
    if (known !== undefined) return known
    const variable = this.#out.variable()
    this.#out.line(`const ${variable} = ${v}[${this.#out.property(name)}]`)
    this.#scopes.at(-1)?.set(key, variable)
    return variable
  }

  end(): void {
    this.#layout.end()
  }

  #inline(type: WireType, v: string, path: string, owner: string): void {
    if (!isPlain(type)) {
      this.#layout.end()
      this.#out.line(`${this.#codec(type, path)}.write(w, ${v}, port, ${owner})`)
      this.#layout.forget()
      return
    }
    switch (type.kind) {
      case 'base':
        return this.#base(type, v, path)
      case 'enum':
        return this.#enum(type, v, path)
      case 'guid':
        this.#refuse(`!${this.#k(isGuid)}(${v})`, path, 'a GUID as text', v)
        this.#layout.align(4)
        this.#layout.end()
        this.#out.line(`${this.#k(writeUuid)}(w, ${v}, le)`)
        return this.#layout.forget(4)
      case 'array':
        return this.#string(v, path)
      case 'struct':
        return type.as === 'object' ? this.#struct(type, v, path) : this.#counted(type, v, path)
      case 'pointer':
        return this.#word(type.pointer === 'ref' ? REFERENT : `${v} === undefined ? 0 : ${REFERENT}`)
      default:
    }
  }

  #later(type: WireType, v: string, path: string, owner: string): void {
    if (!isPlain(type)) {
      const codec = this.#codecs.of(type, path)
      if (codec.writeLater === undefined) return
      this.#layout.end()
      this.#out.line(`${this.#codec(type, path)}.writeLater(w, ${v}, port, ${owner})`)
      this.#layout.forget()
    } else if (type.kind === 'struct' && type.as === 'object') {
      for (const member of type.members) {
        if (isPlain(member.type) && !defers(member.type)) continue
        this.#later(member.type, this.member(v, member.name), `${path}.${member.name}`, v)
      }
    } else if (type.kind === 'struct') {
      this.#items(type, v, path)
    } else if (type.kind === 'pointer') {
      const target = (): void => {
        this.#inline(type.to, v, path, owner)
        this.#later(type.to, v, path, owner)
      }
      if (type.pointer === 'ref') target()
      else this.#block(`if (${v} !== undefined)`, target)
    }
  }

  #base(type: WireBase, v: string, path: string): void {
    const { expected, fits } = rowOf(type)
    const misfits = type.as === 'number' && type.range === undefined ? MISFITS[type.base] : undefined
    const wrong =
      misfits !== undefined
        ? `typeof ${v} !== 'number' || ${misfits(v)}`
        : type.as === 'boolean'
          ? `typeof ${v} !== 'boolean'`
          : `!${this.#k(fits)}(${v})`
    this.#refuse(wrong, path, expected, v)
    const at = this.#layout.fixed(type.size, type.size)
    this.#out.line(this.#store(type, at, v))
  }

  #store({ as, base, size }: WireBase, at: string, v: string): string {
    switch (as) {
      case 'boolean':
        return `d.setUint8(${at}, ${v} ? 1 : 0)`
      case 'bigint':
        return `d.setBigUint64(${at}, ${v}, le)`
      case 'date':
        return `${this.#k(dateToView)}(d, ${at}, ${v}, le)`
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

  #enum(type: WireEnum, v: string, path: string): void {
    const number = this.#out.variable()
    const table = this.#k(new EnumTable(type))
    this.#out.line(`const ${number} = ${table}.number(${v}, ${this.#k(path)})`)
    this.#out.line(`d.setUint${type.size * 8}(${this.#layout.fixed(type.size, type.size)}, ${number}, le)`)
  }

  #string(v: string, path: string): void {
    this.#refuse(`typeof ${v} !== 'string'`, path, 'a string', v)
    this.#out.line(`${this.#k(checkText)}(${v}, 2, 'terminated', ${this.#k(path)})`)
    this.#word(`${v}.length + 1`)
    this.#word('0')
    this.#word(`${v}.length + 1`)
    this.#layout.end()
    this.#out.line(`w.utf16(${v}); w.u16(0)`)
    this.#layout.forget(2)
  }

  #struct(type: WireStruct, v: string, path: string): void {
    this.#refuse(`typeof ${v} !== 'object' || ${v} === null`, path, 'an object', v)
    this.#layout.align(type.align)
    this.members(type.members, v, (name) => `${path}.${name}`)
  }

  /** The members of a struct, in order, without what they point to. */
  members(members: readonly WireMember[], v: string, pathOf: (name: string) => string): void {
    for (const { name, type } of members) this.#inline(type, this.member(v, name), pathOf(name), v)
  }

  #counted(type: WireStruct, v: string, path: string): void {
    if (countedItem(type).bytes) this.#refuse(`!(${v} instanceof Uint8Array)`, path, 'a Uint8Array', v)
    else this.#refuse(`!Array.isArray(${v})`, path, 'an array', v)
    this.#word(`${v}.length`)
    this.#word(REFERENT)
  }

  #items(type: WireStruct, v: string, path: string): void {
    const { item, bytes } = countedItem(type)
    this.#word(`${v}.length`)
    if (bytes) {
      this.#layout.end()
      this.#out.line(`w.bytes(${v})`)
      return this.#layout.forget()
    }
    const each = (write: (one: string) => void, modulus: number): void => {
      const i = this.#out.variable()
      this.#block(
        `for (let ${i} = 0; ${i} < ${v}.length; ${i}++)`,
        () => {
          const one = this.#out.variable()
          this.#out.line(`const ${one} = ${v}[${i}]`)
          write(one)
        },
        modulus,
      )
    }
    const align = alignOf(item)
    const even = (inlineSize(item) ?? 1) % align === 0
    this.#layout.end()
    if (even && align > 1) this.#out.line(`if (${v}.length !== 0) w.align(${align})`)
    each((one) => this.#inline(item, one, `${path}[]`, 'undefined'), even ? align : 1)
    if (isPlain(item) ? !defers(item) : this.#codecs.of(item, path).writeLater === undefined) return
    each((one) => this.#later(item, one, `${path}[]`, 'undefined'), 1)
  }

  #word(value: string): void {
    const at = this.#layout.fixed(4, 4)
    this.#out.line(`d.setUint32(${at}, ${value}, le)`)
  }

  /** A block, at whose start the position is a multiple of `modulus`. */
  #block(head: string, body: () => void, modulus = 1): void {
    this.#layout.forget(modulus)
    this.#out.line(`${head} {`)
    this.#scopes.push(new Map())
    body()
    this.#layout.forget()
    this.#scopes.pop()
    this.#out.line('}')
  }

  #refuse(wrong: string, path: string, expected: string, v: string): void {
    this.#out.line(`if (${wrong}) throw ${this.#k(badValue)}(${this.#k(path)}, ${this.#k(expected)}, ${v})`)
  }

  #codec(type: WireType, path: string): string {
    return this.#k(this.#codecs.of(type, path))
  }

  #k(value: unknown): string {
    return this.#out.constant(value)
  }
}
