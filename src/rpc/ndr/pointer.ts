import type { Reader, Writer } from '../../bytes/index.ts'
import { badValue, type Codec, disagrees, isRecord, malformed, WORD } from './codec.ts'

/** First referent id, and what is added for each further pointer. Our choice: what Windows and Samba use. */
const FIRST_REFERENT = 0x0002_0000
const REFERENT_STEP = 4

/** Writes the id of a pointer that is not null: unlike that of every other one of the message. */
export function pointTo(writer: Writer): void {
  writer.align(WORD)
  writer.u32((FIRST_REFERENT + REFERENT_STEP * writer.marks++) >>> 0)
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
    least: WORD,
    zero: target.zero,
    refs: target.refs,
    measure: (value) => target.measure(value) + 2 * WORD,
    write: (writer) => pointTo(writer),
    writeLater(writer, value, port, owner) {
      write(writer, value, port, owner)
      writeLater?.(writer, value, port, owner)
    },
    read: (reader) => readPointer(reader, path),
    readLater(reader, _begun, port, owner) {
      const begun = read(reader, port, owner)
      return readLater === undefined ? begun : readLater(reader, begun, port, owner)
    },
    agree: target.agree,
    settle: target.settle,
  }
}

/** A unique pointer: null stands for `absent`, every other value is behind the construct that holds the pointer. */
export function nullable(target: Codec, absent: unknown, zero: unknown): Codec {
  const { write, writeLater, read, readLater, agree } = target
  return {
    least: WORD,
    zero,
    refs: target.refs,
    measure: (value) => (value === absent ? 0 : target.measure(value)) + 2 * WORD,
    write(writer, value, _port, owner) {
      if (value === absent) {
        agree?.(undefined, owner, disagrees)
        writer.align(WORD)
        writer.u32(0)
      } else pointTo(writer)
    },
    writeLater(writer, value, port, owner) {
      if (value === absent) return
      write(writer, value, port, owner)
      writeLater?.(writer, value, port, owner)
    },
    read(reader) {
      reader.align(WORD)
      return reader.u32() !== 0
    },
    readLater(reader, begun, port, owner) {
      if (begun !== true) {
        agree?.(undefined, owner, malformed)
        return undefined
      }
      const inner = read(reader, port, owner)
      return readLater === undefined ? inner : readLater(reader, inner, port, owner)
    },
    agree,
  }
}

/** The same with the target in `{ value }`, so that a pointer to a null pointer is not a null pointer. */
export function boxed(target: Codec, path: string): Codec {
  const pointer = nullable(target, undefined, undefined)
  const { agree } = pointer
  const inside = (value: unknown): unknown => {
    if (!isRecord(value)) throw badValue(path, '{ value } or undefined', value)
    return value['value']
  }
  return {
    ...pointer,
    measure: (value) => (isRecord(value) ? target.measure(value['value']) : 0) + 2 * WORD,
    write(writer: Writer, value, port, owner) {
      if (value === undefined) return pointer.write(writer, undefined, port, owner)
      inside(value)
      pointTo(writer)
    },
    writeLater(writer, value, port, owner) {
      if (value === undefined) return
      target.write(writer, inside(value), port, owner)
      target.writeLater?.(writer, inside(value), port, owner)
    },
    readLater(reader: Reader, begun, port, owner) {
      const value = pointer.readLater?.(reader, begun, port, owner)
      return begun === true ? { value } : undefined
    },
    agree:
      agree === undefined
        ? undefined
        : (value, owner, fail) => agree(isRecord(value) ? value['value'] : undefined, owner, fail),
  }
}
