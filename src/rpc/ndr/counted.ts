import type { Reader, Writer } from '../../bytes/index.ts'
import { utf8Decode, utf8Encode } from '../../bytes/index.ts'
import { badValue, type Codec, malformed, type RefPort, WORD } from './codec.ts'
import type { Items } from './counts.ts'
import { pointTo, readPointer } from './pointer.ts'

/** The inline part: the count and the reference pointer, each possibly behind padding, `bytes`. */
const HEAD: number = 2 * WORD
/** At most this much for head, maximum count and their padding, `bytes`. */
const HEAD_MOST: number = HEAD + 2 * WORD + 3

/**
 * `struct { unsigned long count; [size_is(count), ref] T *items; }`: items in order, then everything that they point to.
 * A claimed count is checked against the bytes that are left before anything is allocated.
 */
export function countedCodec(items: Items, path: string): Codec {
  return {
    least: HEAD,
    zero: items.zero(0),
    refs: items.refs,
    measure: (value) => items.measure(value) + HEAD_MOST,
    write(writer, value) {
      const count = items.count(value)
      writer.align(WORD)
      writer.u32(count)
      pointTo(writer)
    },
    writeLater(writer, value, port) {
      const count = items.count(value)
      writer.align(WORD)
      writer.u32(count)
      items.write(writer, value, count, port)
      items.writeLater?.(writer, value, port, undefined)
    },
    read: (reader) => readCount(reader, path),
    readLater(reader, begun, port) {
      const count = begun as number
      confirmCount(reader, count, items.least, path)
      const read = items.read(reader, count, port)
      return items.readLater === undefined ? read : items.readLater(reader, read, port, undefined)
    },
  }
}

/** The count and the pointer behind it. */
function readCount(reader: Reader, path: string): number {
  reader.align(WORD)
  const count = reader.u32()
  readPointer(reader, path)
  return count
}

/** The maximum count of the conformant array must say the same as the count, and the bytes must be there. */
function confirmCount(reader: Reader, count: number, least: number, path: string): void {
  reader.align(WORD)
  confirmRoom(reader, count, reader.u32(), least, path)
}

/** The same with the maximum count read already. */
export function confirmRoom(reader: Reader, count: number, room: number, least: number, path: string): void {
  if (room !== count) throw malformed(path, `count ${count} and array size ${room} differ`)
  if (count * least > reader.left) throw malformed(path, `${count} items cannot be in ${reader.left} bytes`)
}

interface Entry {
  readonly key: unknown
  readonly value: unknown
}

/** The entries of a Map. */
export function entriesOf(value: unknown, path: string): Entry[] {
  if (!(value instanceof Map)) throw badValue(path, 'a Map', value)
  return Array.from(value as Map<unknown, unknown>, ([key, of]) => ({ key, value: of }))
}

/** The Map of entries that were read; `MALFORMED` when a key comes twice. */
export function mapFrom(entries: readonly Entry[], path: string): Map<unknown, unknown> {
  const map = new Map<unknown, unknown>()
  for (const { key, value } of entries) map.set(key, value)
  if (map.size !== entries.length) throw malformed(path, 'a map with a key that comes twice')
  return map
}

/** Entries as `{ key, value }`, in the order of the Map; a key that comes twice is refused. */
export function mapCodec(entries: Codec, path: string): Codec {
  return {
    ...entries,
    zero: new Map(),
    measure: (value) => (value instanceof Map ? entries.measure(entriesOf(value, path)) : 0),
    write: (writer: Writer, value: unknown, port: RefPort) =>
      entries.write(writer, entriesOf(value, path), port, undefined),
    writeLater: (writer, value, port) => entries.writeLater?.(writer, entriesOf(value, path), port, undefined),
    readLater(reader, begun, port) {
      return mapFrom(entries.readLater?.(reader, begun, port, undefined) as Entry[], path)
    },
  }
}

/** UTF-8 JSON text as bytes. */
export function jsonCodec(bytes: Codec, path: string): Codec {
  return {
    ...bytes,
    zero: null,
    measure: (value) => HEAD_MOST + 3 * (jsonText(value)?.length ?? 0),
    write: (writer, value, port) => bytes.write(writer, toJson(value, path), port, undefined),
    writeLater: (writer, value, port) => bytes.writeLater?.(writer, toJson(value, path), port, undefined),
    readLater: (reader, begun, port) => fromJson(bytes.readLater?.(reader, begun, port, undefined) as Uint8Array, path),
  }
}

/** The text of a value as bytes; `BAD_VALUE` for what JSON cannot say. */
export function toJson(value: unknown, path: string): Uint8Array {
  const text = jsonText(value)
  if (text === undefined) throw badValue(path, 'what JSON can say', value)
  return utf8Encode(text)
}

/** `undefined` for what JSON cannot say: a circle, a bigint, a function, something deeper than the stack. */
function jsonText(value: unknown): string | undefined {
  try {
    return JSON.stringify(value)
  } catch {
    return undefined
  }
}

export function fromJson(bytes: Uint8Array, path: string): unknown {
  try {
    return JSON.parse(utf8Decode(bytes)) as unknown
  } catch {
    throw malformed(path, `${bytes.length} bytes that are not JSON`)
  }
}
