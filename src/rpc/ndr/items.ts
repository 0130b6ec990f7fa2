import { badValue, type Codec } from './codec.ts'
import type { Items } from './counts.ts'

/** Bytes: what is read is a view, nothing is copied. */
export function octets(path: string): Items {
  return {
    count(value) {
      if (!(value instanceof Uint8Array)) throw badValue(path, 'a Uint8Array', value)
      return value.length
    },
    travelled: (value) => (value as Uint8Array).length,
    least: 1,
    refs: false,
    zero: (count) => new Uint8Array(count),
    measure: (value) => (value instanceof Uint8Array ? value.length : 0),
    write: (writer, value) => writer.bytes(value as Uint8Array),
    writeLater: undefined,
    read: (reader, count) => reader.bytes(count),
    readLater: undefined,
    fills: false,
  }
}

/** Items in order, then everything that they point to. */
export function itemsOf(item: Codec, path: string): Items {
  const { writeLater, readLater } = item
  return {
    count(value) {
      if (!Array.isArray(value)) throw badValue(path, 'an array', value)
      return value.length
    },
    travelled: (value) => (value as unknown[]).length,
    least: item.least,
    refs: item.refs,
    zero: (count) => Object.freeze(Array.from({ length: count }, () => item.zero)),
    measure(value) {
      let total = 0
      if (Array.isArray(value)) for (const one of value) total += item.measure(one)
      return total
    },
    write(writer, value, count, port) {
      const items = value as unknown[]
      for (let i = 0; i < count; i++) item.write(writer, items[i], port, undefined)
    },
    writeLater:
      writeLater === undefined
        ? undefined
        : (writer, value, port) => {
            const items = value as unknown[]
            const count = items.length
            for (let i = 0; i < count; i++) writeLater(writer, items[i], port, undefined)
          },
    read(reader, count, port) {
      const items: unknown[] = []
      for (let i = 0; i < count; i++) items.push(item.read(reader, port, undefined))
      return items
    },
    readLater:
      readLater === undefined
        ? undefined
        : (reader, begun, port) => {
            const items = begun as unknown[]
            for (let i = 0; i < items.length; i++) items[i] = readLater(reader, items[i], port, undefined)
            return items
          },
    fills: false,
  }
}
