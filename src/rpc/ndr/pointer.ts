import type { Reader, Writer } from '../../bytes/index.ts'
import { type Codec, malformed, WORD } from './codec.ts'

/** First referent id. Our choice: what Windows uses. */
const FIRST_REFERENT = 0x0002_0000

/** Writes the id of a pointer that is not null: its position makes it unlike every other one of the message. */
export function pointTo(writer: Writer): void {
  writer.align(WORD)
  writer.u32(FIRST_REFERENT + writer.length)
}

/** Reads a pointer that must not be null. */
export function readPointer(reader: Reader, path: string): void {
  reader.align(WORD)
  if (reader.u32() === 0) throw malformed(path, 'a null pointer where there must be a value')
}

/** A reference pointer inside another construct: four bytes in place, the value behind that construct (C706, 14.3.12). */
export function pointed(target: Codec, path: string): Codec {
  const { write, writeLater, read, readLater } = target
  return {
    align: WORD,
    least: WORD,
    zero: target.zero,
    refs: target.refs,
    measure: (value) => target.measure(value) + 2 * WORD,
    write: (writer) => pointTo(writer),
    writeLater(writer, value, port) {
      write(writer, value, port)
      writeLater?.(writer, value, port)
    },
    read: (reader) => readPointer(reader, path),
    readLater(reader, _begun, port) {
      const begun = read(reader, port)
      return readLater === undefined ? begun : readLater(reader, begun, port)
    },
  }
}

/** A unique pointer: null stands for `absent`, every other value is behind the construct that holds the pointer. */
export function nullable(target: Codec, absent: unknown, zero: unknown): Codec {
  const { write, writeLater, read, readLater } = target
  return {
    align: WORD,
    least: WORD,
    zero,
    refs: target.refs,
    measure: (value) => (value === absent ? 0 : target.measure(value)) + 2 * WORD,
    write(writer, value) {
      if (value === absent) {
        writer.align(WORD)
        writer.u32(0)
      } else pointTo(writer)
    },
    writeLater(writer, value, port) {
      if (value === absent) return
      write(writer, value, port)
      writeLater?.(writer, value, port)
    },
    read(reader) {
      reader.align(WORD)
      return reader.u32() !== 0
    },
    readLater(reader, begun, port) {
      if (begun !== true) return undefined
      const inner = read(reader, port)
      return readLater === undefined ? inner : readLater(reader, inner, port)
    },
  }
}
