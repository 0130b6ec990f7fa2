import { type ContextHandle, contract, type InterfaceId, method, t } from '../../rpc/index.ts'

const { idl } = t

/** `twr_t`: a tower as bytes (C706 appendix L). */
const TowerBytes = t.struct({ tower_length: t.uint32, tower_octet_string: idl.bytes({ size: 'tower_length' }) })
const IfId = t.struct({ uuid: t.guid, vers_major: t.uint16, vers_minor: t.uint16 })
/** `ept_max_annotation_size` (C706 appendix O). */
const MAX_ANNOTATION = 64
const Entry = t.struct({
  object: t.guid,
  tower: t.optional(TowerBytes),
  annotation: idl.string(8, { fixed: MAX_ANNOTATION }),
})
const Entries = idl.array(Entry, { size: 'num_ents' })

/** `epmapper`: which interface is served where (C706 appendix O). */
export const EndpointMapper = contract(
  'epmapper',
  { version: '3.0', uuid: 'e1af8308-5d1f-11c9-91a4-08002b14a0fa' },
  {
    insert: method({ num_ents: t.uint32, entries: Entries, replace: t.uint32 }, idl.out({}, idl.status)),
    remove: method({ num_ents: t.uint32, entries: Entries }, idl.out({}, idl.status)),
    lookup: method(
      {
        inquiry_type: t.uint32,
        object: t.optional(t.guid),
        interface_id: t.optional(IfId),
        vers_option: t.uint32,
        entry_handle: idl.handle,
        max_ents: t.uint32,
      },
      idl.out(
        {
          entry_handle: idl.handle,
          num_ents: t.uint32,
          entries: idl.array(Entry, { size: 'max_ents', length: 'num_ents' }),
        },
        idl.status,
      ),
    ),
    map: method(
      {
        object: t.optional(t.guid),
        map_tower: t.optional(TowerBytes),
        entry_handle: idl.handle,
        max_towers: t.uint32,
      },
      idl.out(
        {
          entry_handle: idl.handle,
          num_towers: t.uint32,
          towers: idl.array(t.optional(TowerBytes), { size: 'max_towers', length: 'num_towers' }),
        },
        idl.status,
      ),
    ),
    lookupHandleFree: method({ entry_handle: idl.handle }, idl.out({ entry_handle: idl.handle }, idl.status)),
    inqObject: method({}, idl.out({ object: t.guid }, idl.status)),
    mgmtDelete: method(
      { object_speced: t.uint32, object: t.optional(t.guid), tower: t.optional(TowerBytes) },
      idl.out({}, idl.status),
    ),
  },
)

/** The handle that stands for none. */
export const NO_HANDLE: ContextHandle = { attributes: 0, uuid: '00000000-0000-0000-0000-000000000000' }

/** What is asked for, by `inquiry_type` (C706 appendix O). */
export const INQUIRY = { ALL: 0, INTERFACE: 1, OBJECT: 2, BOTH: 3 } as const

/** Which versions of an interface are meant, by `vers_option` (C706 appendix O). */
export const VERSIONS = { ALL: 1, COMPATIBLE: 2, EXACT: 3, MAJOR_ONLY: 4, UP_TO: 5 } as const

/** Whether an interface is one that was asked for. */
export function versionFits(served: InterfaceId, asked: InterfaceId, option: number): boolean {
  const { major, minor } = served
  switch (option) {
    case VERSIONS.COMPATIBLE:
      return major === asked.major && minor >= asked.minor
    case VERSIONS.EXACT:
      return major === asked.major && minor === asked.minor
    case VERSIONS.MAJOR_ONLY:
      return major === asked.major
    case VERSIONS.UP_TO:
      return major < asked.major || (major === asked.major && minor <= asked.minor)
    default:
      return true
  }
}
