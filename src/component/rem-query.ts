import { type Guid, NIL_GUID, type Reader, type Writer } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import { type Contract, type Marshaller, readUuid, type RefPort, writeUuid } from '../rpc/index.ts'
import type { Offering } from './exported.ts'
import type { Held } from './held.ts'
import { failed, hresultOf, S_FALSE, S_OK } from './hresult.ts'
import { MAX_QUERIES } from './limits.ts'
import { encodeObjRef, readStdObjRef, STD_AT, STD_BYTES } from './objref.ts'

/** What RemQueryInterface asks. */
export interface InterfaceQuery {
  readonly ipid: Guid
  /** References wanted to each interface. */
  readonly references: number
  readonly iids: readonly Guid[]
}

/** What it finds for one interface: the object to give through it, or nothing. */
export interface Found {
  readonly contract: Contract
  readonly given: Queried
}

/** An object that is given through another interface, with that many references. */
export class Queried {
  readonly offering: Offering
  readonly references: number
  readonly #borrowed: Held | undefined

  /** `borrowed` is released when it was given, or when it will not be. */
  constructor(offering: Offering, references: number, borrowed?: Held) {
    this.offering = offering
    this.references = references
    this.#borrowed = borrowed
  }

  done(): void {
    void this.#borrowed?.release()
  }
}

const E_NOINTERFACE: number = hresultOf('NO_SUCH_INTERFACE')
/** HRESULT, padding, STDOBJREF, `bytes` (MS-DCOM 2.2.24). */
const RESULT_BYTES = 8 + STD_BYTES

/** Whether every interface that was asked for is there, or some, or none (MS-DCOM 3.1.1.5.6.1.1). */
export function queryResult(value: unknown): number {
  const found = value as readonly (Found | undefined)[]
  if (!found.includes(undefined)) return S_OK
  return found.some((each) => each !== undefined) ? S_FALSE : E_NOINTERFACE
}

/** `[in] REFIPID ripid, [in] unsigned long cRefs, [in] unsigned short cIids, [in, size_is(cIids)] IID *iids`. */
export const queryRequest: Marshaller = {
  refs: false,
  zero: undefined,
  measure: (value) => 28 + (value as InterfaceQuery).iids.length * 16,
  write(writer, value) {
    const { ipid, references, iids } = value as InterfaceQuery
    writeUuid(writer, ipid, true)
    writer.u32(references)
    writeIids(writer, iids)
  },
  read: (reader): InterfaceQuery => ({ ipid: readUuid(reader), references: reader.u32(), iids: readIids(reader) }),
}

/** `[in] REFIPID ripid, [in] unsigned short cIids, [in, size_is(cIids)] IID *iids`: one reference to each. */
export const query2Request: Marshaller = {
  refs: false,
  zero: undefined,
  measure: (value) => 24 + (value as InterfaceQuery).iids.length * 16,
  write(writer, value) {
    const { ipid, iids } = value as InterfaceQuery
    writeUuid(writer, ipid, true)
    writeIids(writer, iids)
  },
  read: (reader): InterfaceQuery => ({ ipid: readUuid(reader), references: 1, iids: readIids(reader) }),
}

function writeIids(writer: Writer, iids: readonly Guid[]): void {
  writer.u16(iids.length)
  writer.align(4)
  writer.u32(iids.length)
  for (const iid of iids) writeUuid(writer, iid, true)
}

function readIids(reader: Reader): Guid[] {
  const count = reader.u16()
  reader.align(4)
  const room = reader.u32()
  if (room !== count) throw new BusbarError('MALFORMED', `${count} interfaces in an array of ${room}`)
  if (count > MAX_QUERIES) throw new BusbarError('LIMIT', `${count} interfaces at once, at most ${MAX_QUERIES}`)
  return Array.from({ length: count }, () => readUuid(reader))
}

/**
 * `[out, size_is(, cIids)] REMQIRESULT **ppQIResults`: a pointer to the array, null when the call failed. As a value the
 * results of one query in order: what was found, or what the port makes of it.
 */
export const queryReply: Marshaller = {
  refs: true,
  zero: undefined,
  measure: (value) => (value === undefined ? 4 : 16 + (value as unknown[]).length * RESULT_BYTES),
  write(writer, value, port) {
    const found = value as readonly (Found | undefined)[] | undefined
    if (found === undefined) return writer.u32(0)
    writer.u32(0x0002_0000)
    writer.u32(found.length)
    for (const each of found) {
      const objref = each === undefined ? undefined : port.give(each.contract, each.given)
      writer.align(8)
      writer.u32(objref === undefined ? E_NOINTERFACE : S_OK)
      writer.align(8)
      if (objref === undefined) writer.zeros(STD_BYTES)
      else writer.bytes(objref.subarray(STD_AT, STD_AT + STD_BYTES))
    }
  },
  read(reader, port) {
    if (reader.u32() === 0) throw new BusbarError('MALFORMED', 'a query that succeeded without results')
    const count = reader.u32()
    if (count * RESULT_BYTES > reader.left + 8)
      throw new BusbarError('MALFORMED', `${count} results in ${reader.left} bytes`)
    return Array.from({ length: count }, () => readResult(reader, port))
  },
}

function readResult(reader: Reader, port: RefPort): unknown {
  reader.align(8)
  const hresult = reader.u32()
  reader.align(8)
  const std = readStdObjRef(reader)
  // Which interface it is, only the one who asked knows.
  return failed(hresult)
    ? undefined
    : port.take(undefined as unknown as Contract, encodeObjRef({ iid: NIL_GUID, ...std }))
}

/** `[out, size_is(cIids)] HRESULT *phr, [out, size_is(cIids)] PMInterfacePointer *ppMIF`. Served, never called. */
export const query2Reply: Marshaller = {
  refs: true,
  zero: [],
  measure: (value) => 8 + (value as unknown[]).length * 100,
  write(writer, value, port) {
    const found = value as readonly (Found | undefined)[]
    writer.u32(found.length)
    for (const each of found) writer.u32(each === undefined ? E_NOINTERFACE : S_OK)
    writer.u32(found.length)
    found.forEach((each, at) => writer.u32(each === undefined ? 0 : 0x0002_0000 + 4 * at))
    for (const each of found) {
      if (each === undefined) continue
      const objref = port.give(each.contract, each.given)
      writer.align(4)
      writer.u32(objref.length)
      writer.u32(objref.length)
      writer.bytes(objref)
    }
  },
  read: () => undefined,
}
