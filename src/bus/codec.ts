import { ChunkQueue, Reader, Writer } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import { decodeFields, encodeFields, MESSAGES, type Message, messageKind } from './messages.ts'

/** u32 length of what follows, u32 message number; little-endian like VMBus. */
const LENGTH_BYTES = 4
const NUMBER_BYTES = 4

/** One control message as it goes onto the control stream. */
export function encodeMessage(message: Message): Uint8Array {
  const writer = new Writer()
  writer.u32(0)
  writer.u32(MESSAGES[message.kind].number)
  encodeFields(writer, message)
  writer.patchU32(0, writer.length - LENGTH_BYTES)
  return writer.finish()
}

/** Cuts one control stream into messages. Belongs to one stream; after a throw it must not be used again. */
export class MessageDecoder {
  readonly #queue = new ChunkQueue()
  readonly #max: number
  #length: number | undefined

  /** `max` is the most `bytes` a message may declare; a longer one throws before any of it is waited for. */
  constructor(max: number) {
    this.#max = max
  }

  push(chunk: Uint8Array): void {
    this.#queue.push(chunk)
  }

  /** Bytes that belong to a message whose rest has not arrived. */
  get pending(): number {
    return this.#queue.length
  }

  /** Whatever came after the last message, when the stream turns into something else. */
  rest(): Uint8Array {
    return this.#queue.take(this.#queue.length)
  }

  /** The next whole message; `undefined` means not yet; throws `MALFORMED` when the stream is broken. */
  next(): Message | undefined {
    if (this.#length === undefined) {
      if (this.#queue.length < LENGTH_BYTES) return undefined
      const length = new Reader(this.#queue.take(LENGTH_BYTES)).u32()
      if (length < NUMBER_BYTES || length > this.#max) {
        throw new BusbarError(
          'MALFORMED',
          `a control message of ${length} bytes, ${NUMBER_BYTES} to ${this.#max} are allowed`,
        )
      }
      this.#length = length
    }
    if (this.#queue.length < this.#length) return undefined
    const reader = new Reader(this.#queue.take(this.#length))
    this.#length = undefined
    const number = reader.u32()
    const kind = messageKind(number)
    if (kind === undefined) throw new BusbarError('MALFORMED', `control message number ${number} is not known`)
    return decodeFields(reader, kind)
  }
}
