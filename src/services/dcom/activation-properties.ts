import { type Guid, Reader, Writer } from '../../bytes/index.ts'
import { BusbarError } from '../../errors/index.ts'
import { contract, method, type RefPort, readUuid, t, type Taken, writeUuid } from '../../rpc/index.ts'
import type { DualStrings } from './bindings.ts'
import { ComVersion, DualStringArray, InterfacePointer } from './contracts.ts'
import { MAX_PROPERTIES, MAX_PROPERTY_COUNT } from './limits.ts'

const { idl } = t

/** "MEOW", OBJREF_CUSTOM (MS-DCOM 2.2.18). */
const SIGNATURE = 0x574f_454d
const CUSTOM = 4
/** IActivationPropertiesIn and -Out, and who is to read them (MS-DCOM 1.9). */
const IN = { iid: '000001a2-0000-0000-c000-000000000046', clsid: '00000338-0000-0000-c000-000000000046' }
const OUT = { iid: '000001a3-0000-0000-c000-000000000046', clsid: '00000339-0000-0000-c000-000000000046' }
/** The properties that are read and written here; every other one is passed over. */
const INSTANTIATION_INFO: Guid = '000001ab-0000-0000-c000-000000000046'
const SCM_REQUEST_INFO: Guid = '000001aa-0000-0000-c000-000000000046'
const SCM_REPLY_INFO: Guid = '000001b6-0000-0000-c000-000000000046'
const PROPS_OUT_INFO: Guid = OUT.clsid

/** Both headers of a serialized type (MS-RPCE 2.2.6.1, 2.2.6.2), `bytes`. */
const SERIALIZED_HEADER = 16
const LITTLE = 0x10
/** `dwSize` and `dwReserved` in front of the header of the blob (MS-DCOM 2.2.22), `bytes`. */
const BLOB_FRONT = 8

const CustomHeader = t.struct({
  totalSize: t.uint32,
  headerSize: t.uint32,
  dwReserved: t.uint32,
  destCtx: t.uint32,
  cIfs: idl.range(t.uint32, 1, MAX_PROPERTY_COUNT),
  classInfoClsid: t.guid,
  pclsid: t.optional(idl.array(t.guid, { size: 'cIfs' })),
  pSizes: t.optional(idl.array(t.uint32, { size: 'cIfs' })),
  pdwReserved: t.optional(t.uint32),
})
const InstantiationInfo = t.struct({
  classId: t.guid,
  classCtx: t.uint32,
  actvflags: t.uint32,
  fIsSurrogate: t.int32,
  cIID: idl.range(t.uint32, 1, 0x8000),
  instFlag: t.uint32,
  pIID: t.optional(idl.array(t.guid, { size: 'cIID' })),
  thisSize: t.uint32,
  clientCOMVersion: ComVersion,
})
const ScmRequestInfo = t.struct({
  pdwReserved: t.optional(t.uint32),
  remoteRequest: t.optional(
    t.struct({
      ClientImpLevel: t.uint32,
      cRequestedProtseqs: idl.range(t.uint16, 0, 0x8000),
      pRequestedProtseqs: t.optional(idl.array(t.uint16, { size: 'cRequestedProtseqs' })),
    }),
  ),
})
const ScmReplyInfo = t.struct({
  pdwReserved: t.optional(t.uint32),
  remoteReply: t.optional(
    t.struct({
      Oxid: t.uint64,
      pdsaOxidBindings: t.optional(DualStringArray),
      ipidRemUnknown: t.guid,
      authnHint: t.uint32,
      serverVersion: ComVersion,
    }),
  ),
})
const PropsOutInfo = t.struct({
  cIfs: t.uint32,
  piid: t.optional(idl.array(t.guid, { size: 'cIfs' })),
  phresults: t.optional(idl.array(t.uint32, { size: 'cIfs' })),
  ppIntfData: t.optional(idl.array(t.optional(InterfacePointer), { size: 'cIfs' })),
})

/** The structures as arguments of methods that nobody calls: so they are marshalled as everything else is. */
const Properties = contract(
  'busbar.ActivationProperties',
  { version: '1.0' },
  {
    CustomHeader: method({ it: CustomHeader }, t.void),
    InstantiationInfo: method({ it: InstantiationInfo }, t.void),
    ScmRequestInfo: method({ it: ScmRequestInfo }, t.void),
    ScmReplyInfo: method({ it: ScmReplyInfo }, t.void),
    PropsOutInfo: method({ it: PropsOutInfo }, t.void),
  },
)
type Structure = keyof typeof Properties.methods

/** What a client asks for. */
export interface ActivationRequest {
  readonly classId: Guid
  readonly iids: readonly Guid[]
  /** Tower identifiers of the protocols that it speaks. */
  readonly protseqs: readonly number[]
}

/** What it is answered. */
export interface ActivationReply {
  readonly interfaces: readonly {
    readonly iid: Guid
    readonly hresult: number
    readonly objref: Uint8Array | undefined
  }[]
  readonly oxid: bigint
  readonly bindings: DualStrings
  readonly remUnknown: Guid
  readonly authnHint: number
  readonly version: Taken<typeof ComVersion>
}

/** Reads the properties of an activation: OBJREF_CUSTOM with a blob (MS-DCOM 2.2.18.6, 2.2.22). `MALFORMED`, `LIMIT`. */
export function decodeActivation(bytes: Uint8Array): ActivationRequest {
  if (bytes.length > MAX_PROPERTIES) {
    throw new BusbarError(
      'LIMIT',
      `activation properties of ${bytes.length} bytes; at most ${MAX_PROPERTIES} are taken`,
    )
  }
  const reader = new Reader(bytes)
  if (reader.u32() !== SIGNATURE || reader.u32() !== CUSTOM) throw malformed('no custom OBJREF')
  if (readUuid(reader) !== IN.iid || readUuid(reader) !== IN.clsid) throw malformed('an OBJREF of another class')
  if (reader.u32() !== 0) throw malformed('an OBJREF with an extension')
  reader.skip(4 + BLOB_FRONT)
  return requestIn(bytes.subarray(reader.at))
}

function requestIn(blob: Uint8Array): ActivationRequest {
  const { headerSize, cIfs, pclsid, pSizes } = structureIn(blob, 'CustomHeader') as Taken<typeof CustomHeader>
  if (pclsid === undefined || pSizes === undefined) throw malformed('a blob that does not say what is in it')
  let at = headerSize
  let info: Taken<typeof InstantiationInfo> | undefined
  let scm: Taken<typeof ScmRequestInfo> | undefined
  for (let i = 0; i < cIfs; i++) {
    const size = pSizes[i] ?? 0
    if (at + size > blob.length) throw malformed(`a property of ${size} bytes at ${at} of ${blob.length}`)
    const property = blob.subarray(at, at + size)
    if (pclsid[i] === INSTANTIATION_INFO) {
      info = structureIn(property, 'InstantiationInfo') as Taken<typeof InstantiationInfo>
    } else if (pclsid[i] === SCM_REQUEST_INFO) {
      scm = structureIn(property, 'ScmRequestInfo') as Taken<typeof ScmRequestInfo>
    }
    at += size
  }
  if (info?.pIID === undefined) throw malformed('a blob that names no class and no interface')
  return { classId: info.classId, iids: info.pIID, protseqs: scm?.remoteRequest?.pRequestedProtseqs ?? [] }
}

/** Writes the properties of an answer. */
export function encodeReply({
  interfaces,
  oxid,
  bindings,
  remUnknown,
  authnHint,
  version,
}: ActivationReply): Uint8Array {
  const properties = [
    structure('PropsOutInfo', {
      cIfs: interfaces.length,
      piid: interfaces.map(({ iid }) => iid),
      phresults: interfaces.map(({ hresult }) => hresult),
      ppIntfData: interfaces.map(({ objref }) => objref && { ulCntData: objref.length, abData: objref }),
    }),
    structure('ScmReplyInfo', {
      pdwReserved: undefined,
      remoteReply: {
        Oxid: oxid,
        pdsaOxidBindings: bindings,
        ipidRemUnknown: remUnknown,
        authnHint,
        serverVersion: version,
      },
    }),
  ]
  const sizes = properties.map(({ length }) => length)
  const header = (headerSize: number): Uint8Array =>
    structure('CustomHeader', {
      totalSize: headerSize + sizes.reduce((sum, size) => sum + size, 0),
      headerSize,
      dwReserved: 0,
      /** MSHCTX_DIFFERENTMACHINE. */
      destCtx: 2,
      cIfs: sizes.length,
      classInfoClsid: '00000000-0000-0000-0000-000000000000',
      pclsid: [PROPS_OUT_INFO, SCM_REPLY_INFO],
      pSizes: sizes,
      pdwReserved: undefined,
    })
  const blob = [header(header(0).length), ...properties]
  const size = blob.reduce((sum, { length }) => sum + length, 0)
  const writer = new Writer()
  writer.u32(SIGNATURE)
  writer.u32(CUSTOM)
  writeUuid(writer, OUT.iid, true)
  writeUuid(writer, OUT.clsid, true)
  writer.u32(0)
  writer.u32(BLOB_FRONT + size)
  writer.u32(size)
  writer.u32(0)
  for (const part of blob) writer.bytes(part)
  return writer.finish()
}

/** A structure with the headers of type serialization version 1, padded to 8. */
function structure(name: Structure, it: unknown): Uint8Array {
  const body = new Writer()
  marshallerOf(name).write(body, { it }, NO_REFERENCES)
  body.align(8)
  const writer = new Writer()
  writer.u8(1)
  writer.u8(LITTLE)
  writer.u16(8)
  writer.u32(0xcccc_cccc)
  writer.u32(body.length)
  writer.u32(0)
  writer.bytes(body.finish())
  return writer.finish()
}

function structureIn(bytes: Uint8Array, name: Structure): unknown {
  const front = new Reader(bytes)
  const version = front.u8()
  const order = front.u8()
  if (version !== 1 || (order !== LITTLE && order !== 0))
    throw malformed(`${name} in serialization ${version}.${order}`)
  // The headers are a multiple of 8, so alignment may count from behind them.
  front.skip(SERIALIZED_HEADER - 2)
  const body = bytes.subarray(SERIALIZED_HEADER)
  const { it } = marshallerOf(name).read(new Reader(body, order === LITTLE), NO_REFERENCES) as { it: unknown }
  return it
}

function marshallerOf(name: Structure) {
  const found = Properties.procedures.find((procedure) => procedure.name === name)
  if (found === undefined) throw new BusbarError('INTERNAL', `no structure ${name}`)
  return found.request
}

const NO_REFERENCES: RefPort = { give: refuse, take: refuse }

function refuse(): never {
  throw new BusbarError('INTERNAL', 'a reference in activation properties')
}

function malformed(what: string): BusbarError {
  return new BusbarError('MALFORMED', `activation properties: ${what}`)
}
