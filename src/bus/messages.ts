import type { Reader, Writer } from '../bytes/index.ts'
import { CODE, EPOCH, type Field, ID, MODE, NAME, TEXT, TOKEN, U32 } from './fields.ts'

/** Byte mode is a stream; message mode keeps the boundaries of each write. Numbers as in VMBus offers. */
export type PipeMode = 'byte' | 'message'

/** The fields of every control message, by name. */
export interface Messages {
  /** A service that this partition may open. */
  offer: { offerId: number; partition: string; service: string; mode: PipeMode; contract: string }
  /** An offer is gone, with the reason. */
  rescindOffer: { offerId: number; code: number; text: string }
  /** Asks for the offers there are, and from then on for every change. */
  requestOffers: Record<never, never>
  /** Every offer there was at the time of the request has been sent. */
  allOffersDelivered: Record<never, never>
  /** Opens a channel on the stream of that id. Upwards it names the service; downwards the bus says who calls. */
  openChannel: {
    channelId: number
    offerId: number
    partition: string
    service: string
    mode: PipeMode
    /** Time left in `ms`; 0 means none was named. */
    deadline: number
    caller: string
    callerEpoch: number
  }
  /** The answer to `openChannel`: code 0 means open. */
  openResult: { channelId: number; code: number; text: string }
  /** Closes both directions of a channel at once, with the reason. The receiver resets the stream. */
  closeChannel: { channelId: number; code: number; text: string }
  /** First message on a link: the range of versions and the features that this side speaks. */
  initiateContact: { oldest: number; newest: number; features: number }
  /** The version chosen (0: none in common), who the bus holds this partition for, and the key to attach streams with. */
  versionResponse: { version: number; features: number; partition: string; epoch: number; token: Uint8Array }
  /** The partition is about to leave in order. */
  unload: Record<never, never>
  /** It may go: what it has left open ends with its link. */
  unloadResponse: Record<never, never>
  /** Offers a service. */
  makeOffer: { offerId: number; service: string; mode: PipeMode; contract: string }
  /** The answer to `makeOffer`: code 0 means offered. */
  offerResult: { offerId: number; code: number; text: string }
  /** Takes an offer back. */
  withdrawOffer: { offerId: number }
  /** First and only message on a stream of a carrier that gives each channel a socket of its own. */
  attachStream: { token: Uint8Array; channelId: number }
  /**
   * Memory for the rings of an open channel, as descriptors of a process of this user: the region, and the pipes by which the ends are woken.
   * `side` 0 is the caller's end, 1 the service's.
   */
  offerRing: {
    channelId: number
    process: number
    memory: number
    callerBell: number
    serviceBell: number
    side: number
    key: Uint8Array
  }
  /** The answer to `offerRing` and `offerPlace`: code 0 means mapped. */
  ringResult: { channelId: number; code: number; text: string }
  /** Code 0: both ends have the rings, use them. Else they are not used, for this reason. */
  useRing: { channelId: number; code: number; text: string }
  /**
   * Memory for the rings of an open channel, in a region that two machines share: the number of the region at this end, and the place in it, in
   * bytes. `side` as in `offerRing`.
   */
  offerPlace: { channelId: number; region: number; offset: number; length: number; side: number; key: Uint8Array }
  /** Wakes the other end of rings in a place: something was written, or space was made. */
  ringBell: { channelId: number }
  /** This end does not have the place any more, or never had it. */
  releasePlace: { channelId: number }
  /** Asks whether the partition is there, where the carrier cannot. */
  ping: Record<never, never>
  /** The answer to `ping`. */
  pingResult: Record<never, never>
}

export type MessageKind = keyof Messages
/** Any control message, with its kind. */
export type Message = { [K in MessageKind]: { readonly kind: K } & Readonly<Messages[K]> }[MessageKind]

export interface MessageSpec<K extends MessageKind> {
  /** The VMBus number where VMBus has such a message (below 64), else ours. */
  readonly number: number
  /** `up` is from a partition to the bus. */
  readonly direction: 'up' | 'down' | 'both'
  readonly since: number
  readonly fields: { readonly [F in keyof Messages[K]]: Field<Messages[K][F]> }
}

/** The one table of the control protocol: codec, trace names and `docs/protocol/control.md` come from it. */
export const MESSAGES: { readonly [K in MessageKind]: MessageSpec<K> } = {
  offer: {
    number: 1,
    direction: 'down',
    since: 1,
    fields: { offerId: ID, partition: NAME, service: NAME, mode: MODE, contract: TEXT },
  },
  rescindOffer: { number: 2, direction: 'down', since: 1, fields: { offerId: ID, code: CODE, text: TEXT } },
  requestOffers: { number: 3, direction: 'up', since: 1, fields: {} },
  allOffersDelivered: { number: 4, direction: 'down', since: 1, fields: {} },
  openChannel: {
    number: 5,
    direction: 'both',
    since: 1,
    fields: {
      channelId: ID,
      offerId: ID,
      partition: NAME,
      service: NAME,
      mode: MODE,
      deadline: U32,
      caller: NAME,
      callerEpoch: EPOCH,
    },
  },
  openResult: { number: 6, direction: 'both', since: 1, fields: { channelId: ID, code: CODE, text: TEXT } },
  closeChannel: { number: 7, direction: 'both', since: 1, fields: { channelId: ID, code: CODE, text: TEXT } },
  initiateContact: { number: 14, direction: 'up', since: 1, fields: { oldest: U32, newest: U32, features: U32 } },
  versionResponse: {
    number: 15,
    direction: 'down',
    since: 1,
    fields: { version: U32, features: U32, partition: NAME, epoch: EPOCH, token: TOKEN },
  },
  unload: { number: 16, direction: 'up', since: 1, fields: {} },
  unloadResponse: { number: 17, direction: 'down', since: 1, fields: {} },
  makeOffer: {
    number: 64,
    direction: 'up',
    since: 1,
    fields: { offerId: ID, service: NAME, mode: MODE, contract: TEXT },
  },
  offerResult: { number: 65, direction: 'down', since: 1, fields: { offerId: ID, code: CODE, text: TEXT } },
  withdrawOffer: { number: 66, direction: 'up', since: 1, fields: { offerId: ID } },
  attachStream: { number: 67, direction: 'up', since: 1, fields: { token: TOKEN, channelId: ID } },
  offerRing: {
    number: 68,
    direction: 'down',
    since: 1,
    fields: {
      channelId: ID,
      process: U32,
      memory: U32,
      callerBell: U32,
      serviceBell: U32,
      side: U32,
      key: TOKEN,
    },
  },
  ringResult: { number: 69, direction: 'up', since: 1, fields: { channelId: ID, code: CODE, text: TEXT } },
  useRing: { number: 70, direction: 'down', since: 1, fields: { channelId: ID, code: CODE, text: TEXT } },
  offerPlace: {
    number: 71,
    direction: 'down',
    since: 1,
    fields: { channelId: ID, region: U32, offset: U32, length: U32, side: U32, key: TOKEN },
  },
  ringBell: { number: 72, direction: 'both', since: 1, fields: { channelId: ID } },
  releasePlace: { number: 73, direction: 'up', since: 1, fields: { channelId: ID } },
  ping: { number: 74, direction: 'down', since: 1, fields: {} },
  pingResult: { number: 75, direction: 'up', since: 1, fields: {} },
}

const kinds = Object.keys(MESSAGES) as MessageKind[]
const kindByNumber: ReadonlyMap<number, MessageKind> = new Map(kinds.map((kind) => [MESSAGES[kind].number, kind]))

/** The kind with that number; `undefined` when the table has none. */
export function messageKind(number: number): MessageKind | undefined {
  return kindByNumber.get(number)
}

type AnyFields = [name: string, field: Field<unknown>][]

const fieldsOf: ReadonlyMap<MessageKind, AnyFields> = new Map(
  kinds.map((kind) => [kind, Object.entries(MESSAGES[kind].fields) as AnyFields]),
)

/** Writes the fields in the order of the table. */
export function encodeFields(writer: Writer, message: Message): void {
  const values = message as unknown as Record<string, unknown>
  for (const [name, field] of fieldsOf.get(message.kind) as AnyFields) field.encode(writer, values[name])
}

/** Reads the fields in the order of the table; `MALFORMED` when they break the format or bytes are left over. */
export function decodeFields(reader: Reader, kind: MessageKind): Message {
  const message: Record<string, unknown> = { kind }
  for (const [name, field] of fieldsOf.get(kind) as AnyFields) message[name] = field.decode(reader)
  reader.done(kind)
  return message as unknown as Message
}
