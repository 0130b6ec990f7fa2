import type { Codecs } from './build.ts'
import { type Codec, malformed } from './codec.ts'
import { dateFromView } from './date.ts'
import { type Emitter, Layout } from './emitter.ts'
import { agrees } from './plain.ts'
import { EnumTable, rowOf } from './scalar.ts'
import type { WireBase, WireEnum, WireMember, WireType } from './wire.ts'

/** The text of a program that reads: `r` is the reader, `d` its view, `le` its byte order, `port` the port. */
export class ReadText {
  readonly out: Emitter
  readonly codecs: Codecs
  readonly layout: Layout

  constructor(out: Emitter, codecs: Codecs) {
    this.out = out
    this.codecs = codecs
    this.layout = new Layout(out, {
      take: (base, size) => `const ${base} = r.take(${size})`,
      align: (size) => `r.align(${size})`,
    })
  }

  base(type: WireBase, path: string): string {
    const value = this.#load(type, this.layout.fixed(type.size, type.size), path)
    if (type.range === undefined) return value
    const [least, most] = type.range
    const error = `${this.k(malformed)}(${this.k(path)}, ${this.k(`not in the range from ${least} to ${most}`)})`
    this.out.line(`if (!${this.k(rowOf(type).fits)}(${value})) throw ${error}`)
    return value
  }

  #load({ as, base, size }: WireBase, at: string, path: string): string {
    switch (as) {
      case 'boolean':
        return this.keep(`d.getUint8(${at}) !== 0`)
      case 'bigint':
        return this.keep(base === 'hyper' ? `d.getBigInt64(${at}, le)` : `d.getBigUint64(${at}, le)`)
      case 'date':
        return this.keep(`${this.k(dateFromView)}(d, ${at}, le)`)
      case 'safe integer': {
        const [first, second] = [this.keep(`d.getUint32(${at}, le)`), this.keep(`d.getUint32(${at} + 4, le)`)]
        const high = this.keep(`le ? ${second} : ${first}`)
        const path_ = this.k(path)
        this.out.line(`if (${high} > 2097151) throw ${this.k(malformed)}(${path_}, 'an integer above 2^53 - 1')`)
        return this.keep(`${high} * 4294967296 + (le ? ${first} : ${second})`)
      }
      case 'unit':
        return this.keep(`String.fromCharCode(${size === 1 ? `d.getUint8(${at})` : `d.getUint16(${at}, le)`})`)
      case 'number': {
        if (base === 'float') return this.keep(`d.getFloat32(${at}, le)`)
        if (base === 'double') return this.keep(`d.getFloat64(${at}, le)`)
        const signed = base === 'small' || base === 'short' || base === 'long' ? 'Int' : 'Uint'
        return this.keep(`d.get${signed}${size * 8}(${at}${size === 1 ? '' : ', le'})`)
      }
    }
  }

  /** An enumeration's name. */
  enumeration(type: WireEnum, path: string): string {
    const number = `d.getUint${type.size * 8}(${this.layout.fixed(type.size, type.size)}, le)`
    return this.keep(`${this.k(new EnumTable(type))}.name(${number}, ${this.k(path)})`)
  }

  /** The codecs of members that agree with their siblings. */
  agreeing(members: readonly WireMember[], pathOf: (name: string) => string): { name: string; codec: Codec }[] {
    return members
      .filter(({ type }) => agrees(type))
      .map(({ name, type }) => ({ name, codec: this.codecs.of(type, pathOf(name)) }))
  }

  record(members: readonly WireMember[]): string {
    return this.keep(`{ ${members.map(({ name }) => `${this.out.property(name)}: undefined`).join(', ')} }`)
  }

  word(): string {
    return this.keep(`d.getUint32(${this.layout.fixed(4, 4)}, le)`)
  }

  notNull(path: string): void {
    const pointer = this.word()
    this.out.line(
      `if (${pointer} === 0) throw ${this.k(malformed)}(${this.k(path)}, 'a null pointer where there must be a value')`,
    )
  }

  keep(expression: string): string {
    const variable = this.out.variable()
    this.out.line(`const ${variable} = ${expression}`)
    return variable
  }

  /** What comes of a call that moves the cursor by itself, to a multiple of `modulus`. */
  called(expression: string, modulus = 1): string {
    this.layout.end()
    const value = this.keep(expression)
    this.layout.forget(modulus)
    return value
  }

  block(head: string, body: () => void, modulus = 1): void {
    this.layout.forget(modulus)
    this.out.line(`${head} {`)
    body()
    this.layout.forget()
    this.out.line('}')
  }

  codec(type: WireType, path: string): string {
    return this.k(this.codecs.of(type, path))
  }

  k(value: unknown): string {
    return this.out.constant(value)
  }
}
