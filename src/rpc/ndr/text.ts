import { badValue, type Codec, malformed, WORD } from './codec.ts'

/** A surrogate without its partner. */
const LONE_SURROGATE = /[\ud800-\udfff]/u

/**
 * `[string] wchar_t`: maximum count, offset, actual count, UTF-16 units, all counting the NUL at the end (C706, 14.3.4).
 * A lone surrogate is refused in both directions: it would turn into another text as soon as someone writes it as UTF-8.
 */
export function stringCodec(path: string): Codec {
  return {
    align: WORD,
    least: 4 * WORD - 2,
    zero: '',
    refs: false,
    measure: (value) => (typeof value === 'string' ? value.length * 2 + 5 * WORD : 0),
    write(writer, value) {
      if (typeof value !== 'string') throw badValue(path, 'a string', value)
      if (value.includes('\0')) throw badValue(path, 'text without NUL (t.bytes carries anything)', value)
      if (LONE_SURROGATE.test(value)) throw badValue(path, 'well-formed text (no lone surrogates)', value)
      const units = value.length + 1
      writer.align(WORD)
      writer.u32(units)
      writer.u32(0)
      writer.u32(units)
      writer.utf16(value)
      writer.u16(0)
    },
    writeLater: undefined,
    read(reader) {
      reader.align(WORD)
      const room = reader.u32()
      const offset = reader.u32()
      const units = reader.u32()
      if (offset !== 0 || units === 0 || units > room) {
        throw malformed(path, `a string of ${units} units at ${offset} in room for ${room}`)
      }
      const value = reader.utf16(units - 1)
      if (reader.u16() !== 0) throw malformed(path, 'a string without NUL at its end')
      if (value.includes('\0')) throw malformed(path, 'a string with a NUL inside')
      if (LONE_SURROGATE.test(value)) throw malformed(path, 'a string with a lone surrogate')
      return value
    },
    readLater: undefined,
  }
}

/** `enum`: the position of the name as an unsigned 16-bit integer (C706, 14.2.5). */
export function enumerationCodec(names: readonly string[], path: string): Codec {
  const positions: ReadonlyMap<unknown, number> = new Map(names.map((name, position) => [name, position]))
  const shown = names.slice(0, 20).join(', ')
  return {
    align: 2,
    least: 2,
    zero: names[0],
    refs: false,
    measure: () => 3,
    write(writer, value) {
      const position = positions.get(value)
      if (position === undefined) throw badValue(path, `one of: ${shown}`, value)
      writer.align(2)
      writer.u16(position)
    },
    writeLater: undefined,
    read(reader) {
      reader.align(2)
      const position = reader.u16()
      const name = names[position]
      if (name === undefined) throw malformed(path, `value ${position} of an enumeration of ${names.length}`)
      return name
    },
    readLater: undefined,
  }
}
