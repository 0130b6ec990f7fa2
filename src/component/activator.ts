import { type Guid, guidFromName } from '../bytes/index.ts'
import { BUSBAR_NAMESPACE, contract, type Contract, method, t } from '../rpc/index.ts'

/** Any object: what activation returns is a reference whose interface the caller named. Never offered, never called. */
const ANY_OBJECT: Contract = contract('busbar.Object', { version: '1.0' }, { unused: method({}, t.void) })

/** Makes objects of the classes that a partition offers. A class is named by the contract that it implements. */
export const ACTIVATOR: Contract = contract(
  'busbar.Activator',
  { version: '1.1' },
  {
    activate: method(
      { classId: t.guid, interfaceId: t.guid },
      t.struct({
        /** The object that counts references on this association. */
        remUnknown: t.guid,
        object: t.ref(ANY_OBJECT),
      }),
    ),
    /**
     * Asks for a return channel: the caller opens a second channel to the same service and begins it with the token.
     * `remUnknown` counts the references that the caller will give.
     */
    invite: method({ remUnknown: t.guid }, t.struct({ token: t.guid })),
    /** Answers when the return channel has arrived: from then on references may be in arguments. */
    returned: method({}, t.void),
  },
)

/** The activator of every association: the one identity that is known beforehand. */
export const ACTIVATOR_IPID: Guid = guidFromName(BUSBAR_NAMESPACE, 'object activator')

export interface Activation {
  readonly classId: Guid
  readonly interfaceId: Guid
}
