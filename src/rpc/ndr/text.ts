import type { Reader, Writer } from '../../bytes/index.ts'
import { badValue, malformed } from './codec.ts'
import type { Items } from './counts.ts'

/** A surrogate without its partner. */
const LONE_SURROGATE = /[\ud800-\udfff]/u
/** Text of up to so many units is looked through unit by unit, which costs less than two searches (our choice, measured). */
const SHORT_TEXT = 64
/** Beyond Latin-1. */
const WIDE = /[^\0-\xff]/

/**
 * Where a text ends. `terminated`: a NUL ends it, travels and is counted, and there is none before it (C706, 14.3.4).
 * `padded`: it is filled up with NULs to its fixed length. `exact`: all characters are the text.
 */
export type Ending = 'terminated' | 'padded' | 'exact'

/**
 * Text as an array of characters: UTF-16 units, or Latin-1 octets. A lone surrogate is refused in both directions: it
 * would turn into another text as soon as someone writes it as UTF-8.
 */
export function characters(size: 1 | 2, ending: Ending, path: string): Items {
  const more = ending === 'terminated' ? 1 : 0
  const write = size === 1 ? writeLatin1 : writeUtf16
  const read = size === 1 ? readLatin1 : readUtf16
  return {
    count(value) {
      if (typeof value !== 'string') throw badValue(path, 'a string', value)
      checkText(value, size, ending, path)
      return value.length + more
    },
    travelled: (value) => (value as string).length + more,
    least: size,
    refs: false,
    zero: () => '',
    measure: (value) => (typeof value === 'string' ? (value.length + more) * size : 0),
    write(writer, value, count) {
      const text = value as string
      write(writer, text)
      const rest = count - text.length
      if (rest > 0) writer.zeros(rest * size)
    },
    writeLater: undefined,
    read: (reader, count) => readText(read(reader, count), size, ending, path),
    readLater: undefined,
    fills: ending === 'padded',
  }
}

/** Whether a text has neither a NUL nor a surrogate: most have not, and then nothing else is looked for. */
function isSimple(text: string): boolean {
  if (text.length > SHORT_TEXT) return false
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit === 0 || (unit & 0xf800) === 0xd800) return false
  }
  return true
}

/** Refuses, with `BAD_VALUE`, a text that such characters cannot carry. */
export function checkText(text: string, size: 1 | 2, ending: Ending, path: string): void {
  if (size === 2 && isSimple(text)) return
  if (ending === 'terminated' && text.includes('\0')) {
    throw badValue(path, 'text without NUL (t.bytes carries anything)', text)
  }
  if (ending === 'padded' && text.endsWith('\0')) throw badValue(path, 'text that does not end in a NUL', text)
  if (size === 1 && WIDE.test(text)) throw badValue(path, 'text of characters up to U+00FF', text)
  if (size === 2 && LONE_SURROGATE.test(text)) throw badValue(path, 'well-formed text (no lone surrogates)', text)
}

/** The characters of `[string] wchar_t` behind its three counts. */
export function readString(reader: Reader, room: number, offset: number, count: number, path: string): string {
  if (offset !== 0 || count > room) throw malformed(path, `${count} items at ${offset} in room for ${room}`)
  if (count * 2 > reader.left) throw malformed(path, `${count} items cannot be in ${reader.left} bytes`)
  if (!simpleUnits(reader, count)) return readText(readUtf16(reader, count), 2, 'terminated', path)
  const text = reader.utf16(count - 1)
  reader.skip(2)
  return text
}

/** Whether the next units are a NUL behind units that are neither a NUL nor a surrogate. Looked at before they are a text. */
function simpleUnits(reader: Reader, count: number): boolean {
  if (count === 0 || count > SHORT_TEXT) return false
  const { view, little } = reader
  const last = reader.take(0) + 2 * (count - 1)
  for (let at = reader.take(0); at < last; at += 2) {
    const unit = view.getUint16(at, little)
    if (unit === 0 || (unit & 0xf800) === 0xd800) return false
  }
  return view.getUint16(last, little) === 0
}

function readText(all: string, size: 1 | 2, ending: Ending, path: string): string {
  let text = all
  if (ending === 'terminated') {
    if (!all.endsWith('\0')) throw malformed(path, 'a string without NUL at its end')
    text = all.slice(0, -1)
    if (text.includes('\0')) throw malformed(path, 'a string with a NUL inside')
  } else if (ending === 'padded') {
    let end = all.length
    while (end > 0 && all.charCodeAt(end - 1) === 0) end--
    text = all.slice(0, end)
  }
  if (size === 2 && LONE_SURROGATE.test(text)) throw malformed(path, 'a string with a lone surrogate')
  return text
}

function writeUtf16(writer: Writer, text: string): void {
  writer.align(2)
  writer.utf16(text)
}

function readUtf16(reader: Reader, count: number): string {
  reader.align(2)
  return reader.utf16(count)
}

function writeLatin1(writer: Writer, text: string): void {
  for (let i = 0; i < text.length; i++) writer.u8(text.charCodeAt(i))
}

function readLatin1(reader: Reader, count: number): string {
  let text = ''
  for (const byte of reader.bytes(count)) text += String.fromCharCode(byte)
  return text
}
