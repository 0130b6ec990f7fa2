import { ACK, type End, FIN, MAX_PAYLOAD, PSH, RST, type Segment, SYN } from './frame.ts'

/** What a DCE/RPC header takes, `bytes` (C706, 12.6.3): Wireshark recognises one only when it sees it whole. */
const RPC_HEAD = 16
const RPC_VERSION = 5

const NOTHING = new Uint8Array(0)

/** One direction: whose bytes they are, and how far they are. */
interface Side {
  readonly end: End
  /** Sequence number of the next byte. */
  next: number
  unacknowledged: number
  ended: boolean
  /** First bytes that may be those of a DCE/RPC header, until the others have come. */
  held: Uint8Array
}

/** Takes a segment, with what is to be said of it. */
export type WriteSegment = (segment: Segment, comment?: string) => void

/** One pipe as a TCP connection: handshake, bytes, acknowledgements, ends. */
export class Conversation {
  readonly #caller: Side
  readonly #service: Side
  readonly #write: WriteSegment
  readonly #unacknowledged: number

  constructor(caller: End, service: End, unacknowledged: number, write: WriteSegment) {
    this.#caller = { end: caller, next: 0, unacknowledged: 0, ended: false, held: NOTHING }
    this.#service = { end: service, next: 0, unacknowledged: 0, ended: false, held: NOTHING }
    this.#unacknowledged = unacknowledged
    this.#write = write
  }

  /** The caller opened it. */
  open(): void {
    this.#send(this.#caller, SYN)
    this.#send(this.#service, SYN | ACK)
    this.#send(this.#caller, ACK)
  }

  /** It was open before: begins in the middle. */
  join(): void {
    this.#caller.next = 1
    this.#service.next = 1
    this.#send(this.#caller, ACK)
  }

  /** Bytes of one direction; `whole` when a message is complete with them. */
  data(fromCaller: boolean, bytes: Uint8Array, whole: boolean): void {
    const side = this.#side(fromCaller)
    let rest = bytes
    if (side.held.length > 0) {
      rest = new Uint8Array(side.held.length + bytes.length)
      rest.set(side.held)
      rest.set(bytes, side.held.length)
      side.held = NOTHING
    }
    if (isCutHeader(rest)) {
      side.held = rest.slice()
      return
    }
    for (let at = 0; at < rest.length; at += MAX_PAYLOAD) {
      const end = Math.min(rest.length, at + MAX_PAYLOAD)
      this.#send(side, whole && end === rest.length ? PSH | ACK : ACK, rest.subarray(at, end))
    }
    side.unacknowledged += rest.length
    if (side.unacknowledged >= this.#unacknowledged) this.#send(this.#other(side), ACK)
  }

  /** One direction ended in order. */
  end(fromCaller: boolean): void {
    const side = this.#side(fromCaller)
    if (side.ended) return
    this.#release(side)
    side.ended = true
    this.#send(side, FIN | ACK)
    this.#send(this.#other(side), ACK)
  }

  /** It broke, or either end closed it without finishing. */
  reset(comment: string): void {
    this.#release(this.#caller)
    this.#release(this.#service)
    this.#send(this.#caller, RST | ACK, NOTHING, comment)
  }

  #release(side: Side): void {
    const { held } = side
    side.held = NOTHING
    if (held.length > 0) this.#send(side, PSH | ACK, held)
  }

  #send(side: Side, flags: number, payload: Uint8Array = NOTHING, comment?: string): void {
    const other = this.#other(side)
    const segment = { from: side.end, to: other.end, sequence: side.next, acknowledged: other.next, flags, payload }
    side.next = (side.next + payload.length + ((flags & (SYN | FIN)) === 0 ? 0 : 1)) >>> 0
    other.unacknowledged = 0
    this.#write(segment, comment)
  }

  #side(fromCaller: boolean): Side {
    return fromCaller ? this.#caller : this.#service
  }

  #other(side: Side): Side {
    return side === this.#caller ? this.#service : this.#caller
  }
}

/** Whether these bytes begin like a DCE/RPC header and end inside it. */
function isCutHeader(bytes: Uint8Array): boolean {
  return bytes.length < RPC_HEAD && bytes[0] === RPC_VERSION && (bytes[1] ?? 0) <= 1
}
