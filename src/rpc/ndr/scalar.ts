import type { Reader, Writer } from '../../bytes/index.ts'
import { readUuid, writeUuid } from '../pdu/uuid.ts'
import { badValue, type Codec, isRecord, malformed } from './codec.ts'
import { isDate, readDate, writeDate } from './date.ts'
import type { WireBase, WireEnum } from './wire.ts'

const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const NIL = '00000000-0000-0000-0000-000000000000'

interface Row {
  readonly zero: unknown
  /** Completes "expected ...". */
  readonly expected: string
  readonly fits: (value: unknown) => boolean
  readonly write: (writer: Writer, value: never) => void
  readonly read: (reader: Reader, path: string) => unknown
}

function integer(
  bits: 8 | 16 | 32,
  signed: boolean,
  write: (writer: Writer, value: number) => void,
  read: (reader: Reader) => number,
): Row {
  const least = signed ? -(2 ** (bits - 1)) : 0
  const most = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1
  return {
    zero: 0,
    expected: `an integer from ${least} to ${most}`,
    fits: (value) => Number.isInteger(value) && (value as number) >= least && (value as number) <= most,
    write,
    read,
  }
}

function long(least: bigint, most: bigint, read: (reader: Reader) => bigint): Row {
  return {
    zero: 0n,
    expected: `a bigint from ${least} to ${most}`,
    fits: (value) => typeof value === 'bigint' && value >= least && value <= most,
    write: (writer, value: bigint) => writer.u64(value),
    read,
  }
}

function float(write: (writer: Writer, value: number) => void, read: (reader: Reader) => number): Row {
  return { zero: 0, expected: 'a number', fits: (value) => typeof value === 'number', write, read }
}

function unit(most: number, write: (writer: Writer, value: number) => void, read: (reader: Reader) => number): Row {
  return {
    zero: '\0',
    expected: `a text of one character up to U+${most.toString(16).toUpperCase().padStart(4, '0')}`,
    fits: (value) => typeof value === 'string' && value.length === 1 && value.charCodeAt(0) <= most,
    write: (writer, value: string) => write(writer, value.charCodeAt(0)),
    read: (reader) => String.fromCharCode(read(reader)),
  }
}

const u8 = (writer: Writer, value: number): void => writer.u8(value)
const u16 = (writer: Writer, value: number): void => writer.u16(value)
const u32 = (writer: Writer, value: number): void => writer.u32(value)

/** One table: how each base type is written (C706, 14.2). Signed integers are written as their two's complement. */
const ROWS: { readonly [K in WireBase['base']]: Row } = {
  boolean: {
    zero: false,
    expected: 'a boolean',
    fits: (value) => typeof value === 'boolean',
    write: (writer, value: boolean) => writer.u8(value ? 1 : 0),
    // Any octet but zero is true (C706, 14.2.3).
    read: (reader) => reader.u8() !== 0,
  },
  byte: integer(8, false, u8, (reader) => reader.u8()),
  char: unit(0xff, u8, (reader) => reader.u8()),
  wchar_t: unit(0xffff, u16, (reader) => reader.u16()),
  small: integer(8, true, u8, (reader) => reader.i8()),
  'unsigned small': integer(8, false, u8, (reader) => reader.u8()),
  short: integer(16, true, u16, (reader) => reader.i16()),
  'unsigned short': integer(16, false, u16, (reader) => reader.u16()),
  long: integer(32, true, u32, (reader) => reader.i32()),
  'unsigned long': integer(32, false, u32, (reader) => reader.u32()),
  hyper: long(-(2n ** 63n), 2n ** 63n - 1n, (reader) => reader.i64()),
  'unsigned hyper': long(0n, 2n ** 64n - 1n, (reader) => reader.u64()),
  float: float(
    (writer, value) => writer.f32(value),
    (reader) => reader.f32(),
  ),
  double: float(
    (writer, value) => writer.f64(value),
    (reader) => reader.f64(),
  ),
  error_status_t: integer(32, false, u32, (reader) => reader.u32()),
}

const UINT53: Row = {
  zero: 0,
  expected: 'an integer from 0 to 2^53 - 1',
  fits: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
  write: (writer, value: number) => writer.uint53(value),
  read: (reader) => reader.uint53(),
}

const DATE: Row = {
  zero: new Date(0),
  expected: 'a valid Date of the years 1601 to 60055',
  fits: isDate,
  write: writeDate,
  read: readDate,
}

function ranged(row: Row, [least, most]: readonly [number, number]): Row {
  return {
    ...row,
    zero: least > 0 || most < 0 ? least : 0,
    expected: `an integer from ${least} to ${most}`,
    fits: (value) => row.fits(value) && (value as number) >= least && (value as number) <= most,
    read(reader, path) {
      const value = row.read(reader, path) as number
      if (value < least || value > most) throw malformed(path, `${value} is not in the range from ${least} to ${most}`)
      return value
    },
  }
}

export function rowOf({ base, as, range }: WireBase): Row {
  const row = as === 'safe integer' ? UINT53 : as === 'date' ? DATE : ROWS[base]
  return range === undefined ? row : ranged(row, range)
}

/** A base type; `path` is its place in the contract. */
export function baseCodec(type: WireBase, path: string): Codec {
  const { zero, expected, fits, write, read } = rowOf(type)
  const { size } = type
  return {
    least: size,
    zero,
    refs: false,
    measure: () => 2 * size - 1,
    write(writer, value) {
      if (!fits(value)) throw badValue(path, expected, value)
      writer.align(size)
      write(writer, value as never)
    },
    writeLater: undefined,
    read(reader) {
      reader.align(size)
      return read(reader, path)
    },
    readLater: undefined,
  }
}

/** The numbers and names of an enumeration. */
export class EnumTable {
  readonly #numbers: ReadonlyMap<unknown, number>
  readonly #names: ReadonlyMap<number, string>
  readonly #expected: string

  constructor({ labels }: WireEnum) {
    this.#numbers = new Map(labels.map(({ name, value }) => [name, value]))
    this.#names = new Map(labels.map(({ name, value }) => [value, name]))
    this.#expected = `one of: ${labels
      .slice(0, 20)
      .map(({ name }) => name)
      .join(', ')}`
  }

  number(name: unknown, path: string): number {
    const number = this.#numbers.get(name)
    if (number === undefined) throw badValue(path, this.#expected, name)
    return number
  }

  name(number: number, path: string): string {
    const name = this.#names.get(number)
    if (name === undefined) throw malformed(path, `value ${number} of an enumeration of ${this.#names.size}`)
    return name
  }
}

/** `enum`: the number of the name, unsigned, 16 bits or with `[v1_enum]` 32 (C706, 14.2.5). */
export function enumCodec(type: WireEnum, path: string): Codec {
  const table = new EnumTable(type)
  const { size } = type
  return {
    least: size,
    zero: type.labels[0]?.name,
    refs: false,
    measure: () => 2 * size - 1,
    write(writer, value) {
      const number = table.number(value, path)
      writer.align(size)
      if (size === 2) writer.u16(number)
      else writer.u32(number)
    },
    writeLater: undefined,
    read(reader) {
      reader.align(size)
      return table.name(size === 2 ? reader.u16() : reader.u32(), path)
    },
    readLater: undefined,
  }
}

export function isGuid(value: unknown): value is string {
  return typeof value === 'string' && GUID.test(value)
}

export function guidCodec(path: string): Codec {
  return {
    least: 16,
    zero: NIL,
    refs: false,
    measure: () => 19,
    write(writer, value) {
      if (!isGuid(value)) throw badValue(path, 'a GUID as text', value)
      writer.align(4)
      writeUuid(writer, value, writer.little)
    },
    writeLater: undefined,
    read(reader) {
      reader.align(4)
      return readUuid(reader)
    },
    readLater: undefined,
  }
}

/** A context handle: attributes and a UUID (C706, N.2; `ndr_context_handle`). */
export function handleCodec(path: string): Codec {
  return {
    least: 20,
    zero: Object.freeze({ attributes: 0, uuid: NIL }),
    refs: false,
    measure: () => 23,
    write(writer, value) {
      const { attributes, uuid } = isRecord(value) ? value : {}
      if (!isGuid(uuid) || !ROWS['unsigned long'].fits(attributes)) {
        throw badValue(path, 'a context handle, { attributes, uuid }', value)
      }
      writer.align(4)
      writer.u32(attributes as number)
      writeUuid(writer, uuid, writer.little)
    },
    writeLater: undefined,
    read(reader) {
      reader.align(4)
      return { attributes: reader.u32(), uuid: readUuid(reader) }
    },
    readLater: undefined,
  }
}
