import type { Reader, Writer } from '../../bytes/index.ts'

/** 100 ns intervals in a millisecond. Fixed by the format (MS-DTYP 2.3.3, FILETIME). */
const TICKS = 10_000
/** 1601-01-01 to 1970-01-01, `ms`. Fixed by the format. */
const EPOCH_SHIFT: number = -Date.UTC(1601, 0, 1)
/** The last millisecond that 64 unsigned bits can count, from the zero of the format on. */
const LAST: number = Math.floor(2 ** 64 / TICKS) - 1
const WORD_RANGE = 0x1_0000_0000

/** Whether a value is a date that the format can say: of the years 1601 to 60055. An invalid one is not. */
export function isDate(value: unknown): value is Date {
  if (!(value instanceof Date)) return false
  const since = value.getTime() + EPOCH_SHIFT
  return since >= 0 && since <= LAST
}

/** Writes a date as FILETIME in one 64-bit integer, without bigints: the parts stay below 2^53. */
export function dateToView(view: DataView, at: number, date: Date, little: boolean): void {
  const since = date.getTime() + EPOCH_SHIFT
  const low = (since % WORD_RANGE) * TICKS
  const high = Math.floor(since / WORD_RANGE) * TICKS + Math.floor(low / WORD_RANGE)
  view.setUint32(little ? at : at + 4, low % WORD_RANGE, little)
  view.setUint32(little ? at + 4 : at, high, little)
}

/** Reads a FILETIME; what is finer than a millisecond is dropped. Every value is a valid date. */
export function dateFromView(view: DataView, at: number, little: boolean): Date {
  const low = view.getUint32(little ? at : at + 4, little)
  const high = view.getUint32(little ? at + 4 : at, little)
  const rest = Math.floor(((high % TICKS) * WORD_RANGE + low) / TICKS)
  return new Date(Math.floor(high / TICKS) * WORD_RANGE + rest - EPOCH_SHIFT)
}

export function writeDate(writer: Writer, date: Date): void {
  const at = writer.reserve(8)
  dateToView(writer.view, at, date, writer.little)
}

export function readDate(reader: Reader): Date {
  return dateFromView(reader.view, reader.take(8), reader.little)
}
