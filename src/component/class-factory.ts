import type { Guid } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import { type CallContext, type Contract, contract, method, t } from '../rpc/index.ts'
import { Activated } from './classes.ts'
import { contractsOf } from './implement.ts'
import type { Interface, Methods } from './interface.ts'

/** IUnknown: every object has it, and it is never called (MS-DCOM 3.1.1.5.4). */
const UNKNOWN: Interface = { name: 'IUnknown', uuid: '00000000-0000-0000-c000-000000000046', procedures: [] }

const ANY_OBJECT: Contract = contract('busbar.Object', { version: '1.0' }, { unused: method({}, t.void) })

/** IClassFactory as it is on the wire: its methods that are called from afar (objidlbase.idl, `call_as`). */
export const CLASS_FACTORY: Contract = contract(
  'IClassFactory',
  { version: '0.0', uuid: '00000001-0000-0000-c000-000000000046' },
  {
    createInstance: method({ iid: t.guid }, t.ref(ANY_OBJECT)),
    /** A class on offer stays, whether it is locked or not. */
    lockServer: method({ lock: t.uint32 }, t.void),
  },
)

/** The interface of an object that was asked for, if it has it. */
export function interfaceOf({ contract: own, methods }: Activated, iid: Guid): Interface | undefined {
  if (iid === UNKNOWN.uuid) return UNKNOWN
  return own.uuid === iid ? own : contractsOf(methods).find(({ uuid }) => uuid === iid)
}

/** What makes objects of one class, as an object. `discard` ends one that has not the interface that was asked for. */
export function classFactory(
  activate: (context: CallContext) => Promise<Activated>,
  discard: (made: Activated) => void,
): Methods {
  return {
    async createInstance(args, context) {
      const { iid } = args as { iid: Guid }
      const made = await activate(context)
      const through = interfaceOf(made, iid)
      if (through !== undefined) return new Activated(made.contract, made.methods, made.owned, through)
      discard(made)
      throw new BusbarError('NO_SUCH_INTERFACE', `objects of ${made.contract.name} have no interface ${iid}`)
    },
    lockServer() {},
  }
}
