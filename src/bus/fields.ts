import { type Reader, utf8Decode, utf8Encode, type Writer } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import type { PipeMode } from './messages.ts'

/** One kind of field: how it is written, read and described. */
export interface Field<T> {
  /** What it is on the wire, for the protocol's page. */
  readonly wire: string
  encode(writer: Writer, value: T): void
  decode(reader: Reader): T
}

/** Longest name, `bytes`: a service name has at most 128 ASCII letters. */
const MAX_NAME = 128
/** Longest explanation, `bytes` (our choice: a few lines). */
const MAX_TEXT = 1024
/** Bytes of the token that attaches a stream to its session: 128 random bits. */
const TOKEN_BYTES = 16

function u32(wire: string): Field<number> {
  return { wire, encode: (writer, value) => writer.u32(value), decode: (reader) => reader.u32() }
}

function text(wire: string, max: number): Field<string> {
  return {
    wire,
    encode(writer, value) {
      let bytes = utf8Encode(value)
      if (bytes.length > max) bytes = utf8Encode(value.slice(0, Math.floor(max / 4)))
      writer.u16(bytes.length)
      writer.bytes(bytes)
    },
    decode(reader) {
      const length = reader.u16()
      if (length > max) throw new BusbarError('MALFORMED', `a text of ${length} bytes, at most ${max} are allowed`)
      return utf8Decode(reader.bytes(length))
    },
  }
}

export const U32: Field<number> = u32('u32')
/** An identifier chosen by the side that starts: unique within the session. */
export const ID: Field<number> = u32('u32 identifier')
/** The number of an error code; 0 is success. */
export const CODE: Field<number> = u32('u32 error code, 0 = success')
/** How many times this partition has attached: never reused while the bus runs. */
export const EPOCH: Field<number> = u32('u32 epoch')
export const NAME: Field<string> = text(`u16 length, at most ${MAX_NAME} bytes of UTF-8`, MAX_NAME)
export const TEXT: Field<string> = text(`u16 length, at most ${MAX_TEXT} bytes of UTF-8`, MAX_TEXT)

export const TOKEN: Field<Uint8Array> = {
  wire: `${TOKEN_BYTES} bytes`,
  encode: (writer, value) => writer.bytes(value),
  decode: (reader) => reader.bytes(TOKEN_BYTES),
}

/** The VMBus offer's pipe mode (Linux `hyperv.h`). */
const MODE_BYTE = 0
const MODE_MESSAGE = 4

export const MODE: Field<PipeMode> = {
  wire: `u8: ${MODE_BYTE} byte mode, ${MODE_MESSAGE} message mode`,
  encode: (writer, value) => writer.u8(value === 'message' ? MODE_MESSAGE : MODE_BYTE),
  decode(reader) {
    const mode = reader.u8()
    if (mode === MODE_BYTE) return 'byte'
    if (mode === MODE_MESSAGE) return 'message'
    throw new BusbarError('MALFORMED', `pipe mode ${mode}`)
  },
}
