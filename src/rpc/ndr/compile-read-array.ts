import { shapedOf } from './build.ts'
import type { ReadCompiler } from './compile-read.ts'
import { confirmRoom } from './counted.ts'
import { countedItem, finishes, inlineSize } from './plain.ts'
import { alignOf, isVarying, type WireArray, type WireStruct, type WireType } from './wire.ts'

/** What is behind `struct { count; items }`. */
export function readCounted(read: ReadCompiler, type: WireStruct, count: string, path: string): string {
  const { text } = read
  const { item, bytes } = countedItem(type)
  const room = text.word()
  text.layout.end()
  const least = bytes ? 1 : text.codecs.of(item, `${path}[]`).least
  text.out.line(`${text.k(confirmRoom)}(r, ${count}, ${room}, ${least}, ${text.k(path)})`)
  if (bytes) return text.called(`r.bytes(${count})`)
  const items = readItems(read, item, count, path)
  return finishes(item) ? finishItems(read, item, items, path) : items
}

/** An array of any shape, with its counts; `room` was announced before, or is read here. */
export function readArray(read: ReadCompiler, type: WireArray, path: string, owner: string, room?: string): string {
  const { text } = read
  const { shape, as, item } = type
  const { items, counts } = shapedOf(type, path)
  const most = shape.form === 'fixed' ? `${shape.length}` : shape.form === 'varying' ? `${shape.most}` : undefined
  const of = most ?? room ?? text.word()
  const [offset, count] = isVarying(shape) ? [text.word(), text.word()] : ['0', of]
  text.layout.end()
  text.out.line(`${text.k(counts.confirm)}(r, ${owner}, ${of}, ${offset}, ${count})`)
  if (as === 'bytes') return text.called(`r.bytes(${count})`)
  if (as === 'text') return text.called(`${text.k(items.read)}(r, ${count}, port)`)
  return readItems(read, item, count, path)
}

/** So many items, without what they point to when that comes behind them. */
function readItems(read: ReadCompiler, item: WireType, count: string, path: string): string {
  const { text } = read
  const items = text.keep('[]')
  const i = text.out.variable()
  const align = alignOf(item)
  const even = (inlineSize(item) ?? 1) % align === 0
  text.layout.end()
  if (even && align > 1) text.out.line(`if (${count} !== 0) r.align(${align})`)
  text.block(
    `for (let ${i} = 0; ${i} < ${count}; ${i}++)`,
    () => {
      const at = `${path}[]`
      const one = finishes(item) ? read.begin(item, at, 'undefined') : read.whole(item, at, 'undefined')
      text.out.line(`${items}.push(${one})`)
    },
    even ? align : 1,
  )
  return items
}

/** What items point to. */
export function finishItems(read: ReadCompiler, item: WireType, items: string, path: string): string {
  const { text } = read
  const list = text.keep(items)
  const i = text.out.variable()
  text.block(`for (let ${i} = 0; ${i} < ${list}.length; ${i}++)`, () => {
    const one = text.keep(`${list}[${i}]`)
    text.out.line(`${list}[${i}] = ${read.finish(item, one, `${path}[]`, 'undefined')}`)
  })
  return list
}
