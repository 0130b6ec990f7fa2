import { contract, type InterfaceId, method, type PlainImplementation, t } from '../../rpc/index.ts'

const { idl } = t

/** Most counters that `inqStats` tells (C706 appendix Q: 0 calls in, 1 calls out, 2 PDUs in, 3 PDUs out). */
const MAX_STATISTICS = 4
const IfId = t.struct({ uuid: t.guid, if_version: t.uint32 })
const IfIdVector = t.struct({ count: t.uint32, if_id: idl.array(t.optional(IfId), { size: 'count' }) })
const Statistics = t.struct({
  count: idl.range(t.uint32, 0, MAX_STATISTICS),
  statistics: idl.array(t.uint32, { size: 'count' }),
})

/** `mgmt`: what every server says about itself (C706 appendix Q). */
export const Management = contract(
  'mgmt',
  { version: '1.0', uuid: 'afa8bd80-7d8a-11c9-bef4-08002b102989' },
  {
    inqIfIds: method({}, idl.out({ if_id_vector: t.optional(IfIdVector) }, idl.status)),
    inqStats: method({ max_count: t.uint32 }, idl.out({ statistics: Statistics }, idl.status)),
    isServerListening: method({}, idl.out({ status: idl.status }, t.uint32)),
    stopServerListening: method({}, idl.out({}, idl.status)),
    inqPrincName: method(
      { authn_proto: t.uint32, princ_name_size: t.uint32 },
      idl.out({ princ_name: idl.string(8, { size: 'princ_name_size', length: true }) }, idl.status),
    ),
  },
)

/** `rpc_s_access_denied` and `rpc_s_auth_unknown`... as Windows numbers them (MS-ERREF 2.2). */
const ACCESS_DENIED = 5
const UNKNOWN_AUTHN_SERVICE = 1747

export interface ManagementOptions {
  /** What is served here, `mgmt` itself aside. */
  readonly interfaces: readonly InterfaceId[]
  /** Calls taken, calls made, PDUs in, PDUs out; those not counted are 0. */
  readonly statistics?: () => readonly number[]
}

/** Serves `mgmt`. Nobody stops the server from afar, and it has no name to prove. */
export function management(options: ManagementOptions): PlainImplementation<typeof Management> {
  return {
    inqIfIds() {
      const ids = options.interfaces.map(({ uuid, major, minor }) => ({
        uuid,
        if_version: ((minor << 16) | major) >>> 0,
      }))
      return { if_id_vector: { count: ids.length, if_id: ids }, result: 0 }
    },
    inqStats({ max_count }) {
      const known = options.statistics?.() ?? []
      const count = Math.min(max_count, MAX_STATISTICS)
      const statistics = Array.from({ length: count }, (_, i) => (known[i] ?? 0) >>> 0)
      return { statistics: { count, statistics }, result: 0 }
    },
    isServerListening: () => ({ status: 0, result: 1 }),
    stopServerListening: () => ({ result: ACCESS_DENIED }),
    inqPrincName: () => ({ princ_name: '', result: UNKNOWN_AUTHN_SERVICE }),
  }
}
