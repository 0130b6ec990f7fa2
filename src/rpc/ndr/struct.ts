import type { Reader } from '../../bytes/index.ts'
import { badValue, type Body, type Codec, isRecord, malformed, type Owner, type RefPort, WORD } from './codec.ts'

/** A member of a struct with its name. */
export interface Member {
  readonly name: string
  readonly codec: Codec
}

/** A structure: aligned to its widest member, members in order, then everything that they point to, in order. */
export function structCodec(members: readonly Member[], align: number, path: string): Codec {
  const later = members.filter(({ codec }) => codec.writeLater !== undefined)
  const begun = members.filter(({ codec }) => codec.readLater !== undefined)
  const body = bodyOf(members, align, path)
  const check = lateChecks(members)
  const readLater =
    begun.length === 0 && check === undefined
      ? undefined
      : (reader: Reader, half: unknown, port: RefPort): unknown => {
          const record = half as Record<string, unknown>
          for (const { name, codec } of begun) record[name] = codec.readLater?.(reader, record[name], port, record)
          check?.(record)
          return record
        }
  return {
    least: members.reduce((sum, { codec }) => sum + codec.least, 0),
    zero: zeroOf(members),
    refs: members.some(({ codec }) => codec.refs),
    measure(value) {
      if (!isRecord(value)) return 0
      let total = align - 1
      for (const { name, codec } of members) total += codec.measure(value[name])
      return total
    },
    write(writer, value, port, owner) {
      if (!isRecord(value)) throw badValue(path, 'an object', value)
      if (body !== undefined) {
        const announce = body.room(value, owner)
        writer.align(WORD)
        writer.u32(announce)
        return body.write(writer, value, port, owner)
      }
      writer.align(align)
      for (const { name, codec } of members) codec.write(writer, value[name], port, value)
    },
    writeLater:
      later.length === 0
        ? undefined
        : (writer, value, port) => {
            const record = value as Record<string, unknown>
            for (const { name, codec } of later) codec.writeLater?.(writer, record[name], port, record)
          },
    read(reader, port, owner) {
      if (body !== undefined) {
        reader.align(WORD)
        return body.read(reader, port, owner, reader.u32())
      }
      reader.align(align)
      const record: Record<string, unknown> = {}
      for (const { name, codec } of members) record[name] = codec.read(reader, port, record)
      return record
    },
    readLater,
    body,
  }
}

/** A conformant structure without the count that stands in front of it: the last member ends in a conformant array. */
function bodyOf(members: readonly Member[], align: number, path: string): Body | undefined {
  const last = members.at(-1)
  const end = last?.codec.body
  if (last === undefined || end === undefined) return undefined
  const inline = members.slice(0, -1)
  return {
    room(value) {
      if (!isRecord(value)) throw badValue(path, 'an object', value)
      return end.room(value[last.name], value)
    },
    write(writer, value, port) {
      const record = value as Record<string, unknown>
      writer.align(align)
      for (const { name, codec } of inline) codec.write(writer, record[name], port, record)
      end.write(writer, record[last.name], port, record)
    },
    read(reader, port, _owner: Owner, room) {
      reader.align(align)
      const record: Record<string, unknown> = {}
      for (const { name, codec } of inline) record[name] = codec.read(reader, port, record)
      record[last.name] = end.read(reader, port, record, room)
      return record
    },
  }
}

/**
 * Compares members with what siblings say that were not there yet when the member was read. Where they were, it was
 * done already, and doing it again changes nothing.
 */
export function lateChecks(members: readonly Member[]): ((record: Record<string, unknown>) => void) | undefined {
  const checked = members.filter(({ codec }) => codec.agree !== undefined)
  if (checked.length === 0) return undefined
  return (record) => {
    for (const { name, codec } of checked) codec.agree?.(record[name], record, malformed)
  }
}

/** The zero of each member, agreeing with one another. */
export function zeroOf(members: readonly Member[]): unknown {
  const zero = Object.fromEntries(members.map(({ name, codec }) => [name, codec.zero]))
  // A union's discriminant that a sibling repeats is that of the union's zero.
  for (const { name, codec } of members) if (codec.settle !== undefined) codec.settle(zero, zero[name])
  return Object.freeze(zero)
}
