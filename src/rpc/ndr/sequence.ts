import type { Reader } from '../../bytes/index.ts'
import { badValue, type Codec, malformed, WORD } from './codec.ts'
import { pointTo, readPointer } from './pointer.ts'

/** The inline part of both: the count and the reference pointer, each possibly behind padding, `bytes`. */
const HEAD = 2 * WORD
/** At most this much for head, maximum count and their padding, `bytes`. */
const HEAD_MOST: number = HEAD + 2 * WORD + 3

/** `struct { unsigned long count; [size_is(count), ref] byte *items; }`. What is read is a view: nothing is copied. */
export function bytesCodec(path: string): Codec {
  return {
    align: WORD,
    least: HEAD,
    zero: new Uint8Array(0),
    refs: false,
    measure: (value) => (value instanceof Uint8Array ? value.length + HEAD_MOST : 0),
    write(writer, value) {
      if (!(value instanceof Uint8Array)) throw badValue(path, 'a Uint8Array', value)
      writer.align(WORD)
      writer.u32(value.length)
      pointTo(writer)
    },
    writeLater(writer, value) {
      writer.align(WORD)
      writer.u32((value as Uint8Array).length)
      writer.bytes(value as Uint8Array)
    },
    read: (reader) => readCount(reader, path),
    readLater(reader, begun) {
      confirmCount(reader, begun as number, 1, path)
      return reader.bytes(begun as number)
    },
  }
}

/**
 * `struct { unsigned long count; [size_is(count), ref] T *items; }`: items in order, then everything that they point to.
 * A claimed count is checked against the bytes that are left before anything is allocated.
 */
export function arrayCodec(item: Codec, path: string): Codec {
  const { writeLater, readLater } = item
  return {
    align: WORD,
    least: HEAD,
    zero: Object.freeze([]),
    refs: item.refs,
    measure(value) {
      let total = HEAD_MOST
      if (Array.isArray(value)) for (const one of value) total += item.measure(one)
      return total
    },
    write(writer, value) {
      if (!Array.isArray(value)) throw badValue(path, 'an array', value)
      writer.align(WORD)
      writer.u32(value.length)
      pointTo(writer)
    },
    writeLater(writer, value, port) {
      const items = value as unknown[]
      const count = items.length
      writer.align(WORD)
      writer.u32(count)
      for (let i = 0; i < count; i++) item.write(writer, items[i], port)
      if (writeLater === undefined) return
      for (let i = 0; i < count; i++) writeLater(writer, items[i], port)
    },
    read: (reader) => readCount(reader, path),
    readLater(reader, begun, port) {
      const count = begun as number
      confirmCount(reader, count, item.least, path)
      const items: unknown[] = []
      for (let i = 0; i < count; i++) items.push(item.read(reader, port))
      if (readLater !== undefined) for (let i = 0; i < count; i++) items[i] = readLater(reader, items[i], port)
      return items
    },
  }
}

function readCount(reader: Reader, path: string): number {
  reader.align(WORD)
  const count = reader.u32()
  readPointer(reader, path)
  return count
}

/** The maximum count of the conformant array must say the same as the count, and the bytes must be there. */
function confirmCount(reader: Reader, count: number, least: number, path: string): void {
  reader.align(WORD)
  const room = reader.u32()
  if (room !== count) throw malformed(path, `count ${count} and array size ${room} differ`)
  if (count * least > reader.left) throw malformed(path, `${count} items cannot be in ${reader.left} bytes`)
}
