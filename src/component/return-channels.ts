import { type Guid, guidFromRandom, Reader, Writer } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import { type Caller, type Env, readUuid, type RpcAccess, writeUuid } from '../rpc/index.ts'

/** An RTS PDU (MS-RPCH 2.2.3.6): the PDU by which RPC over HTTP joins channels; Wireshark knows it. */
const RTS = 20
const FIRST_AND_LAST = 0x03
/** Little-endian, ASCII, IEEE. */
const DATA_REPRESENTATION = 0x0000_0010
/** The only command: a cookie that says which channels belong together (MS-RPCH 2.2.3.5.4). */
const COOKIE = 3

/** How long the first PDU of a return channel is: common header, flags and count, one command, `bytes`. */
export const RETURN_BYTES: number = 16 + 4 + 4 + 16
/** The first PDU on a return channel: says with its token which pipe it belongs to. */
export function encodeReturn(token: Guid): Uint8Array {
  const writer = new Writer(true, RETURN_BYTES, RETURN_BYTES)
  writer.u8(5)
  writer.u8(0)
  writer.u8(RTS)
  writer.u8(FIRST_AND_LAST)
  writer.u32(DATA_REPRESENTATION)
  writer.u16(RETURN_BYTES)
  writer.u16(0)
  writer.u32(0)
  writer.u16(0)
  writer.u16(1)
  writer.u32(COOKIE)
  writeUuid(writer, token, true)
  return writer.finish()
}

/** Whether a channel that begins like this is a return channel; `undefined` while too little of it is there. */
export function isReturn(bytes: Uint8Array): boolean | undefined {
  return bytes.length < 3 ? undefined : bytes[2] === RTS
}

/** The token in the first PDU of a return channel; `MALFORMED` when it is not exactly that. */
export function decodeReturn(bytes: Uint8Array): Guid {
  const expected = encodeReturn(readUuid(new Reader(bytes.subarray(RETURN_BYTES - 16, RETURN_BYTES))))
  if (bytes.length !== RETURN_BYTES || expected.some((byte, at) => byte !== bytes[at])) {
    throw new BusbarError('MALFORMED', `a return channel begins with ${RETURN_BYTES} bytes of another kind`)
  }
  return readUuid(new Reader(bytes.subarray(RETURN_BYTES - 16)))
}

/** A pipe that waits for its return channel. */
export interface Invitation {
  /** 122 random bits, known to the caller alone. Counts once. */
  readonly token: Guid
  /** The channel; rejects with `CLOSED` when the invitation is withdrawn first. */
  readonly channel: Promise<RpcAccess>
  withdraw(): void
}

interface Guest {
  readonly caller: Caller
  readonly arrived: (access: RpcAccess) => void
}

/** Where return channels find the pipes they belong to. One for all pipes that callers may open to a service. */
export class ReturnChannels {
  readonly #env: Env
  readonly #guests = new Map<Guid, Guest>()

  constructor(env: Env) {
    this.#env = env
  }

  /** Pipes that wait for their return channel. */
  get waiting(): number {
    return this.#guests.size
  }

  /** Makes a token for the caller of a pipe. */
  invite(caller: Caller): Invitation {
    const token = guidFromRandom(this.#env.random(new Uint8Array(16)))
    let fail: (reason: BusbarError) => void = () => {}
    const channel = new Promise<RpcAccess>((resolve, reject) => {
      fail = reject
      this.#guests.set(token, { caller, arrived: resolve })
    })
    channel.catch(() => {})
    const withdraw = (): void => {
      this.#guests.delete(token)
      fail(new BusbarError('CLOSED', 'the pipe closed before its return channel came'))
    }
    return { token, channel, withdraw }
  }

  /**
   * Takes a channel that somebody opened with a token. Closes it with `DENIED` unless the token waits, and waits for
   * exactly this caller, as attested by the bus.
   */
  claim(token: Guid, caller: Caller, access: RpcAccess): void {
    const guest = this.#guests.get(token)
    if (guest === undefined || guest.caller.partition !== caller.partition || guest.caller.epoch !== caller.epoch) {
      return access.close(
        new BusbarError('DENIED', 'no pipe of this caller waits for a return channel with that token'),
      )
    }
    this.#guests.delete(token)
    guest.arrived(access)
  }
}
