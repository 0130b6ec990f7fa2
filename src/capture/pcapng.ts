import { utf8Encode, Writer } from '../bytes/index.ts'
import type { Room } from './block-queue.ts'

/** Block types and options of pcapng, as in the IETF draft "PCAP Now Generic" (draft-ietf-opsawg-pcapng). */
const SECTION_HEADER = 0x0a0d_0d0a
const INTERFACE = 1
const NAMES = 4
const STATISTICS = 5
const PACKET = 6

const BYTE_ORDER = 0x1a2b_3c4d
const COMMENT = 1
const APPLICATION = 4
const INTERFACE_NAME = 2
const INTERFACE_DESCRIPTION = 3
const DROPPED_BEFORE = 4
const STATISTICS_END = 3
const STATISTICS_RECEIVED = 4
const STATISTICS_DROPPED = 5
/** Link type Ethernet. */
const ETHERNET = 1

/** A block without data: type, its length before and after. */
const FRAMING = 12
/** The fixed part of a packet block: interface, time, captured and original length. */
const PACKET_HEAD = 20

interface Option {
  readonly code: number
  readonly value: Uint8Array
}

/** The blocks that a file begins with: the section, and the bus as its one interface. */
export function encodeStart(application: string): Uint8Array {
  const section = block(SECTION_HEADER, [text(APPLICATION, application)], (writer) => {
    writer.u32(BYTE_ORDER)
    writer.u16(1)
    writer.u16(0)
    // The length of the section is not known.
    writer.u32(0xffff_ffff)
    writer.u32(0xffff_ffff)
  })
  const options = [
    text(INTERFACE_NAME, 'busbar'),
    text(INTERFACE_DESCRIPTION, 'pipes of a Busbar bus, each as a TCP connection that never was'),
  ]
  const link = block(INTERFACE, options, (writer) => {
    writer.u16(ETHERNET)
    writer.u16(0)
    writer.u32(0)
  })
  const start = new Uint8Array(section.length + link.length)
  start.set(section)
  start.set(link, section.length)
  return start
}

/** What an address is called, for the packets that follow. */
export function encodeName(address: Uint8Array, name: string): Uint8Array {
  const record = new Writer()
  record.bytes(address)
  record.bytes(utf8Encode(name))
  record.u8(0)
  // Record type 1: an IPv4 address; type 0 ends the list.
  return block(NAMES, [], (writer) => {
    writeOption(writer, { code: 1, value: record.finish() })
    writer.u32(0)
  })
}

/** Ends a capture: how many packets there were and how many are missing. `time` in microseconds since 1970. */
export function encodeStatistics(time: number, received: number, dropped: number): Uint8Array {
  const options = [
    { code: STATISTICS_END, value: timestamp(time) },
    { code: STATISTICS_RECEIVED, value: uint64(received) },
    { code: STATISTICS_DROPPED, value: uint64(dropped) },
  ]
  return block(STATISTICS, options, (writer) => {
    writer.u32(0)
    writer.bytes(timestamp(time))
  })
}

/** What is said about a packet beside its bytes. */
export interface PacketNote {
  readonly comment: string | undefined
  /** Packets that are missing between the one before and this one. */
  readonly dropped: number
}

/** The options of a packet block as they stand in it; empty when there is nothing to say. */
export function encodePacketOptions({ comment, dropped }: PacketNote): Uint8Array {
  const options: Option[] = []
  if (comment !== undefined) options.push(text(COMMENT, comment))
  if (dropped > 0) options.push({ code: DROPPED_BEFORE, value: uint64(dropped) })
  if (options.length === 0) return NOTHING
  const writer = new Writer()
  writeOptions(writer, options)
  return writer.finish()
}

const NOTHING = new Uint8Array(0)

/** Bytes that a packet block takes. */
export function packetBlockBytes(frame: number, options: Uint8Array): number {
  return FRAMING + PACKET_HEAD + padded(frame) + options.length
}

/** Writes all of a packet block but the frame itself, and gives where that goes. `time` in microseconds since 1970. */
export function writePacketBlock({ bytes, view, at }: Room, time: number, frame: number, options: Uint8Array): number {
  const size = packetBlockBytes(frame, options)
  view.setUint32(at, PACKET, true)
  view.setUint32(at + 4, size, true)
  view.setUint32(at + 12, Math.floor(time / 2 ** 32), true)
  view.setUint32(at + 16, time >>> 0, true)
  view.setUint32(at + 20, frame, true)
  view.setUint32(at + 24, frame, true)
  const start = at + 28
  bytes.set(options, start + padded(frame))
  view.setUint32(at + size - 4, size, true)
  return start
}

function block(type: number, options: readonly Option[], writeBody: (writer: Writer) => void): Uint8Array {
  const body = new Writer()
  writeBody(body)
  if (options.length > 0) writeOptions(body, options)
  const inside = body.finish()
  const writer = new Writer()
  writer.u32(type)
  writer.u32(inside.length + FRAMING)
  writer.bytes(inside)
  writer.u32(inside.length + FRAMING)
  return writer.finish()
}

function writeOptions(writer: Writer, options: readonly Option[]): void {
  for (const option of options) writeOption(writer, option)
  writer.u32(0)
}

function writeOption(writer: Writer, { code, value }: Option): void {
  writer.u16(code)
  writer.u16(value.length)
  writer.bytes(value)
  writer.align(4)
}

function text(code: number, value: string): Option {
  return { code, value: utf8Encode(value) }
}

function padded(length: number): number {
  return (length + 3) & ~3
}

function uint64(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, value >>> 0, true)
  view.setUint32(4, Math.floor(value / 2 ** 32), true)
  return bytes
}

/** The high word comes first, whatever the byte order of the file. */
function timestamp(time: number): Uint8Array {
  const bytes = new Uint8Array(8)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, Math.floor(time / 2 ** 32), true)
  view.setUint32(4, time >>> 0, true)
  return bytes
}
