import { BusbarError, type ErrorCode } from '../errors/index.ts'
import type { InterfaceId, RpcInterface } from '../rpc/index.ts'
import type { ExportedObject, Given } from './exported.ts'
import { hresultOf } from './hresult.ts'

/** What is different on an association with a peer that is no Busbar: it has addresses in place of a pipe. */
export interface ForeignServing {
  /** Interfaces of plain calls that are served beside the objects: the object resolver, activation. */
  readonly beside: (id: InterfaceId, group: number) => RpcInterface | undefined
  /** As in `RpcServerOptions`. */
  readonly address: string
  /** An object was called over this association. */
  readonly called: (object: ExportedObject) => void
  /** An answer on this association gave references. */
  readonly gave: (given: readonly Given[]) => void
}

/** What a reference among the arguments of a foreign peer cannot be taken for. */
type Refusal = 'no reference' | 'not here' | 'not held' | 'other interface'

const REFUSALS: Readonly<Record<Refusal, { readonly code: ErrorCode; readonly hresult: number }>> = {
  /** RPC_E_INVALID_OBJREF (MS-DCOM 3.2.4.1.2). */
  'no reference': { code: 'MALFORMED', hresult: 0x8001_011d },
  /** RPC_S_SERVER_UNAVAILABLE (MS-ERREF 2.1): what DCOM says when nobody answers at the addresses; ours are not even tried. */
  'not here': { code: 'UNAVAILABLE', hresult: 0x8007_06ba },
  /** RPC_E_DISCONNECTED. */
  'not held': { code: 'NO_SUCH_OBJECT', hresult: hresultOf('NO_SUCH_OBJECT') },
  'other interface': { code: 'NO_SUCH_INTERFACE', hresult: hresultOf('NO_SUCH_INTERFACE') },
}

/** Refuses a call because of a reference among its arguments: as an answer with an HRESULT, which foreign peers understand. */
export class RefusedReference extends BusbarError {
  readonly hresult: number

  constructor(refusal: Refusal, message: string) {
    super(REFUSALS[refusal].code, message, { stage: 'call' })
    this.hresult = REFUSALS[refusal].hresult
  }

  static override from(thrown: unknown): RefusedReference {
    const { code, message } = BusbarError.from(thrown)
    if (code === 'NO_SUCH_OBJECT') return new RefusedReference('not held', message)
    if (code === 'NO_SUCH_INTERFACE') return new RefusedReference('other interface', message)
    return new RefusedReference('no reference', message)
  }
}
