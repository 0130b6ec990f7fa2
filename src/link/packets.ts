import { ChunkQueue } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import type { Awaitable, ByteLink, MessageLink } from './link.ts'

/** `vmpipe_proto_header`: u32 type, u32 size, little-endian. Fixed by VMBus (Linux `net/vmw_vsock/hyperv_transport.c`). */
const HEADER_BYTES = 8
/** Packet type "data" of the same header. */
const TYPE_DATA = 1
/** Longest message by default, `bytes`: one mux frame holds it with its header (our choice). */
const DEFAULT_MAX_MESSAGE = 65_528

/**
 * Messages over a byte link, each behind a VMBus pipe header: the message mode of a pipe. A message is never empty:
 * a packet of size zero means the end, as on VMBus. A wrong header closes the link below with `MALFORMED`.
 */
export class PacketLink implements MessageLink {
  readonly maxMessage: number
  readonly #below: ByteLink
  readonly #queue = new ChunkQueue()
  #ended = false
  #eof = false
  #reading = false

  /** Takes the byte link: closing this closes that. */
  constructor(below: ByteLink, maxMessage: number = DEFAULT_MAX_MESSAGE) {
    this.#below = below
    this.maxMessage = maxMessage
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#below.closed
  }

  read(): Awaitable<Uint8Array | undefined> {
    if (this.#reading) {
      return Promise.reject(new BusbarError('INVALID_ARGUMENT', 'a read is already pending on this link'))
    }
    this.#reading = true
    return this.#next().finally(() => {
      this.#reading = false
    })
  }

  write(message: Uint8Array): Awaitable<void> {
    if (this.#ended) return Promise.reject(new BusbarError('ENDED', 'written to after the end'))
    if (message.length === 0) {
      return Promise.reject(
        new BusbarError('INVALID_ARGUMENT', 'an empty message means the end on a VMBus pipe: call end()'),
      )
    }
    if (message.length > this.maxMessage) {
      return Promise.reject(
        new BusbarError('LIMIT', `a message of ${message.length} bytes, at most ${this.maxMessage} are allowed`),
      )
    }
    const packet = new Uint8Array(HEADER_BYTES + message.length)
    writeHeader(packet, message.length)
    packet.set(message, HEADER_BYTES)
    return this.#below.write(packet)
  }

  async end(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    const packet = new Uint8Array(HEADER_BYTES)
    writeHeader(packet, 0)
    await this.#below.write(packet)
    await this.#below.end()
  }

  close(reason?: BusbarError): void {
    this.#below.close(reason)
  }

  async #next(): Promise<Uint8Array | undefined> {
    if (this.#eof) return undefined
    if (!(await this.#fill(HEADER_BYTES))) throw this.#broken('ended without an end packet')
    const header = this.#queue.take(HEADER_BYTES)
    const view = new DataView(header.buffer, header.byteOffset, HEADER_BYTES)
    const type = view.getUint32(0, true)
    const size = view.getUint32(4, true)
    if (type !== TYPE_DATA) throw this.#broken(`packet type ${type}, only ${TYPE_DATA} is known`)
    if (size > this.maxMessage) throw this.#broken(`a message of ${size} bytes, at most ${this.maxMessage} are allowed`)
    if (size === 0) return this.#finish()
    if (!(await this.#fill(size))) throw this.#broken('ended inside a message')
    return this.#queue.take(size)
  }

  async #finish(): Promise<undefined> {
    if (this.#queue.length > 0) throw this.#broken('bytes after the end packet')
    this.#eof = true
    // The byte link has its own end; reading it to there lets both directions finish in order.
    if ((await this.#below.read()) !== undefined) throw this.#broken('bytes after the end packet')
    return undefined
  }

  async #fill(bytes: number): Promise<boolean> {
    while (this.#queue.length < bytes) {
      const chunk = await this.#below.read()
      if (chunk === undefined) return false
      this.#queue.push(chunk)
    }
    return true
  }

  #broken(found: string): BusbarError {
    const reason = new BusbarError('MALFORMED', `message pipe: ${found}`)
    this.#below.close(reason)
    return reason
  }
}

function writeHeader(packet: Uint8Array, size: number): void {
  const view = new DataView(packet.buffer)
  view.setUint32(0, TYPE_DATA, true)
  view.setUint32(4, size, true)
}
