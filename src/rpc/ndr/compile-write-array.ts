import { shapedOf } from './build.ts'
import type { WriteCompiler } from './compile-write.ts'
import { defers, inlineSize } from './plain.ts'
import { alignOf, isAnnounced, isVarying, type WireArray, type WireStruct, type WireType } from './wire.ts'

/** An array of any shape, with its counts: all, or without the maximum count that stands in front of a struct. */
export function writeArray(
  write: WriteCompiler,
  type: WireArray,
  v: string,
  path: string,
  owner: string,
  announced?: 'announced',
): void {
  const { text } = write
  const { shape, as, item } = type
  const count = countOf(write, type, v, path, owner)
  if (isAnnounced(shape) && announced === undefined) text.word(roomOf(write, type, v, path, owner))
  if (isVarying(shape)) {
    text.word('0')
    text.word(count)
  }
  if (as === 'bytes') return text.called(`w.bytes(${v})`)
  if (as === 'text') return text.called(`${text.k(shapedOf(type, path).items.write)}(w, ${v}, ${count}, port)`)
  writeItems(write, item, v, count, path)
}

/** A variable that holds how many items of an array travel. */
function countOf({ text }: WriteCompiler, type: WireArray, v: string, path: string, owner: string): string {
  return text.known(`${v} counted`, () => `${text.k(shapedOf(type, path).counts.counted)}(${v}, ${owner})`)
}

/** A variable that holds the maximum count to announce for an array, or for the struct that ends in one. */
export function roomOf(
  write: WriteCompiler,
  type: WireArray | WireStruct,
  v: string,
  path: string,
  owner: string,
): string {
  const { text } = write
  if (type.kind === 'array') {
    const count = countOf(write, type, v, path, owner)
    return text.keep(`${text.k(shapedOf(type, path).counts.room)}(${count}, ${owner})`)
  }
  text.refuse(`typeof ${v} !== 'object' || ${v} === null`, path, 'an object', v)
  const last = type.members.at(-1)
  if (last?.type.kind !== 'array' && last?.type.kind !== 'struct') return '0'
  return roomOf(write, last.type, write.member(v, last.name), `${path}.${last.name}`, v)
}

/** Items in order, without what they point to. */
export function writeItems(write: WriteCompiler, item: WireType, v: string, count: string, path: string): void {
  const { text } = write
  const align = alignOf(item)
  const even = (inlineSize(item) ?? 1) % align === 0
  text.layout.end()
  if (even && align > 1) text.out.line(`if (${count} !== 0) w.align(${align})`)
  eachItem(write, v, count, (one) => write.inline(item, one, `${path}[]`, 'undefined'), even ? align : 1)
}

/** What items point to. */
export function deferItems(write: WriteCompiler, item: WireType, v: string, path: string): void {
  if (!defers(item)) return
  eachItem(write, v, `${v}.length`, (one) => write.later(item, one, `${path}[]`, 'undefined'), 1)
}

function eachItem(
  { text }: WriteCompiler,
  v: string,
  count: string,
  each: (one: string) => void,
  modulus: number,
): void {
  const i = text.out.variable()
  text.block(`for (let ${i} = 0; ${i} < ${count}; ${i}++)`, () => each(text.keep(`${v}[${i}]`)), modulus)
}
