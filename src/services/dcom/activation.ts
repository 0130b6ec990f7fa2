import type { Guid } from '../../bytes/index.ts'
import { type ForeignReferences, hresultOf } from '../../component/index.ts'
import { BusbarError } from '../../errors/index.ts'
import type { IncomingCall, PlainImplementation } from '../../rpc/index.ts'
import { type ActivationRequest, decodeActivation, encodeReply } from './activation-properties.ts'
import { type DualStrings, TCP } from './bindings.ts'
import type { Activation, RemoteScmActivator } from './contracts.ts'
import { AUTHN_NONE, COM_VERSION, PROTSEQ_NOT_SUPPORTED } from './resolver.ts'

/** HRESULTs that only activation answers (MS-ERREF 2.1). */
const S_OK = 0
const E_NOTIMPL = 0x8000_4001
const E_NOINTERFACE = 0x8000_4002
const CLASS_E_NOAGGREGATION = 0x8004_0110
const NO_PROTSEQ = 0x8007_0000 + PROTSEQ_NOT_SUPPORTED

const THAT = { flags: 0 } as const
const NOBODY: Guid = '00000000-0000-0000-0000-000000000000'

/** What activation has to know of the peer that asks, on the connection that it asks over. */
export interface Activating {
  readonly oxid: bigint
  readonly remUnknown: Guid
  readonly bindings: DualStrings
  /** Most interfaces asked for at once. */
  readonly interfaces: number
  /** An object of a class, or the object that makes them; throws what the caller is to be told. */
  create(classId: Guid, iids: readonly Guid[], call: IncomingCall): Promise<ForeignReferences>
  classObject(classId: Guid, iids: readonly Guid[], call: IncomingCall): ForeignReferences
}

/** What came of it: a reference or nothing for each interface, or why there is none at all. */
type Outcome = { readonly hresult: number; readonly references: readonly (Uint8Array | undefined)[] }

const hresultFor = (objref: Uint8Array | undefined): number => (objref === undefined ? E_NOINTERFACE : S_OK)

async function attempt(
  peer: Activating,
  { iids, protseqs }: ActivationRequest,
  activate: () => ForeignReferences | Promise<ForeignReferences>,
): Promise<Outcome> {
  try {
    if (!protseqs.includes(TCP)) return { hresult: NO_PROTSEQ, references: [] }
    if (iids.length === 0 || iids.length > peer.interfaces) {
      throw new BusbarError('INVALID_ARGUMENT', `${iids.length} interfaces; 1 to ${peer.interfaces} are given at once`)
    }
    const { references } = await activate()
    return { hresult: S_OK, references }
  } catch (thrown) {
    return { hresult: hresultOf(BusbarError.from(thrown).code), references: [] }
  }
}

/** IActivation as one peer sees it on one connection. */
export function activation(peer: Activating): PlainImplementation<typeof Activation> {
  return {
    async RemoteActivation(args, call) {
      const { Clsid, pwszObjectName, pObjectStorage, Interfaces, pIIDs = [], aRequestedProtseqs: protseqs } = args
      const request = { classId: Clsid, iids: pIIDs, protseqs }
      // An object that is loaded from a file or a storage: there are none.
      const persistent = pwszObjectName !== undefined || pObjectStorage !== undefined
      const { hresult, references } = persistent
        ? { hresult: E_NOTIMPL, references: [] }
        : await attempt(peer, request, () => peer.create(Clsid, pIIDs, call))
      const all = Array.from({ length: Math.min(Interfaces, pIIDs.length) }, (_, i) => references[i])
      const made = hresult === S_OK
      return {
        ORPCthat: THAT,
        pOxid: made ? peer.oxid : 0n,
        ppdsaOxidBindings: made ? peer.bindings : undefined,
        pipidRemUnknown: made ? peer.remUnknown : NOBODY,
        pAuthnHint: made ? AUTHN_NONE : 0,
        pServerVersion: COM_VERSION,
        phr: hresult,
        ppInterfaceData: all.map((objref) => objref && { ulCntData: objref.length, abData: objref }),
        pResults: all.map((objref) => (made ? hresultFor(objref) : hresult)),
        result: hresult,
      }
    },
  }
}

type Properties = { readonly ulCntData: number; readonly abData: Uint8Array }

/** IRemoteSCMActivator as one peer sees it on one connection. */
export function scmActivator(peer: Activating): PlainImplementation<typeof RemoteScmActivator> {
  const answer = async (
    properties: Properties | undefined,
    activate: (request: ActivationRequest) => ForeignReferences | Promise<ForeignReferences>,
  ) => {
    if (properties === undefined) return { ORPCthat: THAT, result: hresultOf('INVALID_ARGUMENT') }
    // Bytes that are no properties are bytes that break the contract: a fault says so.
    const request = decodeActivation(properties.abData)
    const { hresult, references } = await attempt(peer, request, () => activate(request))
    if (hresult !== S_OK) return { ORPCthat: THAT, result: hresult }
    const blob = encodeReply({
      interfaces: request.iids.map((iid, i) => {
        const objref = references[i]
        return { iid, hresult: hresultFor(objref), objref }
      }),
      ...{ oxid: peer.oxid, bindings: peer.bindings, remUnknown: peer.remUnknown },
      ...{ authnHint: AUTHN_NONE, version: COM_VERSION },
    })
    return { ORPCthat: THAT, ppActProperties: { ulCntData: blob.length, abData: blob }, result: S_OK }
  }
  return {
    RemoteGetClassObject: ({ pActProperties }, call) =>
      answer(pActProperties, ({ classId, iids }) => peer.classObject(classId, iids, call)),
    RemoteCreateInstance({ pUnkOuter, pActProperties }, call) {
      if (pUnkOuter !== undefined) return { ORPCthat: THAT, result: CLASS_E_NOAGGREGATION }
      return answer(pActProperties, ({ classId, iids }) => peer.create(classId, iids, call))
    },
  }
}
