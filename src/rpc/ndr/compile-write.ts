import { writeUuid } from '../pdu/uuid.ts'
import type { Codecs } from './build.ts'
import { disagrees } from './codec.ts'
import { entriesOf, toJson } from './counted.ts'
import type { Emitter } from './emitter.ts'
import { agrees, countedItem, defers, isPlain, isPlainString } from './plain.ts'
import { isGuid } from './scalar.ts'
import { checkText } from './text.ts'
import type { WireMember, WirePointer, WireStruct, WireType } from './wire.ts'
import { deferItems, roomOf, writeArray, writeItems } from './compile-write-array.ts'
import { REFERENT, WriteText } from './compile-write-text.ts'
import { deferUnion, writeUnion } from './compile-write-union.ts'

/** Writes the part of a program that writes values. */
export class WriteCompiler {
  readonly text: WriteText

  constructor(out: Emitter, codecs: Codecs) {
    this.text = new WriteText(out, codecs)
  }

  /** A whole parameter: the value, then what it points to. */
  parameter(type: WireType, v: string, path: string, owner: string): void {
    this.#whole(type.kind === 'pointer' && type.pointer === 'ref' ? type.to : type, v, path, owner)
  }

  #whole(type: WireType, v: string, path: string, owner: string): void {
    this.inline(type, v, path, owner)
    this.later(type, v, path, owner)
  }

  /** A variable that holds a member of a value. */
  member(v: string, name: string): string {
    return this.text.member(v, name)
  }

  end(): void {
    this.text.layout.end()
  }

  /** The value without what it points to. */
  inline(type: WireType, v: string, path: string, owner: string): void {
    const { text } = this
    switch (type.kind) {
      case 'handle':
      case 'interface':
        return text.called(`${text.codec(type, path)}.write(w, ${v}, port, ${owner})`)
      case 'base':
        return text.base(type, v, path)
      case 'enum':
        return text.enumeration(type, v, path)
      case 'guid':
        text.refuse(`!${text.k(isGuid)}(${v})`, path, 'a GUID as text', v)
        text.layout.align(4)
        return text.called(`${text.k(writeUuid)}(w, ${v}, le)`, 4)
      case 'array':
        return isPlainString(type) ? this.#string(v, path) : writeArray(this, type, v, path, owner)
      case 'struct':
        return type.as === 'object' ? this.#struct(type, v, path) : this.#counted(type, v, path)
      case 'union':
        return writeUnion(this, type, v, path, owner)
      case 'pointer':
        return this.#pointer(type, v, path, owner)
    }
  }

  /** What the value points to. */
  later(type: WireType, v: string, path: string, owner: string): void {
    const { text } = this
    if (!defers(type)) return
    if (!isPlain(type)) return text.called(`${text.codec(type, path)}.writeLater(w, ${v}, port, ${owner})`)
    switch (type.kind) {
      case 'array':
        return deferItems(this, type.item, v, path)
      case 'struct':
        if (type.as !== 'object') return this.#items(type, v, path)
        for (const member of type.members) {
          if (!defers(member.type)) continue
          this.later(member.type, this.member(v, member.name), `${path}.${member.name}`, v)
        }
        return
      case 'union':
        return deferUnion(this, type, v, path, owner)
      case 'pointer': {
        const target = (): void => this.#whole(type.to, type.as === 'box' ? this.member(v, 'value') : v, path, owner)
        if (type.pointer === 'ref') target()
        else text.block(`if (${v} !== undefined)`, target)
        return
      }
      default:
    }
  }

  #pointer({ pointer, as, to }: WirePointer, v: string, path: string, owner: string): void {
    const { text } = this
    if (pointer === 'ref') return text.word(REFERENT)
    if (as === 'box') {
      const wrong = `${v} !== undefined && (typeof ${v} !== 'object' || ${v} === null)`
      text.refuse(wrong, path, '{ value } or undefined', v)
    }
    const { agree } = agrees(to) ? text.codecs.of(to, path) : {}
    if (agree !== undefined) {
      text.out.line(`if (${v} === undefined) ${text.k(agree)}(undefined, ${owner}, ${text.k(disagrees)})`)
    }
    text.word(`${v} === undefined ? 0 : ${REFERENT}`)
  }

  #string(v: string, path: string): void {
    const { text } = this
    text.refuse(`typeof ${v} !== 'string'`, path, 'a string', v)
    text.out.line(`${text.k(checkText)}(${v}, 2, 'terminated', ${text.k(path)})`)
    text.word(`${v}.length + 1`)
    text.word('0')
    text.word(`${v}.length + 1`)
    text.called(`w.utf16(${v}); w.u16(0)`, 2)
  }

  #struct(type: WireStruct, v: string, path: string): void {
    if (type.conformant) this.text.word(roomOf(this, type, v, path, 'undefined'))
    this.body(type, v, path)
  }

  /** A struct without the count that is announced in front of it, where it ends in a conformant array. */
  body(type: WireStruct, v: string, path: string): void {
    const { text } = this
    text.refuse(`typeof ${v} !== 'object' || ${v} === null`, path, 'an object', v)
    text.layout.align(type.align)
    for (const member of type.members) this.#member(type, member, v, `${path}.${member.name}`)
  }

  #member({ members, conformant }: WireStruct, member: WireMember, v: string, path: string): void {
    const { name, type } = member
    const of = this.member(v, name)
    if (!conformant || member !== members.at(-1)) return this.inline(type, of, path, v)
    if (type.kind === 'struct') this.body(type, of, path)
    else if (type.kind === 'array') writeArray(this, type, of, path, v, 'announced')
  }

  #counted(type: WireStruct, v: string, path: string): void {
    const { text } = this
    const list = this.#listed(type, v, path)
    if (countedItem(type).bytes) text.refuse(`!(${list} instanceof Uint8Array)`, path, 'a Uint8Array', list)
    else text.refuse(`!Array.isArray(${list})`, path, 'an array', list)
    text.word(`${list}.length`)
    text.word(REFERENT)
  }

  #items(type: WireStruct, v: string, path: string): void {
    const { text } = this
    const { item, bytes } = countedItem(type)
    const list = this.#listed(type, v, path)
    text.word(`${list}.length`)
    if (bytes) return text.called(`w.bytes(${list})`)
    writeItems(this, item, list, `${list}.length`, path)
    deferItems(this, item, list, path)
  }

  /** What travels of a value that is behind a count: entries of a Map, bytes of JSON. */
  #listed({ as }: WireStruct, v: string, path: string): string {
    const { text } = this
    if (as === 'items') return v
    return text.known(`${v} listed`, () => `${text.k(as === 'map' ? entriesOf : toJson)}(${v}, ${text.k(path)})`)
  }
}
