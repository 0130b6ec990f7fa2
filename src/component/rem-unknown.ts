import type { Guid, Reader, Writer } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import type { Marshaller } from '../rpc/index.ts'
import { readUuid, writeUuid } from './guid-layout.ts'
import type { Interface, Operation } from './interface.ts'
import { MAX_RELEASES } from './limits.ts'
import { query2Reply, query2Request, queryReply, queryRequest, queryResult } from './rem-query.ts'

/** REMINTERFACEREF: so many references to one interface of an object (MS-DCOM 2.2.23). */
export interface InterfaceRefs {
  readonly ipid: Guid
  readonly references: number
}

/** IPID, public references, private references, `bytes`. */
const REF_BYTES = 24

/** `[in] unsigned short n, [in, size_is(n)] REMINTERFACEREF refs[]`: a count, the array's size, the array. */
const refsRequest: Marshaller = {
  refs: false,
  zero: undefined,
  measure: (value) => 8 + (value as InterfaceRefs[]).length * REF_BYTES,
  write(writer, value) {
    const refs = value as InterfaceRefs[]
    writer.u16(refs.length)
    writer.align(4)
    writer.u32(refs.length)
    for (const { ipid, references } of refs) {
      writeUuid(writer, ipid, true)
      writer.u32(references)
      writer.u32(0)
    }
  },
  read(reader): InterfaceRefs[] {
    const count = reader.u16()
    reader.align(4)
    const room = reader.u32()
    if (room !== count) throw new BusbarError('MALFORMED', `${count} references in an array of ${room}`)
    if (count > MAX_RELEASES) throw new BusbarError('LIMIT', `${count} references at once, at most ${MAX_RELEASES}`)
    if (count * REF_BYTES > reader.left)
      throw new BusbarError('MALFORMED', `${count} references in ${reader.left} bytes`)
    return Array.from({ length: count }, () => readRef(reader))
  },
}

function readRef(reader: Reader): InterfaceRefs {
  const ipid = readUuid(reader)
  const references = reader.u32()
  // Private references would need to know who holds them; on a pipe there is one holder, so they count the same.
  return { ipid, references: references + reader.u32() }
}

const nothing: Marshaller = { refs: false, zero: undefined, measure: () => 0, write() {}, read: () => undefined }

/** `[out, size_is(n)] HRESULT results[]`: the array's size and the array. */
const resultsReply: Marshaller = {
  refs: false,
  zero: [],
  measure: (value) => 4 + (value as number[]).length * 4,
  write(writer: Writer, value) {
    const results = value as number[]
    writer.u32(results.length)
    for (const result of results) writer.u32(result)
  },
  read(reader): number[] {
    const count = reader.u32()
    if (count * 4 > reader.left) throw new BusbarError('MALFORMED', `${count} results in ${reader.left} bytes`)
    return Array.from({ length: count }, () => reader.u32())
  },
}

export const REM_RELEASE: Operation = operation('RemRelease', 2, refsRequest, nothing)
const REM_ADD_REF: Operation = operation('RemAddRef', 1, refsRequest, resultsReply)
export const REM_QUERY: Operation = {
  ...operation('RemQueryInterface', 0, queryRequest, queryReply),
  hresult: queryResult,
}
const REM_QUERY_2: Operation = {
  ...operation('RemQueryInterface2', 3, query2Request, query2Reply),
  hresult: queryResult,
}

function operation(name: string, number: number, request: Marshaller, reply: Marshaller): Operation {
  return { name, path: `IRemUnknown.${name}`, number, request, reply, pull: undefined }
}

/** IRemUnknown: counts references for whoever holds them, and finds interfaces (MS-DCOM 3.1.1.5.6). */
export const REM_UNKNOWN: Interface = {
  name: 'IRemUnknown',
  uuid: '00000131-0000-0000-c000-000000000046',
  procedures: [REM_QUERY, REM_ADD_REF, REM_RELEASE],
}

/** IRemUnknown2: what the object on every association is (MS-DCOM 3.1.1.5.7). */
export const REM_UNKNOWN_2: Interface = {
  name: 'IRemUnknown2',
  uuid: '00000143-0000-0000-c000-000000000046',
  procedures: [...REM_UNKNOWN.procedures, REM_QUERY_2],
  base: REM_UNKNOWN,
}
