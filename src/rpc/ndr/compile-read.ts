import { readUuid } from '../pdu/uuid.ts'
import { EnumTable, rowOf } from './scalar.ts'
import type { Codecs } from './build.ts'
import { type Codec, malformed } from './codec.ts'
import { confirmRoom } from './counted.ts'
import { dateFromView } from './date.ts'
import { type Emitter, Layout } from './emitter.ts'
import { countedItem, defers, inlineSize, isPlain } from './plain.ts'
import { lateChecks } from './struct.ts'
import { readString } from './text.ts'
import { alignOf, type WireBase, type WireMember, type WireStruct, type WireType } from './wire.ts'

/** What was read inline: `finish` writes the code for what was deferred, and gives the expression of the value. */
type Half = () => string

/** Writes the part of a program that reads values: `r` is the reader, `d` its view, `le` its byte order, `port` the port. */
export class ReadCompiler {
  readonly #out: Emitter
  readonly #codecs: Codecs
  readonly #layout: Layout

  constructor(out: Emitter, codecs: Codecs) {
    this.#out = out
    this.#codecs = codecs
    this.#layout = new Layout(out, {
      take: (base, size) => `const ${base} = r.take(${size})`,
      align: (size) => `r.align(${size})`,
    })
  }

  /** A whole parameter with what it points to: the expression of the value. */
  parameter(type: WireType, path: string, owner: string): string {
    const value = this.#straight(type.kind === 'pointer' && type.pointer === 'ref' ? type.to : type, path, owner)()
    this.#layout.end()
    return value
  }

  /** All parameters: the expression of an object with a member for each. */
  parameters(members: readonly WireMember[], pathOf: (name: string) => string): string {
    const codecs = this.#agreeing(members, pathOf)
    if (codecs.length === 0) {
      const values = members.map(
        ({ name, type }) => `${this.#out.property(name)}: ${this.parameter(type, pathOf(name), 'undefined')}`,
      )
      return `{ ${values.join(', ')} }`
    }
    const record = this.#record(members)
    for (const { name, type } of members) {
      this.#out.line(`${record}[${this.#out.property(name)}] = ${this.parameter(type, pathOf(name), record)}`)
    }
    this.#out.line(`${this.#k(lateChecks(codecs))}(${record})`)
    return record
  }

  /** Reads the inline part into variables. */
  #straight(type: WireType, path: string, owner: string): Half {
    const apart = type.kind === 'struct' && type.as === 'object' && isPlain(type)
    if (!apart || this.#agreeing(type.members, (name) => `${path}.${name}`).length > 0) {
      const begun = this.#begin(type, path, owner)
      return () => this.#finish(type, begun, path, owner)
    }
    this.#layout.align(type.align)
    const halves = type.members.map((member) => ({
      name: this.#out.property(member.name),
      half: this.#straight(member.type, `${path}.${member.name}`, 'undefined'),
    }))
    return () => {
      const values = halves.map(({ name, half }) => `${name}: ${half()}`)
      const value = this.#out.variable()
      this.#out.line(`const ${value} = { ${values.join(', ')} }`)
      return value
    }
  }

  /** Reads the inline part: the expression of the value, or of what `#finish` needs to finish it. */
  #begin(type: WireType, path: string, owner: string): string {
    if (!isPlain(type)) {
      this.#layout.end()
      const value = this.#keep(`${this.#codec(type, path)}.read(r, port, ${owner})`)
      this.#layout.forget()
      return value
    }
    switch (type.kind) {
      case 'base':
        return this.#base(type, path)
      case 'enum': {
        const number = `d.getUint${type.size * 8}(${this.#layout.fixed(type.size, type.size)}, le)`
        return this.#keep(`${this.#k(new EnumTable(type))}.name(${number}, ${this.#k(path)})`)
      }
      case 'guid': {
        this.#layout.align(4)
        this.#layout.end()
        const value = this.#keep(`${this.#k(readUuid)}(r)`)
        this.#layout.forget(4)
        return value
      }
      case 'array': {
        const [room, offset, count] = [this.#word(), this.#word(), this.#word()]
        this.#layout.end()
        const value = this.#keep(`${this.#k(readString)}(r, ${room}, ${offset}, ${count}, ${this.#k(path)})`)
        this.#layout.forget(2)
        return value
      }
      case 'struct': {
        if (type.as === 'object') return this.#object(type, path)
        const count = this.#word()
        this.#notNull(path)
        return count
      }
      case 'pointer':
        if (type.pointer === 'unique') return this.#keep(`${this.#word()} !== 0`)
        this.#notNull(path)
        return 'true'
      default:
        return 'undefined'
    }
  }

  #finish(type: WireType, begun: string, path: string, owner: string): string {
    if (!isPlain(type)) {
      const codec = this.#codecs.of(type, path)
      if (codec.readLater === undefined) return begun
      this.#layout.end()
      const value = this.#keep(`${this.#codec(type, path)}.readLater(r, ${begun}, port, ${owner})`)
      this.#layout.forget()
      return value
    }
    if (type.kind === 'pointer') return this.#target(type.to, type.pointer === 'ref' ? undefined : begun, path, owner)
    if (type.kind !== 'struct') return begun
    if (type.as !== 'object') return this.#items(type, begun, path)
    const pathOf = (name: string): string => `${path}.${name}`
    for (const member of type.members) {
      if (
        isPlain(member.type) ? !this.#hasMore(member.type) : this.#codecs.of(member.type, path).readLater === undefined
      )
        continue
      const place = `${begun}[${this.#out.property(member.name)}]`
      this.#out.line(`${place} = ${this.#finish(member.type, place, pathOf(member.name), begun)}`)
    }
    const codecs = this.#agreeing(type.members, pathOf)
    if (codecs.length > 0) {
      this.#layout.end()
      this.#out.line(`${this.#k(lateChecks(codecs))}(${begun})`)
    }
    return begun
  }

  /** Whether `#finish` does something. */
  #hasMore(type: WireType): boolean {
    if (defers(type)) return true
    return (
      type.kind === 'struct' &&
      type.as === 'object' &&
      type.members.some((member) => !isPlain(member.type) || this.#hasMore(member.type))
    )
  }

  #target(to: WireType, present: string | undefined, path: string, owner: string): string {
    if (present === undefined) return this.#straight(to, path, owner)()
    const value = this.#out.variable()
    this.#out.line(`let ${value}`)
    this.#block(`if (${present})`, () => {
      this.#out.line(`${value} = ${this.#straight(to, path, owner)()}`)
    })
    return value
  }

  #object(type: WireStruct, path: string): string {
    this.#layout.align(type.align)
    const pathOf = (name: string): string => `${path}.${name}`
    if (this.#agreeing(type.members, pathOf).length > 0) {
      const record = this.#record(type.members)
      for (const member of type.members) {
        const begun = this.#begin(member.type, pathOf(member.name), record)
        this.#out.line(`${record}[${this.#out.property(member.name)}] = ${begun}`)
      }
      return record
    }
    const values = type.members.map(
      (member) => `${this.#out.property(member.name)}: ${this.#begin(member.type, pathOf(member.name), 'undefined')}`,
    )
    return this.#keep(`{ ${values.join(', ')} }`)
  }

  #items(type: WireStruct, count: string, path: string): string {
    const { item, bytes } = countedItem(type)
    const room = this.#word()
    this.#layout.end()
    const least = bytes ? 1 : this.#codecs.of(item, path).least
    this.#out.line(`${this.#k(confirmRoom)}(r, ${count}, ${room}, ${least}, ${this.#k(path)})`)
    if (bytes) {
      const value = this.#keep(`r.bytes(${count})`)
      this.#layout.forget()
      return value
    }
    const items = this.#keep('[]')
    const i = this.#out.variable()
    const align = alignOf(item)
    const even = (inlineSize(item) ?? 1) % align === 0
    if (even && align > 1) this.#out.line(`if (${count} !== 0) r.align(${align})`)
    const more = isPlain(item) ? this.#hasMore(item) : this.#codecs.of(item, path).readLater !== undefined
    const head = `for (let ${i} = 0; ${i} < ${count}; ${i}++)`
    this.#block(
      head,
      () => {
        const one = more
          ? this.#begin(item, `${path}[]`, 'undefined')
          : this.#straight(item, `${path}[]`, 'undefined')()
        this.#out.line(`${items}.push(${one})`)
      },
      even ? align : 1,
    )
    if (!more) return items
    this.#block(head, () => {
      const one = this.#keep(`${items}[${i}]`)
      this.#out.line(`${items}[${i}] = ${this.#finish(item, one, `${path}[]`, 'undefined')}`)
    })
    return items
  }

  #base(type: WireBase, path: string): string {
    const value = this.#load(type, this.#layout.fixed(type.size, type.size), path)
    if (type.range === undefined) return value
    const [least, most] = type.range
    const error = `${this.#k(malformed)}(${this.#k(path)}, ${this.#k(`not in the range from ${least} to ${most}`)})`
    this.#out.line(`if (!${this.#k(rowOf(type).fits)}(${value})) throw ${error}`)
    return value
  }

  #load({ as, base, size }: WireBase, at: string, path: string): string {
    switch (as) {
      case 'boolean':
        return this.#keep(`d.getUint8(${at}) !== 0`)
      case 'bigint':
        return this.#keep(base === 'hyper' ? `d.getBigInt64(${at}, le)` : `d.getBigUint64(${at}, le)`)
      case 'date':
        return this.#keep(`${this.#k(dateFromView)}(d, ${at}, le)`)
      case 'safe integer': {
        const [first, second] = [this.#keep(`d.getUint32(${at}, le)`), this.#keep(`d.getUint32(${at} + 4, le)`)]
        const high = this.#keep(`le ? ${second} : ${first}`)
        const path_ = this.#k(path)
        this.#out.line(`if (${high} > 2097151) throw ${this.#k(malformed)}(${path_}, 'an integer above 2^53 - 1')`)
        return this.#keep(`${high} * 4294967296 + (le ? ${first} : ${second})`)
      }
      case 'unit':
        return this.#keep(`String.fromCharCode(${size === 1 ? `d.getUint8(${at})` : `d.getUint16(${at}, le)`})`)
      case 'number': {
        if (base === 'float') return this.#keep(`d.getFloat32(${at}, le)`)
        if (base === 'double') return this.#keep(`d.getFloat64(${at}, le)`)
        const signed = base === 'small' || base === 'short' || base === 'long' ? 'Int' : 'Uint'
        return this.#keep(`d.get${signed}${size * 8}(${at}${size === 1 ? '' : ', le'})`)
      }
    }
  }

  /** The codecs of members that agree with their siblings. */
  #agreeing(members: readonly WireMember[], pathOf: (name: string) => string): { name: string; codec: Codec }[] {
    return members
      .filter(({ type }) => !isPlain(type))
      .map(({ name, type }) => ({ name, codec: this.#codecs.of(type, pathOf(name)) }))
      .filter(({ codec }) => codec.agree !== undefined)
  }

  #record(members: readonly WireMember[]): string {
    return this.#keep(`{ ${members.map(({ name }) => `${this.#out.property(name)}: undefined`).join(', ')} }`)
  }

  #word(): string {
    return this.#keep(`d.getUint32(${this.#layout.fixed(4, 4)}, le)`)
  }

  #notNull(path: string): void {
    const pointer = this.#word()
    this.#out.line(
      `if (${pointer} === 0) throw ${this.#k(malformed)}(${this.#k(path)}, 'a null pointer where there must be a value')`,
    )
  }

  #keep(expression: string): string {
    const variable = this.#out.variable()
    this.#out.line(`const ${variable} = ${expression}`)
    return variable
  }

  #block(head: string, body: () => void, modulus = 1): void {
    this.#layout.forget(modulus)
    this.#out.line(`${head} {`)
    body()
    this.#layout.forget()
    this.#out.line('}')
  }

  #codec(type: WireType, path: string): string {
    return this.#k(this.#codecs.of(type, path))
  }

  #k(value: unknown): string {
    return this.#out.constant(value)
  }
}
