import { readUuid } from '../pdu/uuid.ts'
import type { Codecs } from './build.ts'
import { malformed } from './codec.ts'
import { fromJson, mapFrom } from './counted.ts'
import type { Emitter } from './emitter.ts'
import { agrees, asksSiblings, finishes, isPlain, isPlainString } from './plain.ts'
import { finishItems, readArray, readCounted } from './compile-read-array.ts'
import { ReadText } from './compile-read-text.ts'
import { beginUnion, finishUnion } from './compile-read-union.ts'
import { lateChecks } from './struct.ts'
import { readString } from './text.ts'
import type { WireMember, WirePointer, WireStruct, WireType } from './wire.ts'

/** What was read inline: `finish` writes the code for what was deferred, and gives the expression of the value. */
type Half = () => string

/** Writes the part of a program that reads values. */
export class ReadCompiler {
  readonly text: ReadText

  constructor(out: Emitter, codecs: Codecs) {
    this.text = new ReadText(out, codecs)
  }

  /** A whole parameter with what it points to: the expression of the value. */
  parameter(type: WireType, path: string, owner: string): string {
    const value = this.whole(type.kind === 'pointer' && type.pointer === 'ref' ? type.to : type, path, owner)
    this.text.layout.end()
    return value
  }

  /** All parameters: the expression of an object with a member for each. */
  parameters(members: readonly WireMember[], pathOf: (name: string) => string): string {
    const { out } = this.text
    if (!asksSiblings(members)) {
      const values = members.map(
        ({ name, type }) => `${out.property(name)}: ${this.parameter(type, pathOf(name), 'undefined')}`,
      )
      return `{ ${values.join(', ')} }`
    }
    const record = this.text.record(members)
    for (const { name, type } of members) {
      out.line(`${record}[${out.property(name)}] = ${this.parameter(type, pathOf(name), record)}`)
    }
    this.#checkLate(members, pathOf, record)
    return record
  }

  /** A value with what it points to right behind it. */
  whole(type: WireType, path: string, owner: string): string {
    return this.#straight(type, path, owner)()
  }

  /** Reads the inline part into variables. */
  #straight(type: WireType, path: string, owner: string): Half {
    const apart = type.kind === 'struct' && type.as === 'object' && !type.conformant && !asksSiblings(type.members)
    if (!apart) {
      const begun = this.begin(type, path, owner)
      return () => this.finish(type, begun, path, owner)
    }
    const { out, layout } = this.text
    layout.align(type.align)
    const halves = type.members.map((member) => ({
      name: out.property(member.name),
      half: this.#straight(member.type, `${path}.${member.name}`, 'undefined'),
    }))
    return () => {
      const values = halves.map(({ name, half }) => `${name}: ${half()}`)
      return this.text.keep(`{ ${values.join(', ')} }`)
    }
  }

  /** Reads the inline part: the expression of the value, or of what `finish` needs to finish it. */
  begin(type: WireType, path: string, owner: string): string {
    const { text } = this
    switch (type.kind) {
      case 'handle':
      case 'interface':
        return text.called(`${text.codec(type, path)}.read(r, port, ${owner})`)
      case 'base':
        return text.base(type, path)
      case 'enum':
        return text.enumeration(type, path)
      case 'guid':
        text.layout.align(4)
        return text.called(`${text.k(readUuid)}(r)`, 4)
      case 'array': {
        if (!isPlainString(type)) return readArray(this, type, path, owner)
        const [room, offset, count] = [text.word(), text.word(), text.word()]
        return text.called(`${text.k(readString)}(r, ${room}, ${offset}, ${count}, ${text.k(path)})`, 2)
      }
      case 'struct': {
        if (type.as === 'object') return this.object(type, path, type.conformant ? text.word() : undefined)
        const count = text.word()
        text.notNull(path)
        return count
      }
      case 'union':
        return beginUnion(this, type, path, owner)
      case 'pointer':
        if (type.pointer === 'unique') return text.keep(`${text.word()} !== 0`)
        text.notNull(path)
        return 'true'
    }
  }

  /** Reads what was deferred: the expression of the whole value. */
  finish(type: WireType, begun: string, path: string, owner: string): string {
    const { text } = this
    if (!isPlain(type)) {
      if (text.codecs.of(type, path).readLater === undefined) return begun
      return text.called(`${text.codec(type, path)}.readLater(r, ${begun}, port, ${owner})`)
    }
    switch (type.kind) {
      case 'pointer':
        return type.pointer === 'ref' ? this.whole(type.to, path, owner) : this.#target(type, begun, path, owner)
      case 'union':
        return finishUnion(this, type, begun, path, owner)
      case 'array':
        return finishes(type) ? finishItems(this, type.item, begun, path) : begun
      case 'struct':
        return type.as === 'object' ? this.#finishObject(type, begun, path) : this.#counted(type, begun, path)
      default:
        return begun
    }
  }

  #finishObject(type: WireStruct, begun: string, path: string): string {
    const { out } = this.text
    const pathOf = (name: string): string => `${path}.${name}`
    for (const member of type.members) {
      if (!finishes(member.type)) continue
      const place = `${begun}[${out.property(member.name)}]`
      out.line(`${place} = ${this.finish(member.type, place, pathOf(member.name), begun)}`)
    }
    this.#checkLate(type.members, pathOf, begun)
    return begun
  }

  #checkLate(members: readonly WireMember[], pathOf: (name: string) => string, record: string): void {
    const codecs = this.text.agreeing(members, pathOf)
    if (codecs.length > 0) this.text.out.line(`${this.text.k(lateChecks(codecs))}(${record})`)
  }

  #counted(type: WireStruct, count: string, path: string): string {
    const { text } = this
    const items = readCounted(this, type, count, path)
    if (type.as === 'items') return items
    return text.keep(`${text.k(type.as === 'map' ? mapFrom : fromJson)}(${items}, ${text.k(path)})`)
  }

  /** What a pointer points to that may be null. */
  #target({ to, as }: WirePointer, present: string, path: string, owner: string): string {
    const { text } = this
    const { out } = text
    const value = out.variable()
    out.line(`let ${value}`)
    text.block(`if (${present})`, () => {
      const target = this.whole(to, path, owner)
      out.line(`${value} = ${as === 'box' ? `{ value: ${target} }` : target}`)
    })
    const { agree } = agrees(to) ? text.codecs.of(to, path) : {}
    if (agree !== undefined) out.line(`else ${text.k(agree)}(undefined, ${owner}, ${text.k(malformed)})`)
    return value
  }

  /**
   * The members of a struct without what they point to. `room` was announced in front of it, where it ends in a conformant
   * array; `first` is a property that stands in front of the members.
   */
  object(type: WireStruct, path: string, room?: string, first?: string): string {
    const { text } = this
    const { out } = text
    text.layout.align(type.align)
    const begin = (member: WireMember, owner: string): string => {
      const at = `${path}.${member.name}`
      if (room === undefined || member !== type.members.at(-1)) return this.begin(member.type, at, owner)
      if (member.type.kind === 'struct') return this.object(member.type, at, room)
      return member.type.kind === 'array' ? readArray(this, member.type, at, owner, room) : 'undefined'
    }
    if (asksSiblings(type.members)) {
      const record = text.record(type.members)
      for (const member of type.members) out.line(`${record}[${out.property(member.name)}] = ${begin(member, record)}`)
      return first === undefined ? record : text.keep(`Object.assign({ ${first} }, ${record})`)
    }
    const values = type.members.map((member) => `${out.property(member.name)}: ${begin(member, 'undefined')}`)
    return text.keep(`{ ${[...(first === undefined ? [] : [first]), ...values].join(', ')} }`)
  }
}
