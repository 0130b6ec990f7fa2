import type { Guid } from '../../bytes/index.ts'
import type { PlainImplementation } from '../../rpc/index.ts'
import { type DualStrings, TCP } from './bindings.ts'
import type { ObjectExporter } from './contracts.ts'
import type { Leases } from './leases.ts'

/** COM 5.7 (MS-DCOM 2.2.11). */
export const COM_VERSION = { MajorVersion: 5, MinorVersion: 7 } as const
/** RPC_C_AUTHN_LEVEL_NONE (MS-RPCE 2.2.1.1.8): nobody proves who they are here. */
export const AUTHN_NONE = 1

/** What the resolver answers, by the names of MS-ERREF 2.2. */
const OK = 0
const NOT_ENOUGH_MEMORY = 8
export const PROTSEQ_NOT_SUPPORTED = 1703
const INVALID_OXID = 1910
const INVALID_SET = 1912

/** What the resolver has to know of the peer that asks. */
export interface Resolved {
  readonly oxid: bigint
  readonly remUnknown: Guid
  readonly bindings: DualStrings
  readonly leases: Leases
}

/** The object resolver as one peer sees it: it resolves what that peer was given, and keeps that peer's ping sets. */
export function objectResolver(peer: Resolved): PlainImplementation<typeof ObjectExporter> {
  const resolve = (oxid: bigint, protseqs: readonly number[]) => {
    const result = oxid !== peer.oxid ? INVALID_OXID : protseqs.includes(TCP) ? OK : PROTSEQ_NOT_SUPPORTED
    if (result !== OK) return { pipidRemUnknown: NOBODY, pAuthnHint: 0, result }
    return { ppdsaOxidBindings: peer.bindings, pipidRemUnknown: peer.remUnknown, pAuthnHint: AUTHN_NONE, result }
  }
  return {
    ResolveOxid: ({ pOxid, arRequestedProtseqs }) => resolve(pOxid, arRequestedProtseqs),
    ResolveOxid2: ({ pOxid, arRequestedProtseqs }) => ({
      ...resolve(pOxid, arRequestedProtseqs),
      pComVersion: COM_VERSION,
    }),
    SimplePing: ({ pSetId }) => ({ result: peer.leases.ping(pSetId) ? OK : INVALID_SET }),
    ComplexPing({ pSetId, AddToSet, DelFromSet }) {
      const failed = (result: number) => ({ pSetId, pPingBackoffFactor: 0, result })
      const id = peer.leases.change(pSetId, AddToSet ?? [], DelFromSet ?? [])
      if (id === undefined) return failed(INVALID_SET)
      if (id === 'full') return failed(NOT_ENOUGH_MEMORY)
      return { pSetId: id, pPingBackoffFactor: 0, result: OK }
    },
    ServerAlive: () => ({ result: OK }),
    ServerAlive2: () => ({ pComVersion: COM_VERSION, ppdsaOrBindings: peer.bindings, pReserved: 0, result: OK }),
  }
}

const NOBODY: Guid = '00000000-0000-0000-0000-000000000000'
