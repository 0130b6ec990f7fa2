import { BusbarError } from '../errors/index.ts'
import type { Guid } from '../bytes/index.ts'
import { type Contract, Described, describing } from '../rpc/index.ts'
import { ThirdPartyFailure } from './errors.ts'
import type { Exchange } from './exchange.ts'
import type { Exported, ExportedObject } from './exported.ts'
import { hresultOf, S_OK } from './hresult.ts'
import { contractsOf } from './implement.ts'
import type { Interface, Methods } from './interface.ts'
import { heldOf } from './proxy.ts'
import { type Found, type InterfaceQuery, Queried } from './rem-query.ts'
import type { InterfaceRefs } from './rem-unknown.ts'

/** What IRemUnknown does on one pipe. `known` gives the contract of an interface that calls on this side can lead to. */
export function remUnknownMethods(exchange: Exchange, known: (iid: Guid) => Interface | undefined): Methods {
  const { exports } = exchange
  const query = async (asked: unknown): Promise<(Found | undefined)[]> => {
    const { ipid, references, iids } = asked as InterfaceQuery
    const exported = exports.given(ipid)
    if (exported === undefined || exported.object.stream || references === 0) {
      throw new BusbarError('INVALID_ARGUMENT', `a query of ${ipid}, which is not held on this pipe`)
    }
    const found = await Promise.allSettled(iids.map((iid) => find(exported, iid, references, known)))
    const failed = found.find((each) => each.status === 'rejected')
    if (failed === undefined) return found.map((each) => (each.status === 'fulfilled' ? each.value : undefined))
    for (const each of found) if (each.status === 'fulfilled') each.value?.given.done()
    throw failed.reason
  }
  return {
    RemQueryInterface: query,
    RemQueryInterface2: query,
    RemAddRef(refs) {
      return (refs as InterfaceRefs[]).map(({ ipid, references }) =>
        exports.addReferences(ipid, references) ? S_OK : hresultOf('INVALID_ARGUMENT'),
      )
    },
    RemRelease(refs) {
      for (const { ipid, references } of refs as InterfaceRefs[]) {
        // Either an object of ours that the peer lets go of, or one of its own that we sent home and that has arrived.
        if (!exports.release(ipid, references)) exchange.taker?.imports.returned(ipid, references)
      }
    },
  }
}

/** What every object of ours answers to, as an object of its own: it says what the one that was asked implements. */
function describedBy({ interfaces, value, contracts: own = [] }: ExportedObject, references: number): Queried {
  const held = interfaces.map((each) => each.interface as Contract).filter((each) => 'version' in each)
  const contracts = [...new Map([...held, ...own, ...contractsOf(value)].map((each) => [each.uuid, each])).values()]
  const methods = describing(() => contracts) as unknown as Methods
  return new Queried({ value: methods, key: methods, owned: false, stream: false }, references)
}

/** Only what the object's owner declared, or gave on this pipe before. */
async function find(
  exported: Exported,
  iid: Guid,
  references: number,
  known: (iid: Guid) => Interface | undefined,
): Promise<Found | undefined> {
  const { object, share } = exported
  const { key, owned, value } = object
  if (iid === Described.uuid && share === undefined)
    return { contract: Described, given: describedBy(object, references) }
  const there = object.interfaces.find((each) => each.interface.uuid === iid)
  const declared = [...(object.contracts ?? []), ...contractsOf(value)]
  const contract = there?.interface ?? declared.find(({ uuid }) => uuid === iid)
  if (contract !== undefined) {
    const offering = { value, key: there?.share ?? key, owned, stream: false }
    return { contract: contract as Contract, given: new Queried(offering, references) }
  }
  // An object that was passed on: its own side knows. What nobody here has a contract for cannot be passed on.
  const interface_ = share === undefined ? undefined : known(iid)
  if (share === undefined || interface_ === undefined) return undefined
  try {
    const proxy = await share.via.query(share, interface_ as Contract, undefined)
    const held = heldOf(proxy)
    if (held === undefined) return undefined
    return { contract: interface_ as Contract, given: new Queried({ ...object, key: held }, references, held) }
  } catch (thrown) {
    if (BusbarError.from(thrown).code === 'NO_SUCH_INTERFACE') return undefined
    throw new ThirdPartyFailure('a query that was passed on', { cause: thrown })
  }
}
