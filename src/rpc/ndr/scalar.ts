import type { Reader, Writer } from '../../bytes/index.ts'
import type { ScalarKind } from '../contract/type.ts'
import { badValue, type Codec } from './codec.ts'
import { FIRST_DATE, LAST_DATE, readDate, writeDate } from './date.ts'
import { readUuid, writeUuid } from '../pdu/uuid.ts'

type Marshalled = Exclude<ScalarKind, 'char' | 'wchar' | 'status'>

const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

interface ScalarRow<T> {
  /** Size on the wire, `bytes`. */
  readonly size: number
  /** Alignment when it is not the size, `bytes`. */
  readonly align?: number
  readonly zero: T
  /** Completes "expected ...". */
  readonly expected: string
  readonly fits: (value: unknown) => value is T
  readonly write: (writer: Writer, value: T) => void
  readonly read: (reader: Reader) => T
}

/** An integer of `bits` bits. */
function integer(
  bits: 8 | 16 | 32,
  signed: boolean,
  write: (writer: Writer, value: number) => void,
  read: (reader: Reader) => number,
): ScalarRow<number> {
  const least = signed ? -(2 ** (bits - 1)) : 0
  const most = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1
  return {
    size: bits / 8,
    zero: 0,
    expected: `an integer from ${least} to ${most}`,
    fits: (value): value is number =>
      Number.isInteger(value) && (value as number) >= least && (value as number) <= most,
    write,
    read,
  }
}

function long(least: bigint, most: bigint, read: (reader: Reader) => bigint): ScalarRow<bigint> {
  return {
    size: 8,
    zero: 0n,
    expected: `a bigint from ${least} to ${most}`,
    fits: (value): value is bigint => typeof value === 'bigint' && value >= least && value <= most,
    write: (writer, value) => writer.u64(value),
    read,
  }
}

function float(size: 4 | 8, write: (writer: Writer, value: number) => void, read: (reader: Reader) => number) {
  return {
    size,
    zero: 0,
    expected: 'a number',
    fits: (value: unknown): value is number => typeof value === 'number',
    write,
    read,
  }
}

/** One table: what each scalar is on the wire (C706, 14.2). Signed integers are written as their two's complement. */
const SCALARS = {
  bool: {
    size: 1,
    zero: false,
    expected: 'a boolean',
    fits: (value: unknown): value is boolean => typeof value === 'boolean',
    write: (writer: Writer, value: boolean) => writer.u8(value ? 1 : 0),
    // Any octet but zero is true (C706, 14.2.3).
    read: (reader: Reader) => reader.u8() !== 0,
  },
  int8: integer(
    8,
    true,
    (writer, value) => writer.u8(value),
    (reader) => reader.i8(),
  ),
  int16: integer(
    16,
    true,
    (writer, value) => writer.u16(value),
    (reader) => reader.i16(),
  ),
  int32: integer(
    32,
    true,
    (writer, value) => writer.u32(value),
    (reader) => reader.i32(),
  ),
  uint8: integer(
    8,
    false,
    (writer, value) => writer.u8(value),
    (reader) => reader.u8(),
  ),
  uint16: integer(
    16,
    false,
    (writer, value) => writer.u16(value),
    (reader) => reader.u16(),
  ),
  uint32: integer(
    32,
    false,
    (writer, value) => writer.u32(value),
    (reader) => reader.u32(),
  ),
  uint53: {
    size: 8,
    zero: 0,
    expected: 'an integer from 0 to 2^53 - 1',
    fits: (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0,
    write: (writer: Writer, value: number) => writer.uint53(value),
    read: (reader: Reader) => reader.uint53(),
  },
  int64: long(-(2n ** 63n), 2n ** 63n - 1n, (reader) => reader.i64()),
  uint64: long(0n, 2n ** 64n - 1n, (reader) => reader.u64()),
  float32: float(
    4,
    (writer, value) => writer.f32(value),
    (reader) => reader.f32(),
  ),
  float64: float(
    8,
    (writer, value) => writer.f64(value),
    (reader) => reader.f64(),
  ),
  date: {
    size: 8,
    zero: new Date(0),
    expected: 'a valid Date of the years 1601 to 60055',
    fits: (value: unknown): value is Date => value instanceof Date && value >= FIRST_DATE && value <= LAST_DATE,
    write: writeDate,
    read: readDate,
  },
  guid: {
    size: 16,
    align: 4,
    zero: '00000000-0000-0000-0000-000000000000',
    expected: 'a GUID as text',
    fits: (value: unknown): value is string => typeof value === 'string' && GUID.test(value),
    write: (writer: Writer, value: string) => writeUuid(writer, value, true),
    read: readUuid,
  },
} satisfies { [K in Marshalled]: unknown }

/** The codec of a scalar; `path` is its place in the contract. */
export function scalarCodec(kind: Marshalled, path: string): Codec {
  const row = SCALARS[kind] as ScalarRow<unknown>
  const { size, zero, expected, fits, write, read } = row
  const align = row.align ?? size
  const most = size + align - 1
  return {
    align,
    least: size,
    zero,
    refs: false,
    measure: () => most,
    write(writer, value) {
      if (!fits(value)) throw badValue(path, expected, value)
      if (align !== 1) writer.align(align)
      write(writer, value)
    },
    writeLater: undefined,
    read(reader) {
      if (align !== 1) reader.align(align)
      return read(reader)
    },
    readLater: undefined,
  }
}
