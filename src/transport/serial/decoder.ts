import { MarkerScanner } from './marker.ts'
import {
  decodeHello,
  FRAME,
  HEADER_BYTES,
  type Hello,
  HELLO_BODY_BYTES,
  MAX_PAYLOAD,
  readHeader,
  SEQUENCES,
} from './wire.ts'

/** What the decoder finds, in order. It may be opened, shut or stopped from inside each of these. */
export interface Heard {
  /** A HELLO; `whole` says that no frame was cut by it. */
  hello(hello: Hello, whole: boolean): void
  data(bytes: Uint8Array): void
  end(): void
  close(code: number): void
  /** Bytes that are no frame while frames were expected. The decoder is shut already. */
  broken(found: string): void
}

/** Where the decoder is in the stream. */
type State =
  /** No session: everything up to the next marker is of no concern. */
  | { at: 'skip' }
  /** Behind a marker: `bytes` of the body were collected. */
  | { at: 'hello'; filled: number; whole: boolean }
  /** In a session, between frames or in a header of which `filled` bytes were collected into `bits`. */
  | { at: 'header'; filled: number; bits: number }
  /** In a session, inside a payload of which `left` bytes are to come. */
  | { at: 'payload'; type: number; left: number }

/** Takes a serial stream apart, whatever it was cut into. Holds at most one HELLO. */
export class SerialDecoder {
  readonly #heard: Heard
  readonly #scanner: MarkerScanner
  readonly #body = new Uint8Array(HELLO_BODY_BYTES)
  #state: State = { at: 'skip' }
  #open = false
  #sequence = 0
  #code = 0

  constructor(heard: Heard) {
    this.#heard = heard
    this.#scanner = new MarkerScanner({
      bytes: (bytes) => this.#bytes(bytes),
      marker: () => this.#marker(),
    })
  }

  /** A session has begun: what follows are its frames. */
  open(): void {
    this.#open = true
    this.#sequence = 0
    this.#state = { at: 'header', filled: 0, bits: 0 }
  }

  /** The session is over: what follows is skipped up to the next HELLO. */
  shut(): void {
    this.#open = false
    this.#state = { at: 'skip' }
  }

  /** The stream was cut off and another begins. */
  restart(): void {
    this.shut()
    this.#scanner.restart()
  }

  push(chunk: Uint8Array): void {
    this.#scanner.push(chunk)
  }

  #marker(): void {
    const state = this.#state
    const whole = state.at === 'header' && state.filled === 0
    this.#state = { at: 'hello', filled: 0, whole: whole || !this.#open }
  }

  #bytes(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const state = this.#state
      switch (state.at) {
        case 'skip':
          return
        case 'hello':
          at += this.#hello(state, bytes, at)
          break
        case 'header':
          at += this.#header(state, bytes[at] as number)
          break
        case 'payload': {
          const size = Math.min(state.left, bytes.length - at)
          this.#payload(state, bytes.subarray(at, at + size))
          at += size
          break
        }
        default:
          state satisfies never
      }
    }
  }

  #hello(state: State & { at: 'hello' }, bytes: Uint8Array, from: number): number {
    let at = from
    while (at < bytes.length && state.filled < HELLO_BODY_BYTES) {
      const byte = bytes[at] as number
      if (byte >= 0x80) {
        this.#after('a cut HELLO', state.whole)
        return at - from
      }
      this.#body[state.filled++] = byte
      at++
    }
    if (state.filled < HELLO_BODY_BYTES) return at - from
    const hello = decodeHello(this.#body)
    this.#after('a HELLO inside a frame', state.whole, hello !== undefined)
    if (hello !== undefined) this.#heard.hello(hello, state.whole)
    return at - from
  }

  /** Goes on behind a HELLO as before it; a frame that it cut cannot go on, which is for `hello` to judge if it was readable. */
  #after(found: string, whole: boolean, readable = false): void {
    if (!this.#open) this.#state = { at: 'skip' }
    else if (whole || readable) this.#state = { at: 'header', filled: 0, bits: 0 }
    else this.#broken(found)
  }

  #header(state: State & { at: 'header' }, byte: number): number {
    if (byte >= 0x80) {
      this.#broken(`byte ${byte} in a header`)
      return 0
    }
    state.bits = (state.bits << 7) | byte
    if (++state.filled < HEADER_BYTES) return 1
    const { type, sequence, length } = readHeader(state.bits)
    const fits =
      (type === FRAME.DATA && length <= MAX_PAYLOAD) ||
      (type === FRAME.END && length === 0) ||
      (type === FRAME.CLOSE && length === 2)
    if (!fits) this.#broken(`a frame of type ${type} and ${length} bytes`)
    else if (sequence !== this.#sequence) this.#broken(`frame ${sequence} where ${this.#sequence} was expected`)
    else this.#begin(type, length)
    return 1
  }

  #begin(type: number, length: number): void {
    this.#sequence = (this.#sequence + 1) % SEQUENCES
    this.#state = length === 0 ? { at: 'header', filled: 0, bits: 0 } : { at: 'payload', type, left: length }
    if (type === FRAME.END) this.#heard.end()
  }

  #payload(state: State & { at: 'payload' }, bytes: Uint8Array): void {
    state.left -= bytes.length
    if (state.left === 0) this.#state = { at: 'header', filled: 0, bits: 0 }
    if (state.type === FRAME.DATA) {
      this.#heard.data(bytes)
      return
    }
    for (const byte of bytes) this.#code = ((this.#code << 8) | byte) & 0xffff
    if (state.left === 0) this.#heard.close(this.#code)
  }

  #broken(found: string): void {
    this.shut()
    this.#heard.broken(found)
  }
}
