import type { Reader, Writer } from '../../bytes/index.ts'

/** 100 ns intervals in a millisecond. Fixed by the format (MS-DTYP 2.3.3, FILETIME). */
const TICKS = 10_000
/** 1601-01-01 to 1970-01-01, `ms`. Fixed by the format. */
const EPOCH_SHIFT: number = -Date.UTC(1601, 0, 1)
/** The zero of the format. */
export const FIRST_DATE: Date = new Date(-EPOCH_SHIFT)
/** The last millisecond that 64 unsigned bits can count. */
export const LAST_DATE: Date = new Date(Math.floor(2 ** 64 / TICKS) - 1 - EPOCH_SHIFT)
const WORD_RANGE = 0x1_0000_0000

/** Writes a date as FILETIME in one 64-bit integer, without bigints: the parts stay below 2^53. */
export function writeDate(writer: Writer, date: Date): void {
  const since = date.getTime() + EPOCH_SHIFT
  const low = (since % WORD_RANGE) * TICKS
  const high = Math.floor(since / WORD_RANGE) * TICKS + Math.floor(low / WORD_RANGE)
  writer.u32(writer.little ? low % WORD_RANGE : high)
  writer.u32(writer.little ? high : low % WORD_RANGE)
}

/** Reads a FILETIME; what is finer than a millisecond is dropped. Every value is a valid date. */
export function readDate(reader: Reader): Date {
  const first = reader.u32()
  const second = reader.u32()
  const [low, high] = reader.little ? [first, second] : [second, first]
  const rest = Math.floor(((high % TICKS) * WORD_RANGE + low) / TICKS)
  return new Date(Math.floor(high / TICKS) * WORD_RANGE + rest - EPOCH_SHIFT)
}
