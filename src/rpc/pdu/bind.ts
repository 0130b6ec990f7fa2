import { Reader, Writer } from '../../bytes/index.ts'
import { BusbarError } from '../../errors/index.ts'
import { WHOLE, writeHeader } from './header.ts'
import { decodeSyntax, encodeSyntax, type Syntax } from './syntax.ts'
import { HEADER_BYTES, PDUS } from './table.ts'

/** One presentation context that a client proposes. */
export interface ContextOffer {
  readonly id: number
  readonly abstract: Syntax
  /** In order of preference; never empty. */
  readonly transfers: readonly Syntax[]
}

/** `bind` and `alter_context`. */
export interface BindPdu {
  readonly transmit: number
  readonly receive: number
  /** 0 asks for a new association group. */
  readonly group: number
  readonly contexts: readonly ContextOffer[]
}

/** What a server says to one proposed context (C706 12.6.3.1 `p_cont_def_result_t`, MS-RPCE 2.2.2.4). */
export const RESULT = { ACCEPTED: 0, USER_REJECTED: 1, PROVIDER_REJECTED: 2, NEGOTIATED: 3 } as const

/** Why the provider rejected one (C706 `p_provider_reason_t`). */
export const REASON = { NONE: 0, ABSTRACT_SYNTAX: 1, TRANSFER_SYNTAXES: 2, LOCAL_LIMIT: 3 } as const

export interface ContextResult {
  readonly result: number
  /** A `REASON`, or the accepted feature bits when `result` is `NEGOTIATED`. */
  readonly reason: number
  readonly transfer: Syntax
}

/** `bind_ack` and `alter_context_resp`. */
export interface BindAckPdu {
  readonly transmit: number
  readonly receive: number
  readonly group: number
  /** Where more links of the group may go: a port number or a pipe name. Only a `bind_ack` has one. */
  readonly address?: string
  readonly results: readonly ContextResult[]
}

/** Why a bind was refused as a whole (C706 `p_reject_reason_t`, MS-RPCE 2.2.2.5). */
export const NAK = { NOT_SPECIFIED: 0, CONGESTION: 1, LIMIT: 2, VERSION: 4, AUTH_TYPE: 8, CHECKSUM: 9 } as const

type BindType = typeof PDUS.bind.number | typeof PDUS.alter_context.number
type AckType = typeof PDUS.bind_ack.number | typeof PDUS.alter_context_resp.number

export function encodeBind(type: BindType, flags: number, callId: number, pdu: BindPdu, little = true): Uint8Array {
  const writer = begin(little)
  writer.u16(pdu.transmit)
  writer.u16(pdu.receive)
  writer.u32(pdu.group)
  writer.u8(pdu.contexts.length)
  writer.zeros(3)
  for (const context of pdu.contexts) {
    writer.u16(context.id)
    writer.u8(context.transfers.length)
    writer.zeros(1)
    encodeSyntax(writer, context.abstract, little)
    for (const transfer of context.transfers) encodeSyntax(writer, transfer, little)
  }
  return finish(writer, type, flags, callId, little)
}

/** Decodes what is behind the common header; trailing bytes are tolerated only where an auth trailer is declared. */
export function decodeBind(pdu: Uint8Array, little: boolean): BindPdu {
  const reader = open(pdu, little)
  const transmit = reader.u16()
  const receive = reader.u16()
  const group = reader.u32()
  const count = reader.u8()
  reader.skip(3)
  const contexts: ContextOffer[] = []
  for (let i = 0; i < count; i++) {
    const id = reader.u16()
    const transferCount = reader.u8()
    reader.skip(1)
    const abstract = decodeSyntax(reader)
    if (transferCount === 0) throw new BusbarError('MALFORMED', `context ${id} proposes no transfer syntax`)
    const transfers: Syntax[] = []
    for (let t = 0; t < transferCount; t++) transfers.push(decodeSyntax(reader))
    contexts.push({ id, abstract, transfers })
  }
  reader.done('bind')
  if (count === 0) throw new BusbarError('MALFORMED', 'a bind that proposes no context')
  return { transmit, receive, group, contexts }
}

export function encodeBindAck(
  type: AckType,
  flags: number,
  callId: number,
  pdu: BindAckPdu,
  little = true,
): Uint8Array {
  const writer = begin(little)
  writer.u16(pdu.transmit)
  writer.u16(pdu.receive)
  writer.u32(pdu.group)
  // A bind_ack without a second address has the empty string, an alter_context_resp nothing at all.
  if (type === PDUS.bind_ack.number) {
    const address = pdu.address ?? ''
    writer.u16(address.length + 1)
    for (let i = 0; i < address.length; i++) writer.u8(address.charCodeAt(i))
    writer.zeros(1)
  } else {
    writer.u16(0)
  }
  writer.align(4)
  writer.u8(pdu.results.length)
  writer.zeros(3)
  for (const each of pdu.results) {
    writer.u16(each.result)
    writer.u16(each.reason)
    encodeSyntax(writer, each.transfer, little)
  }
  return finish(writer, type, flags, callId, little)
}

export function decodeBindAck(pdu: Uint8Array, little: boolean): BindAckPdu {
  const reader = open(pdu, little)
  const transmit = reader.u16()
  const receive = reader.u16()
  const group = reader.u32()
  reader.skip(reader.u16())
  reader.align(4)
  const count = reader.u8()
  reader.skip(3)
  const results: ContextResult[] = []
  for (let i = 0; i < count; i++) {
    results.push({ result: reader.u16(), reason: reader.u16(), transfer: decodeSyntax(reader) })
  }
  reader.done('bind_ack')
  return { transmit, receive, group, results }
}

/** `bind_nak`, with the version that is spoken: 5.0, alone as in the field; 5.1 has the same PDUs and is taken too. */
export function encodeBindNak(callId: number, reason: number, little = true): Uint8Array {
  const writer = begin(little)
  writer.u16(reason)
  writer.bytes(Uint8Array.of(1, 5, 0))
  writer.align(4)
  return finish(writer, PDUS.bind_nak.number, WHOLE, callId, little)
}

/** The reason. Peers differ in what follows it, and none of it matters. */
export function decodeBindNak(pdu: Uint8Array, little: boolean): number {
  return open(pdu, little).u16()
}

function begin(little: boolean): Writer {
  const writer = new Writer(little)
  writer.zeros(HEADER_BYTES)
  return writer
}

function finish(writer: Writer, type: number, flags: number, callId: number, little: boolean): Uint8Array {
  const bytes = writer.finish()
  writeHeader(new DataView(bytes.buffer, bytes.byteOffset), 0, type, flags, bytes.length, callId, little)
  return bytes
}

function open(pdu: Uint8Array, little: boolean): Reader {
  const reader = new Reader(pdu, little)
  reader.skip(HEADER_BYTES)
  return reader
}
