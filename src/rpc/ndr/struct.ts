import { badValue, type Codec } from './codec.ts'

/** A member of a struct with its name. */
export interface Member {
  readonly name: string
  readonly codec: Codec
}

/** A structure: aligned to its widest member, members in order, then everything that they point to, in order. */
export function structCodec(members: readonly Member[], path: string): Codec {
  const align = members.reduce((widest, { codec }) => Math.max(widest, codec.align), 1)
  const later = members.filter(({ codec }) => codec.writeLater !== undefined)
  return {
    align,
    least: members.reduce((sum, { codec }) => sum + codec.least, 0),
    zero: Object.freeze(Object.fromEntries(members.map(({ name, codec }) => [name, codec.zero]))),
    refs: members.some(({ codec }) => codec.refs),
    measure(value) {
      if (!isRecord(value)) return 0
      let total = align - 1
      for (const { name, codec } of members) total += codec.measure(value[name])
      return total
    },
    write(writer, value, port) {
      if (!isRecord(value)) throw badValue(path, 'an object', value)
      writer.align(align)
      for (const { name, codec } of members) codec.write(writer, value[name], port)
    },
    writeLater:
      later.length === 0
        ? undefined
        : (writer, value, port) => {
            const record = value as Record<string, unknown>
            for (const { name, codec } of later) codec.writeLater?.(writer, record[name], port)
          },
    read(reader, port) {
      reader.align(align)
      const record: Record<string, unknown> = {}
      for (const { name, codec } of members) record[name] = codec.read(reader, port)
      return record
    },
    readLater:
      later.length === 0
        ? undefined
        : (reader, begun, port) => {
            const record = begun as Record<string, unknown>
            for (const { name, codec } of later) record[name] = codec.readLater?.(reader, record[name], port)
            return record
          },
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
