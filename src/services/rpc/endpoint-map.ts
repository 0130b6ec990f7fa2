import { randomBytes } from 'node:crypto'
import { type ContextHandle, FaultError, type InterfaceId, type PlainImplementation } from '../../rpc/index.ts'
import { type EndpointMapper, INQUIRY, NO_HANDLE, versionFits } from './endpoint-mapper.ts'
import { decodeTower, encodeTower, type Tower } from './tower.ts'

/** One place where an interface is served. */
export interface EndpointEntry extends Tower {
  /** Text for people, ASCII, at most 63 characters. */
  readonly annotation: string
}

/** `ept_s_not_registered`; `ept_s_cant_perform_op`; `ept_s_invalid_entry` (C706 appendix E). */
const NOT_REGISTERED = 0x16c9_a0d6
const CANNOT_PERFORM = 0x16c9_a0cd
const INVALID_ENTRY = 0x16c9_a0d3

const NIL = NO_HANDLE.uuid
/** Most entries of one answer, whatever the client has room for (our choice: as many as Windows gives). */
const MAX_ENTRIES = 500

type Towers = { readonly tower_length: number; readonly tower_octet_string: Uint8Array }

/**
 * Serves `epmapper` from a fixed list; one for each association group, since handles are good in theirs only. A handle says
 * where a search goes on, and nothing is kept for it: clients may leave as many open as they like. Nobody registers
 * anything from afar.
 */
export function endpointMap(entries: readonly EndpointEntry[]): PlainImplementation<typeof EndpointMapper> {
  // The first half of our handles: an unguessable name of this very list. The second half is the next entry's number.
  const name = randomBytes(12).toString('hex')
  const handleAt = (next: number): ContextHandle => {
    const hex = name + next.toString(16).padStart(8, '0')
    const uuid = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
    return { attributes: 0, uuid }
  }
  const placeOf = ({ uuid }: ContextHandle): number => {
    if (uuid === NIL) return 0
    const hex = uuid.replaceAll('-', '')
    if (!hex.startsWith(name)) throw FaultError.contextMismatch()
    return Number.parseInt(hex.slice(name.length), 16)
  }
  /**
   * The next entries that fit, and where the search goes on. The last page has status 0 and no handle, as with Windows and as
   * impacket wants it; Samba says `ept_s_not_registered` beside its entries.
   */
  const page = (fits: (entry: EndpointEntry) => boolean, handle: ContextHandle, room: number) => {
    const found: EndpointEntry[] = []
    let next = placeOf(handle)
    for (; next < entries.length && found.length < Math.min(room, MAX_ENTRIES); next++) {
      const entry = entries[next]
      if (entry !== undefined && fits(entry)) found.push(entry)
    }
    const entry_handle = entries.slice(next).some(fits) ? handleAt(next) : NO_HANDLE
    return { found, entry_handle, result: found.length === 0 ? NOT_REGISTERED : 0 }
  }
  return {
    insert: () => ({ result: CANNOT_PERFORM }),
    remove: () => ({ result: CANNOT_PERFORM }),
    lookup({ inquiry_type, object, interface_id, vers_option, entry_handle, max_ents }) {
      const byInterface = inquiry_type === INQUIRY.INTERFACE || inquiry_type === INQUIRY.BOTH
      const byObject = inquiry_type === INQUIRY.OBJECT || inquiry_type === INQUIRY.BOTH
      const asked = interface_id === undefined ? undefined : idOf(interface_id)
      const fits = ({ interface: served }: EndpointEntry): boolean => {
        if (byObject && object !== undefined && object !== NIL) return false
        if (!byInterface || asked === undefined) return true
        return served.uuid === asked.uuid && versionFits(served, asked, vers_option)
      }
      const { found, ...rest } = page(fits, entry_handle, max_ents)
      const list = found.map((entry) => ({ object: NIL, tower: towerBytes(entry), annotation: entry.annotation }))
      return { ...rest, num_ents: list.length, entries: list }
    },
    map({ map_tower, entry_handle, max_towers }) {
      const asked = map_tower === undefined ? undefined : decodeTower(map_tower.tower_octet_string)
      if (asked === undefined) return { entry_handle: NO_HANDLE, num_towers: 0, towers: [], result: INVALID_ENTRY }
      const { found, ...rest } = page((entry) => answers(entry, asked), entry_handle, max_towers)
      return { ...rest, num_towers: found.length, towers: found.map(towerBytes) }
    },
    lookupHandleFree({ entry_handle }) {
      placeOf(entry_handle)
      return { entry_handle: NO_HANDLE, result: 0 }
    },
    inqObject: () => ({ object: NIL, result: 0 }),
    mgmtDelete: () => ({ result: CANNOT_PERFORM }),
  }
}

/** Whether an entry serves what a client asks for: a compatible version, over the same protocol. */
function answers({ interface: served, transfer, endpoint }: EndpointEntry, asked: Tower): boolean {
  if (served.uuid !== asked.interface.uuid || served.major !== asked.interface.major) return false
  if (served.minor < asked.interface.minor || transfer.uuid !== asked.transfer.uuid) return false
  return endpoint.protocol === asked.endpoint.protocol
}

function idOf({ uuid, vers_major, vers_minor }: { uuid: string; vers_major: number; vers_minor: number }): InterfaceId {
  return { uuid, major: vers_major, minor: vers_minor }
}

function towerBytes(tower: Tower): Towers {
  const bytes = encodeTower(tower)
  return { tower_length: bytes.length, tower_octet_string: bytes }
}
