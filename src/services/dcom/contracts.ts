import { contract, method, t } from '../../rpc/index.ts'

const { idl } = t

/** Most interfaces, and most protocol sequences, that one request names (MS-DCOM 2.2.28.1). */
const MAX_REQUESTED = 0x8000

/** COMVERSION (MS-DCOM 2.2.11). */
export const ComVersion = t.struct({ MajorVersion: t.uint16, MinorVersion: t.uint16 })

/** DUALSTRINGARRAY (MS-DCOM 2.2.19.1). */
export const DualStringArray = t.struct({
  wNumEntries: t.uint16,
  wSecurityOffset: t.uint16,
  aStringArray: idl.array(t.uint16, { size: 'wNumEntries' }),
})

/** MInterfacePointer (MS-DCOM 2.2.14): an OBJREF as bytes. */
export const InterfacePointer = t.struct({ ulCntData: t.uint32, abData: idl.bytes({ size: 'ulCntData' }) })

/** ORPC_EXTENT, ORPC_EXTENT_ARRAY, ORPCTHIS, ORPCTHAT (MS-DCOM 2.2.13), which activation has as ordinary parameters. */
const Extent = t.struct({ id: t.guid, size: t.uint32, data: idl.bytes({ size: true }) })
const Extents = t.struct({
  size: t.uint32,
  reserved: t.uint32,
  extent: t.optional(idl.array(t.optional(Extent), { size: true })),
})
const OrpcThis = t.struct({
  version: ComVersion,
  flags: t.uint32,
  reserved1: t.uint32,
  cid: t.guid,
  extensions: t.optional(Extents),
})
const OrpcThat = t.struct({ flags: t.uint32, extensions: t.optional(Extents) })

/** Which protocol sequences the client speaks. */
const Protseqs = {
  cRequestedProtseqs: idl.range(t.uint16, 0, MAX_REQUESTED),
  arRequestedProtseqs: idl.array(t.uint16, { size: 'cRequestedProtseqs' }),
}
const Oids = (size: string) => t.optional(idl.array(t.uint64, { size }))
const resolved = {
  ppdsaOxidBindings: t.optional(DualStringArray),
  pipidRemUnknown: t.guid,
  pAuthnHint: t.uint32,
}

/** IObjectExporter, the object resolver (MS-DCOM 3.1.2.5.1). */
export const ObjectExporter = contract(
  'IObjectExporter',
  { version: '0.0', uuid: '99fcfec4-5260-101b-bbcb-00aa0021347a' },
  {
    ResolveOxid: method({ pOxid: t.uint64, ...Protseqs }, idl.out(resolved, idl.status)),
    SimplePing: method({ pSetId: t.uint64 }, idl.out({}, idl.status)),
    ComplexPing: method(
      {
        pSetId: t.uint64,
        SequenceNum: t.uint16,
        cAddToSet: t.uint16,
        cDelFromSet: t.uint16,
        AddToSet: Oids('cAddToSet'),
        DelFromSet: Oids('cDelFromSet'),
      },
      idl.out({ pSetId: t.uint64, pPingBackoffFactor: t.uint16 }, idl.status),
    ),
    ServerAlive: method({}, idl.out({}, idl.status)),
    ResolveOxid2: method(
      { pOxid: t.uint64, ...Protseqs },
      idl.out({ ...resolved, pComVersion: ComVersion }, idl.status),
    ),
    ServerAlive2: method(
      {},
      idl.out(
        { pComVersion: ComVersion, ppdsaOrBindings: t.optional(DualStringArray), pReserved: t.uint32 },
        idl.status,
      ),
    ),
  },
)

/** IActivation (MS-DCOM 3.1.2.5.2.1): activation as it was before properties. */
export const Activation = contract(
  'IActivation',
  { version: '0.0', uuid: '4d9f4ab8-7d1c-11cf-861e-0020af6e7c57' },
  {
    RemoteActivation: method(
      {
        ORPCthis: OrpcThis,
        Clsid: t.guid,
        pwszObjectName: t.optional(t.string),
        pObjectStorage: t.optional(InterfacePointer),
        ClientImpLevel: t.uint32,
        Mode: t.uint32,
        Interfaces: idl.range(t.uint32, 1, MAX_REQUESTED),
        pIIDs: t.optional(idl.array(t.guid, { size: 'Interfaces' })),
        cRequestedProtseqs: idl.range(t.uint16, 0, MAX_REQUESTED),
        aRequestedProtseqs: idl.array(t.uint16, { size: 'cRequestedProtseqs' }),
      },
      idl.out(
        {
          ORPCthat: OrpcThat,
          pOxid: t.uint64,
          ...{ ppdsaOxidBindings: resolved.ppdsaOxidBindings, pipidRemUnknown: t.guid, pAuthnHint: t.uint32 },
          pServerVersion: ComVersion,
          phr: t.uint32,
          ppInterfaceData: idl.array(t.optional(InterfacePointer), { size: 'Interfaces' }),
          pResults: idl.array(t.uint32, { size: 'Interfaces' }),
        },
        idl.status,
      ),
    ),
  },
)

const properties = idl.out({ ORPCthat: OrpcThat, ppActProperties: t.optional(InterfacePointer) }, idl.status)

/** IRemoteSCMActivator (MS-DCOM 3.1.2.5.2.2): activation with properties. */
export const RemoteScmActivator = contract(
  'IRemoteSCMActivator',
  { version: '0.0', uuid: '000001a0-0000-0000-c000-000000000046' },
  {
    RemoteGetClassObject: method({ ORPCthis: OrpcThis, pActProperties: t.optional(InterfacePointer) }, properties, {
      opnum: 3,
    }),
    RemoteCreateInstance: method(
      {
        ORPCthis: OrpcThis,
        pUnkOuter: t.optional(InterfacePointer),
        pActProperties: t.optional(InterfacePointer),
      },
      properties,
    ),
  },
)
