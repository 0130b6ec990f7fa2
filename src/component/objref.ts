import { type Guid, Reader, Views, Writer } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import { putUuid, readUuid, SameUuid, writeUuid } from './guid-layout.ts'

/** "MEOW" (MS-DCOM 2.2.18). */
const SIGNATURE = 0x574f_454d
/** OBJREF_STANDARD: the only kind that is taken. */
const STANDARD = 1
/** SORF_NOPING: the pipe itself says whether the holder lives (MS-DCOM 2.2.18.2). */
const NO_PING = 0x1000
/** Two empty lists of bindings, as units: each list is ended by a zero, and so is the last binding of each. */
const NO_BINDINGS = 4
/** Where the second list begins, as units. */
const SECURITY_AT = 2
/** Signature, flags, IID, STDOBJREF, and a DUALSTRINGARRAY without bindings, `bytes`. */
const OBJREF_BYTES = 24 + 40 + 4 + NO_BINDINGS * 2

/** Where the STDOBJREF is in an OBJREF, and its size, `bytes` (MS-DCOM 2.2.18.2). */
export const STD_AT = 24
export const STD_BYTES = 40

/** References of one message lie in one buffer, and most of them are to objects of one interface. */
const views = new Views()
const interfaces = new SameUuid()

/** An OBJREF without bindings, in which the next one is written. */
const plain: DataView = new DataView(new ArrayBuffer(OBJREF_BYTES))
plain.setUint32(0, SIGNATURE, true)
plain.setUint32(4, STANDARD, true)
plain.setUint32(STD_AT, NO_PING, true)
plain.setUint16(STD_AT + STD_BYTES, NO_BINDINGS, true)
plain.setUint16(STD_AT + STD_BYTES + 2, SECURITY_AT, true)
const plainBytes = new Uint8Array(plain.buffer)

/** What a reference says: which object of which exporter, through which interface, and how many references come with it. */
export interface ObjRef {
  readonly iid: Guid
  readonly ipid: Guid
  readonly references: number
  /** Whose object it is: the exporter, one for each side of a pipe. */
  readonly oxid: bigint
  /** Which object of that exporter, whatever the interface. */
  readonly oid: bigint
}

/**
 * Writes an OBJREF, valid until the next one is written. It names no address: the reference is good between the two ends of this pipe
 * only. For peers without a pipe `bindings`, a DUALSTRINGARRAY, says where its exporter is reached, and its holder has to ping.
 */
export function encodeObjRef(ref: ObjRef, bindings?: Uint8Array): Uint8Array {
  if (bindings !== undefined) return withBindings(ref, bindings)
  putUuid(plain, 8, ref.iid)
  plain.setUint32(STD_AT + 4, ref.references, true)
  plain.setBigUint64(STD_AT + 8, ref.oxid, true)
  plain.setBigUint64(STD_AT + 16, ref.oid, true)
  putUuid(plain, STD_AT + 24, ref.ipid)
  return plainBytes
}

function withBindings({ iid, ipid, references, oxid, oid }: ObjRef, bindings: Uint8Array): Uint8Array {
  const size = OBJREF_BYTES + bindings.length
  const writer = new Writer(true, size, size)
  writer.u32(SIGNATURE)
  writer.u32(STANDARD)
  writeUuid(writer, iid, true)
  writer.u32(0)
  writer.u32(references)
  writer.u64(oxid)
  writer.u64(oid)
  writeUuid(writer, ipid, true)
  writer.bytes(bindings)
  return writer.finish()
}

/**
 * Reads an OBJREF, always little-endian. String bindings are checked for size and never followed: a reference is reached
 * through the association it came on. `MALFORMED` when it is none, `UNAVAILABLE` for kinds that are not taken.
 */
export function decodeObjRef(bytes: Uint8Array): ObjRef {
  const reader = new Reader(bytes, true, views)
  const signature = reader.u32()
  if (signature !== SIGNATURE) throw new BusbarError('MALFORMED', `a reference begins with 0x${signature.toString(16)}`)
  const kind = reader.u32()
  if (kind !== STANDARD)
    throw new BusbarError('UNAVAILABLE', `a reference of kind ${kind}; only standard ones are taken`)
  const iid = interfaces.read(reader)
  const { ipid, references, oxid, oid } = readStdObjRef(reader)
  const entries = reader.u16()
  const security = reader.u16()
  if (security > entries) throw new BusbarError('MALFORMED', `security bindings at ${security} of ${entries}`)
  reader.skip(entries * 2)
  reader.done('reference')
  return { iid, ipid, references, oxid, oid }
}

/** Reads a STDOBJREF (MS-DCOM 2.2.18.2): 40 bytes. */
export function readStdObjRef(reader: Reader): Omit<ObjRef, 'iid'> {
  reader.skip(4)
  const references = reader.u32()
  const oxid = reader.u64()
  const oid = reader.u64()
  return { references, oxid, oid, ipid: readUuid(reader) }
}
